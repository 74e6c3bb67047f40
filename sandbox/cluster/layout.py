"""Where one home's cluster keeps its files, and the names and addresses that only it uses."""

import ipaddress
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sandbox.paths import Home, runtime_dir
from sandbox.process import Daemon, free_port

NODE = "sandbox"
CONTEXT = "antgent-sandbox"
DOMAIN = "cluster.local"
LOOPBACK = "127.0.0.1"
PORTS = ("apiserver", "etcd", "etcd-peer", "etcd-metrics", "controller-manager", "scheduler", "coredns",
         "coredns-ready", "metrics-server")  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """All places of one cluster follow from its home.

    Args:
        home: the sandbox the cluster belongs to.
        node: whether a node runs (root), or the control plane alone.
    """

    home: Home
    node: bool = os.geteuid() == 0

    @cached_property
    def root(self) -> Path:
        return self.home.folder("cluster")

    @property
    def run(self) -> Path:
        """Sockets, and the places where the node's folders are mounted; there while a node is up."""
        return runtime_dir(f"cluster {self.home.root}", make=False)

    @property
    def id(self) -> str:
        return self.home.id

    @property
    def bridge(self) -> str:
        return f"agk-{self.id}"

    @property
    def veth(self) -> str:
        return f"agv-{self.id}"

    @property
    def mark(self) -> str:
        """The comment of our packet rules, and the name of the node's cgroup."""
        return f"antgent-k8s-{self.id}"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def choices(self) -> Path:
        """The file that remembers the network and ports, so that addresses stay the same."""
        return self.root / "choices.json"

    def daemon(self, part: str) -> Daemon:
        name = f"cluster-{part}"
        return Daemon(part, self.home.pid_file(name), self.home.log(name))

    def folder(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


@dataclass(frozen=True)
class Addresses:
    """One private /16 for the cluster: pods, Services, and the link between host and node.

    Args:
        network: the /16; empty for a control plane without a node.
        ports: a port for each listener on the host.
    """

    network: str
    ports: dict[str, int]

    def _address(self, offset: int) -> str:
        return str(ipaddress.ip_network(self.network)[offset])

    @property
    def host(self) -> str:
        """The host's end of the link: the API server and DNS listen here."""
        return self._address(0xFF01) if self.network else LOOPBACK

    @property
    def node(self) -> str:
        return self._address(0xFF02)

    @property
    def pods(self) -> str:
        return f"{self._address(0)}/24"

    @property
    def services(self) -> str:
        return f"{self._address(0x1000)}/20" if self.network else "10.96.0.0/20"

    def service(self, number: int) -> str:
        """The fixed address of a Service of ours; 1 is the API server's."""
        return str(ipaddress.ip_network(self.services)[number])

    @property
    def dns(self) -> str:
        return self.service(10)

    @property
    def api(self) -> str:
        return f"https://{self.host}:{self.ports['apiserver']}"


def remembered(layout: Layout) -> Addresses | None:
    """The addresses chosen earlier; None before the first start."""
    try:
        chosen = json.loads(layout.choices.read_text())
        return Addresses(chosen["network"], {name: chosen["ports"][name] for name in PORTS})
    except (OSError, ValueError, KeyError):
        return None


def choose(layout: Layout, network: str) -> Addresses:
    """Free ports and the given network, written down.

    A remembered port is kept where nothing else listens on it. Asked for only while no part runs.
    """
    before = remembered(layout)
    ports: dict[str, int] = {}
    for name in PORTS:
        port = free_port(before.ports[name] if before else 0)
        while port in ports.values():
            port = free_port()
        ports[name] = port
    layout.choices.write_text(json.dumps({"network": network, "ports": ports}))
    return Addresses(network, ports)
