"""One start of a cluster of the sandbox's own."""

import base64
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sandbox.cluster import addons, build, containers, control_plane, network, node, objects
from sandbox.cluster.api import Api
from sandbox.cluster.layout import DOMAIN, NODE, Addresses, Layout
from sandbox.cluster.parts import all_parts
from sandbox.errors import SandboxError
from sandbox.packages import SYSTEM_PATH
from sandbox.process import wait_until

PROXY_SETTINGS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Starter:
    """One start of a cluster: what does not depend on each other starts at the same time."""

    def __init__(
        self, layout: Layout, addresses: Addresses, registry: str, services: Mapping[str, str]
    ) -> None:
        self.layout, self.addresses, self.registry, self.services = layout, addresses, registry, services
        self.binaries = build.CONTROL_PLANE.folder
        self.env = environment(addresses)
        self.parts = {part.name: part for part in all_parts(layout, addresses)}

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
        before = node.first_process(layout)
        node.reserve_folders(layout)
        self._start("node", node.machine(layout, self.addresses))
        if self._pid() != before or not network.connected(layout):
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
        for manifest in (*objects.dns_objects(self.addresses), *objects.outside_services(self.services)):
            self.api.apply(manifest)
        self._start("coredns", addons.coredns(self.layout, self.addresses))

    def _metrics(self) -> None:
        authority = base64.b64encode((self.layout.pki / "ca.crt").read_bytes()).decode()
        for manifest in objects.metrics_objects(self.addresses, authority):
            self.api.apply(manifest)
        # It reads that once, at its start, and ends where it may not yet.
        who, what = (
            "system:metrics-server",
            ("kube-system", "configmaps", "extension-apiserver-authentication"),
        )
        self._until("metrics-server has no rights", lambda: self.api.lets_read(who, *what), "kube-apiserver")
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
