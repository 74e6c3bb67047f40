"""A Kubernetes cluster to deploy to: the one the user names, or a real one of the sandbox's own."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster import addons, certs, external, own
from sandbox.cluster.build import CONTROL_PLANE
from sandbox.cluster.layout import CONTEXT, Layout, remembered
from sandbox.cluster.versions import KUBERNETES
from sandbox.console import say, step
from sandbox.paths import Home
from sandbox.status import PartStatus

NAMED = "ANTGENT_KUBE_CONTEXT"


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers.

    Args:
        kubeconfig: the file to put into KUBECONFIG.
        context: the context of it to use.
        version: of the API server.
        ours: whether the sandbox runs it.
        node_address: of the node, where NodePorts are; empty for a named cluster, and for a control
            plane without a node.
        bin: the folder with a kubectl of the cluster's version; None for a named cluster.
    """

    kubeconfig: Path
    context: str
    version: str
    ours: bool
    node_address: str = ""
    bin: Path | None = None


def ensure_cluster(
    home: Home,
    registry_address: str = "",
    *,
    services: Mapping[str, str] = {},
    names: Mapping[str, str] = {},
    contexts: Sequence[str] = (),
    context: str | None = None,
) -> Cluster:
    """The cluster to deploy to, started when it is the sandbox's own and does not run.

    Args:
        home: the sandbox it belongs to.
        registry_address: `127.0.0.1:PORT` of the registry whose images pods may run. Defaults to none.
        services: names that pods find in namespace `default`, each with the `host:port` it leads to;
            `{"temporal": "10.200.0.1:7233"}` is `temporal.default:7233`. Defaults to none.
        names: host names that pods resolve, each with its address. Defaults to none.
        contexts: further names of our own cluster's context, such as stack files use. Defaults to none.
        context: a kubeconfig context to use as it is. Defaults to `ANTGENT_KUBE_CONTEXT`; when that is
            unset too, the sandbox runs a cluster of its own.

    Raises SandboxError when the named cluster does not answer, or a part of ours does not start.
    """
    named = context or os.environ.get(NAMED, "")
    if named:
        return Cluster(external.kubeconfig(), named, external.version(named), ours=False)
    layout = Layout(home)
    if not layout.node:
        say("  without root the cluster is a control plane only: objects are stored and checked, no pod runs")
    with step(f"starting Kubernetes {KUBERNETES}"):
        own.start(layout, registry_address, services)
    addons.tell_names(layout, names)
    certs.name_contexts(layout, contexts)
    return _own(layout)


def find_cluster(home: Home) -> Cluster | None:
    """The sandbox's own cluster when its API server answers; starts nothing."""
    layout = Layout(home)
    addresses = remembered(layout)
    if addresses is None or not own.answers(layout, addresses):
        return None
    return _own(layout)


def stop_cluster(home: Home) -> bool:
    """End the sandbox's own cluster with all it left on this machine; its data stays.

    Also repairs what a killed one left. Returns whether there was anything to end.
    """
    return own.stop(Layout(home))


def status(home: Home) -> list[PartStatus]:
    """A row for each part of the sandbox's own cluster."""
    return own.status(Layout(home))


def purge(home: Home) -> None:
    """End the cluster and remove its data: objects, volumes, pulled images, certificates."""
    own.purge(Layout(home))


def _own(layout: Layout) -> Cluster:
    addresses = remembered(layout)
    node = addresses.node if addresses and addresses.network else ""
    return Cluster(
        layout.kubeconfig, CONTEXT, KUBERNETES, ours=True, node_address=node, bin=CONTROL_PLANE.folder
    )
