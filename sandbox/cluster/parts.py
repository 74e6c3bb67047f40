"""The cluster's processes: where each listens, and how one sees that it is well."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox.cluster import node
from sandbox.cluster.layout import LOOPBACK, Addresses, Layout
from sandbox.cluster.versions import COREDNS, KUBERNETES, METRICS_SERVER
from sandbox.process import listening
from sandbox.status import PartStatus

NODE_PARTS = ("kube-proxy", "kubelet", "containerd", "node", "registry-relay", "metrics-server", "coredns")
CONTROL_PLANE = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")

START_SECONDS = 60


@dataclass(frozen=True)
class Part:
    """A process of the cluster.

    Args:
        layout: the cluster it belongs to.
        name: what the status table and errors call it.
        version: what runs.
        address: where it listens.
        healthy: whether it answers as it should.
    """

    layout: Layout
    name: str
    version: str
    address: str
    healthy: Callable[[], bool]

    def start(self, command: Sequence[str], env: Mapping[str, str], **facts: object) -> None:
        """Run `command` as this part unless it runs so already and is healthy; returns when it is.

        Raises SandboxError with its last log lines when it ends or is not healthy in a minute.
        """
        daemon = self.layout.daemon(self.name)
        if daemon.process() is not None:
            if daemon.facts().get("command") == list(command) and self.healthy():
                return
            daemon.stop(grace=5)
        remembered = {"command": list(command), **facts}
        daemon.start(command, ready=self.healthy, seconds=START_SECONDS, env=env, facts=remembered)

    def status(self) -> PartStatus:
        """Its row in the status table."""
        daemon = self.layout.daemon(self.name)
        process, version = daemon.process(), str(daemon.facts().get("version", self.version))
        if process is None:
            return PartStatus(self.name, version, self.address)
        log = self.layout.home.log(f"cluster-{self.name}")
        health = "healthy" if self.healthy() else f"broken: its health check fails, see {log}"
        return PartStatus(self.name, version, self.address, process.pid, health)


def all_parts(layout: Layout, addresses: Addresses) -> list[Part]:
    """Every process of the cluster, in the order in which they start."""
    return _control_plane(layout, addresses) + (_node_parts(layout, addresses) if layout.node else [])


def _control_plane(layout: Layout, addresses: Addresses) -> list[Part]:
    """The parts that run on the host, also without root; in the order in which they start."""
    ports = addresses.ports
    etcd, api = f"{LOOPBACK}:{ports['etcd']}", addresses.api.removeprefix("https://")
    manager, scheduler = (f"{LOOPBACK}:{ports[name]}" for name in ("controller-manager", "scheduler"))
    return [
        Part(layout, "etcd", "3.5", etcd, answers(f"http://{LOOPBACK}:{ports['etcd-metrics']}/health")),
        Part(
            layout, "kube-apiserver", KUBERNETES, api, answers(f"https://{api}/readyz", layout.pki / "ca.crt")
        ),
        Part(layout, "kube-controller-manager", KUBERNETES, manager, answers(f"https://{manager}/healthz")),
        Part(layout, "kube-scheduler", KUBERNETES, scheduler, answers(f"https://{scheduler}/healthz")),
    ]


def _node_parts(layout: Layout, addresses: Addresses) -> list[Part]:
    """The parts that need root."""
    address, host, ports = addresses.node, addresses.host, addresses.ports
    metrics, relay = f"{host}:{ports['metrics-server']}", relay_address(layout)
    containerd, dns_ready = (
        layout.run / "containerd.sock",
        f"http://{LOOPBACK}:{ports['coredns-ready']}/ready",
    )
    return [
        Part(layout, "node", KUBERNETES, address, lambda: node.first_process(layout) is not None),
        Part(layout, "containerd", "", str(containerd), accepts(containerd)),
        Part(layout, "kubelet", KUBERNETES, f"{address}:10250", answers(f"http://{address}:10248/healthz")),
        Part(layout, "kube-proxy", KUBERNETES, f"{address}:10256", answers(f"http://{address}:10256/healthz")),
        Part(layout, "coredns", COREDNS, f"{host}:53", answers(dns_ready)),
        Part(layout, "metrics-server", METRICS_SERVER, metrics,
             answers(f"https://{metrics}/livez", layout.pki / "ca.crt")),
        Part(layout, "registry-relay", "", relay, lambda: _answering(relay_address(layout))),
    ]  # fmt: skip


def relay_address(layout: Layout) -> str:
    """Where the relay to the registry listens; empty before its first start."""
    return str(layout.daemon("registry-relay").facts().get("listen", ""))


def answers(url: str, authority: Path | None = None) -> Callable[[], bool]:
    """A health check: GET `url` gives 200.

    Args:
        url: of the component's health page.
        authority: the certificate that signed the component's. Defaults to none: a certificate the
            component made for itself is then accepted, since only its health is asked for.
    """

    def ask() -> bool:
        with contextlib.suppress(httpx.HTTPError, OSError):
            return httpx.get(url, verify=_trust(authority), timeout=2, trust_env=False).status_code == 200
        return False

    return ask


def accepts(path: Path) -> Callable[[], bool]:
    """A health check: something accepts connections on the Unix socket `path`."""

    def ask() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0

    return ask


def _answering(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(port) and listening(int(port), host)


def _trust(authority: Path | None) -> ssl.SSLContext:
    if authority is not None:
        return ssl.create_default_context(cafile=str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
