"""Rules for Kubernetes workloads, much as a restricted Pod Security namespace has them, and more."""

from collections.abc import Iterator
from typing import Any

from policies.containers import by_tag, plain_secret
from policies.rules import Resource, listed, opaque, rule

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
WORKLOADS = (
    DEPLOYMENT,
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
    "kubernetes:batch/v1:Job",
)
SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def _pod(resource: Resource) -> dict[str, Any]:
    found = resource.get("spec", "template", "spec")
    return found if isinstance(found, dict) else {}


def _containers(resource: Resource) -> list[dict[str, Any]]:
    pod = _pod(resource)
    return [*listed(pod.get("containers")), *listed(pod.get("initContainers"))]


@rule(*WORKLOADS, fix="take the image of PromotedImage or BuiltImage, which is repository@sha256:…")
def kubernetes_image_by_digest(resource: Resource) -> Iterator[str]:
    """Pods run an image by its digest."""
    for one in _containers(resource):
        if by_tag(one.get("image")):
            yield f"container {one.get('name')} runs {one['image']}, which is no digest"


@rule(*WORKLOADS, fix="resources with requests and limits of cpu and memory")
def kubernetes_limits(resource: Resource) -> Iterator[str]:
    """Containers request CPU and memory, and are limited in memory."""
    for one in _containers(resource):
        given = one.get("resources") or {}
        wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
        missing = [f"{kind}.{what}" for kind, what in wanted if not (given.get(kind) or {}).get(what)]
        if missing:
            yield f"container {one.get('name')} has no {', '.join(missing)}"


@rule(DEPLOYMENT, fix="a readinessProbe and a livenessProbe")
def kubernetes_probes(resource: Resource) -> Iterator[str]:
    """Containers that serve have a readiness and a liveness probe, others a liveness probe."""
    for one in listed(_pod(resource).get("containers")):
        wanted = ["livenessProbe", *(["readinessProbe"] if one.get("ports") else [])]
        missing = [probe for probe in wanted if not one.get(probe)]
        if missing:
            yield f"container {one.get('name')} has no {' and no '.join(missing)}"


@rule(*WORKLOADS, fix="runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities.drop: [ALL]")
def kubernetes_non_root(resource: Resource) -> Iterator[str]:
    """No container is root, privileged, or may become either."""
    whole = _pod(resource).get("securityContext") or {}
    for one in _containers(resource):
        own = one.get("securityContext") or {}
        name = f"container {one.get('name')}"
        if not own.get("runAsNonRoot", whole.get("runAsNonRoot")) or own.get("runAsUser") == 0:
            yield f"{name} may run as root"
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield f"{name} is privileged or may become so"
        if "ALL" not in (own.get("capabilities") or {}).get("drop", []):
            yield f"{name} keeps Linux capabilities"


@rule(*WORKLOADS, fix="readOnlyRootFilesystem: true, with an emptyDir for what must be written")
def kubernetes_read_only_root(resource: Resource) -> Iterator[str]:
    """Containers cannot write to their own image."""
    for one in _containers(resource):
        if not (one.get("securityContext") or {}).get("readOnlyRootFilesystem"):
            yield f"container {one.get('name')} may write to its root file system"


@rule(*WORKLOADS, fix="no hostNetwork, hostPID, hostIPC and hostPath")
def kubernetes_no_host_access(resource: Resource) -> Iterator[str]:
    """Pods do not share their node's network, processes or files."""
    pod = _pod(resource)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"its pods have {key}"
    for volume in listed(pod.get("volumes")):
        if volume.get("hostPath"):
            yield f"volume {volume.get('name')} is a folder of the node"


@rule(*WORKLOADS, fix="antgent:secrets, which become references to a Secret")
def kubernetes_no_plain_secret(resource: Resource) -> Iterator[str]:
    """No secret stands in a pod template."""
    for one in _containers(resource):
        for variable in listed(one.get("env")):
            if plain_secret(variable.get("name"), variable.get("value")):
                yield f"container {one.get('name')} has {variable['name']} in plain text"


@rule(CONFIG_MAP, fix="antgent:secrets, which become a Secret")
def kubernetes_no_secret_in_config_map(resource: Resource) -> Iterator[str]:
    """No secret stands in a ConfigMap."""
    data = resource.get("data")
    for name, value in (data if isinstance(data, dict) else {}).items():
        if plain_secret(name, value):
            yield f"it holds {name} in plain text"


@rule(SERVICE, fix="type ClusterIP behind an Ingress or a Gateway")
def kubernetes_no_public_service(resource: Resource) -> Iterator[str]:
    """Services are reached inside the cluster; TLS and access rules are the Ingress's."""
    kind = resource.get("spec", "type")
    if not opaque(kind) and kind in ("LoadBalancer", "NodePort"):
        yield f"it is a {kind}, open without the Ingress's TLS and rules"


RULES = (
    kubernetes_image_by_digest,
    kubernetes_limits,
    kubernetes_probes,
    kubernetes_non_root,
    kubernetes_read_only_root,
    kubernetes_no_host_access,
    kubernetes_no_plain_secret,
    kubernetes_no_secret_in_config_map,
    kubernetes_no_public_service,
)
