"""Ending and looking at a cluster of the sandbox's own; `starting` brings it up."""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from filelock import FileLock

from sandbox.cluster import build, certs, network, node, strays
from sandbox.cluster.layout import Addresses, Layout, choose, remembered
from sandbox.cluster.parts import CONTROL_PLANE, NODE_PARTS, Part, all_parts
from sandbox.cluster.starting import Starter
from sandbox.docker_leftovers import remove_cgroups
from sandbox.packages import ensure_packages
from sandbox.paths import cache_dir
from sandbox.status import PartStatus

# In the order in which a person thinks of them; they are ended all at once, etcd after the others.
ALL = (*NODE_PARTS, *CONTROL_PLANE)


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
        first = node.first_process(layout)
        if first is not None:
            os.kill(first, signal.SIGKILL)  # and with it, by the kernel, everything in the node
        ended = _end(layout, [name for name in ALL if name != "etcd"]) | _end(layout, ["etcd"])
        if layout.node:
            ended |= strays.end(layout)
            ended |= network.remove(layout)
            remove_cgroups(layout.mark)
            node.remove_files(layout)
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
        return [*pool.map(Part.status, all_parts(layout, addresses)), pod_network(layout, addresses)]


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
    return running and all_parts(layout, addresses)[1].healthy()
