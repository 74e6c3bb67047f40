"""Starting, ending and looking at a cluster of the sandbox's own."""

import base64
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from sandbox.cluster import (
    addons,
    build,
    certs,
    containers,
    control_plane,
    network,
    node,
    objects,
    parts,
    strays,
)
from sandbox.cluster.api import Api
from sandbox.cluster.layout import DOMAIN, NODE, Addresses, Layout, choose, remembered
from sandbox.cluster.parts import CONTROL_PLANE, NODE_PARTS, Part
from sandbox.docker_leftovers import remove_cgroups
from sandbox.errors import SandboxError
from sandbox.packages import SYSTEM_PATH, ensure_packages
from sandbox.paths import cache_dir
from sandbox.process import wait_until
from sandbox.status import PartStatus

ALL = (*NODE_PARTS, *CONTROL_PLANE)
PROXY_SETTINGS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Starter:
    """One start of a cluster: what does not depend on each other starts at the same time."""

    def __init__(
        self, layout: Layout, addresses: Addresses, registry: str, services: Mapping[str, str]
    ) -> None:
        self.layout, self.addresses, self.registry, self.services = layout, addresses, registry, services
        self.binaries = build.CONTROL_PLANE.folder
        self.env = environment(addresses)
        self.parts = {part.name: part for part in _parts(layout, addresses)}

    def run(self) -> None:
        """Start what does not run, and wait until pods can be run."""
        layout, addresses, binaries = self.layout, self.addresses, self.binaries
        self._together(lambda: self._start("etcd", control_plane.etcd(layout, addresses)),
                       *self._node(self._machine))  # fmt: skip
        self._together(lambda: self._start("kube-apiserver", control_plane.apiserver(layout, addresses, binaries)),
                       *self._node(self._containerd, self._registry))  # fmt: skip
        self.api = Api(layout, addresses)
        manager = control_plane.controller_manager(layout, addresses, binaries)
        self._together(
            lambda: self._start("kube-controller-manager", manager),
            lambda: self._start("kube-scheduler", control_plane.scheduler(layout, addresses, binaries)),
            *self._node(self._kubelet, self._dns, self._metrics),
        )
        self._wait_until_usable()

    def _node(self, *tasks: Callable[[], None]) -> tuple[Callable[[], None], ...]:
        return tasks if self.layout.node else ()

    def _start(self, name: str, command: list[str], **facts: object) -> None:
        self.parts[name].start(command, self.env, **facts)

    def _together(self, *tasks: Callable[[], None]) -> None:
        with ThreadPoolExecutor(len(tasks)) as pool:
            for done in [pool.submit(task) for task in tasks]:
                done.result()

    def _machine(self) -> None:
        layout = self.layout
        node.make_cgroup(layout)
        new = node.first_process(layout) is None
        if new:
            layout.daemon("node").stop()
            made = [path for path in node.MASKED if not Path(path).exists()]
            self._start("node", node.machine(layout, self.addresses), made=made)
        if new or not network.connected(layout):
            network.connect_node(layout, self.addresses, self._pid())

    def _pid(self) -> int:
        pid = node.first_process(self.layout)
        if pid is None:
            raise SandboxError(
                "the cluster's node has ended", fix=f"see {self.layout.home.log('cluster-node')}"
            )
        return pid

    def _containerd(self) -> None:
        command = node.containerd(self.layout, self.addresses, self._pid())
        self._start("containerd", command, version=node.containerd_version())
        containers.ensure_pause_image(self.layout)

    def _kubelet(self) -> None:
        layout, addresses, pid = self.layout, self.addresses, self._pid()
        self._start("kubelet", node.kubelet(layout, addresses, self.binaries, pid))
        self._until("the node is not ready", self._node_ready, "kubelet")
        self._start("kube-proxy", node.kube_proxy(layout, addresses, self.binaries, pid))

    def _dns(self) -> None:
        for manifest in (*objects.system_objects(self.addresses), *objects.outside_services(self.services)):
            self.api.apply(manifest)
        self._start("coredns", addons.coredns(self.layout, self.addresses))

    def _metrics(self) -> None:
        authority = base64.b64encode((self.layout.pki / "ca.crt").read_bytes()).decode()
        self.api.apply(objects.metrics_api(authority))
        self._start("metrics-server", addons.metrics_server(self.layout, self.addresses))

    def _registry(self) -> None:
        if self.registry:
            containers.trust_registry(self.layout, self.addresses, self.registry)
            listen = f"{self.addresses.host}:{self.registry.rpartition(':')[2]}"
            self._start(
                "registry-relay", addons.registry_relay(self.layout, listen, self.registry), listen=listen
            )

    def _node_ready(self) -> bool:
        found = self.api.get(f"/api/v1/nodes/{NODE}") or {}
        conditions = {one["type"]: one for one in found.get("status", {}).get("conditions", [])}
        return conditions.get("Ready", {}).get("status") == "True"

    def _wait_until_usable(self) -> None:
        """Until a pod can be made, and names resolve at the address that pods are told."""
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._until(
            "the controllers do nothing", lambda: self.api.get(account) is not None, "kube-controller-manager"
        )
        if self.layout.node:
            dns, name = self.addresses.dns, f"kubernetes.default.svc.{DOMAIN}"
            self._until("the cluster's DNS does not answer", lambda: addons.resolves(dns, name), "coredns")

    def _until(self, problem: str, ready: Callable[[], bool], part: str) -> None:
        if not wait_until(ready, seconds=60):
            raise SandboxError(f"{problem} after 60 s", fix=f"see {self.layout.home.log(f'cluster-{part}')}")


def environment(addresses: Addresses) -> dict[str, str]:
    """What the cluster's processes see of ours: where programs are, and the way to the internet."""
    kept = {name: value for name, value in os.environ.items() if name.lower() in PROXY_SETTINGS}
    if kept:
        direct = [
            *filter(None, [kept.pop("NO_PROXY", kept.pop("no_proxy", ""))]),
            "127.0.0.1",
            "localhost",
            ".svc",
        ]
        kept["NO_PROXY"] = ",".join([*direct, *filter(None, [addresses.network]), addresses.services])
    return {"PATH": SYSTEM_PATH, "HOME": "/", "LANG": "C.UTF-8", **kept}


def start(layout: Layout, registry: str, services: Mapping[str, str]) -> Addresses:
    """Start the cluster, or those of its parts that do not run. Raises SandboxError."""
    if layout.node:
        ensure_packages(node.PACKAGES)
    build.ensure_programs(node=layout.node)
    with FileLock(layout.root / ".lock"):
        addresses = _prepare(layout)
        Starter(layout, addresses, registry, services).run()
        return addresses


def stop(layout: Layout) -> bool:
    """End every part, and remove what it left on this machine; the cluster's data stays.

    Returns whether there was anything to end.
    """
    with FileLock(layout.root / ".lock"):
        made = layout.daemon("node").facts().get("made", [])
        first = node.first_process(layout)
        if first is not None:
            os.kill(first, signal.SIGKILL)  # and with it, by the kernel, everything in the node
        ended = _end(layout, [name for name in ALL if name != "etcd"]) | _end(layout, ["etcd"])
        if layout.node:
            ended |= strays.end(layout)
            ended |= network.remove(layout)
            remove_cgroups(layout.mark)
            node.remove_run_files(layout, made)
        return ended


def _end(layout: Layout, names: Sequence[str]) -> bool:
    with ThreadPoolExecutor(len(names)) as pool:
        return any(list(pool.map(lambda name: layout.daemon(name).stop(grace=5), names)))


def status(layout: Layout) -> list[PartStatus]:
    """A row for each part."""
    addresses = remembered(layout)
    if addresses is None:
        return [PartStatus(name) for name in (*reversed(CONTROL_PLANE), *(NODE_PARTS if layout.node else ()))]
    with ThreadPoolExecutor(8) as pool:
        return [*pool.map(Part.status, _parts(layout, addresses)), pod_network(layout, addresses)]


def pod_network(layout: Layout, addresses: Addresses) -> PartStatus:
    """The row that says what carries pods' packets, and what does not happen to them."""
    if not layout.node:
        return PartStatus(
            "pod network", health="down: it needs root; objects are stored and checked, no pod runs"
        )
    health = "healthy" if network.connected(layout) else "down"
    return PartStatus(
        "pod network", "CNI bridge", f"{addresses.network}, NetworkPolicy is not enforced", None, health
    )


def _parts(layout: Layout, addresses: Addresses) -> list[Part]:
    node_parts = parts.node_parts(layout, addresses, lambda: node.first_process(layout) is not None)
    return parts.control_plane(layout, addresses) + (node_parts if layout.node else [])


def purge(layout: Layout) -> None:
    """Remove the cluster's data as well: objects, pods' volumes, pulled images, certificates."""
    stop(layout)
    shutil.rmtree(layout.root)


def _prepare(layout: Layout) -> Addresses:
    """Addresses and certificates; what runs with others is ended."""
    with FileLock(cache_dir() / "cluster-network.lock"):
        addresses = remembered(layout)
        if addresses is None or not _any_running(layout):
            strays.end(layout)
            addresses = choose(layout, network.choose_network(layout) if layout.node else "")
        if layout.node:
            network.make_host_side(layout, addresses)
    if certs.ensure(layout, addresses):
        _end(layout, ALL)
    return addresses


def _any_running(layout: Layout) -> bool:
    return any(layout.daemon(name).process() for name in ALL)


def answers(layout: Layout, addresses: Addresses) -> bool:
    """Whether the API server is ready."""
    running = layout.daemon("kube-apiserver").process() is not None
    return running and _parts(layout, addresses)[1].healthy()
