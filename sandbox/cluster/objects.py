"""The objects the sandbox itself puts into its cluster."""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.cluster.layout import Addresses

Object = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
LABELS = {"app.kubernetes.io/managed-by": "antgent-sandbox"}


def dns_objects(addresses: Addresses) -> Iterator[Object]:
    """DNS and its rights."""
    yield from _outside_service(
        "kube-dns", addresses.host, {"dns": 53, "dns-tcp": 53}, cluster_ip=addresses.dns
    )
    yield _binding("antgent:coredns", "view", "system:coredns")


def metrics_objects(addresses: Addresses, authority: str) -> Iterator[Object]:
    """The metrics API, and the rights of metrics-server that serves it.

    Args:
        authority: the certificate that signed metrics-server's, base64 of its PEM.
    """
    yield from _outside_service(
        "metrics-server", addresses.host, {"https": 443}, addresses.ports["metrics-server"]
    )
    yield _named("ClusterRole", "antgent:metrics-server", rules=[
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ])  # fmt: skip
    yield _binding("antgent:metrics-server", "antgent:metrics-server", "system:metrics-server")
    yield _binding("antgent:metrics-server:auth-delegator", "system:auth-delegator", "system:metrics-server")
    yield _binding("antgent:metrics-server-auth-reader", "extension-apiserver-authentication-reader",
                   "system:metrics-server", namespace="kube-system")  # fmt: skip
    yield _metrics_api(authority)


def _metrics_api(authority: str) -> Object:
    spec = {
        "group": "metrics.k8s.io", "version": "v1beta1", "caBundle": authority,
        "service": {"name": "metrics-server", "namespace": "kube-system"},
        "groupPriorityMinimum": 100, "versionPriority": 100,
    }  # fmt: skip
    metadata = {"name": "v1beta1.metrics.k8s.io", "labels": LABELS}
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata,
        "spec": spec,
    }


def outside_services(services: Mapping[str, str]) -> Iterator[Object]:
    """A name in namespace `default` for each `host:port` outside the cluster.

    `{"temporal": "10.200.0.1:7233"}` makes pods reach it at `temporal.default:7233`.
    """
    for name, address in services.items():
        host, _, port = address.rpartition(":")
        yield from _outside_service(name, host, {"tcp": int(port)}, namespace="default")


def _outside_service(
    name: str, address: str, ports: Mapping[str, int], target: int | None = None, *,
    namespace: str = "kube-system", cluster_ip: str | None = None,
) -> Iterator[Object]:  # fmt: skip
    """A Service without selector, and the endpoint it leads to."""
    protocols = {"dns": "UDP"}
    served = [{"name": port, "port": number, "protocol": protocols.get(port, "TCP"), "targetPort": target or number}
              for port, number in ports.items()]  # fmt: skip
    fixed = {"clusterIP": cluster_ip} if cluster_ip else {}
    metadata = {"name": name, "namespace": namespace, "labels": LABELS}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": served, **fixed}}
    slice_ports = [
        {"name": one["name"], "port": one["targetPort"], "protocol": one["protocol"]} for one in served
    ]
    labels = {**LABELS, "kubernetes.io/service-name": name}
    yield {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": f"{name}-outside", "namespace": namespace, "labels": labels},
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}], "ports": slice_ports,
    }  # fmt: skip


def _named(kind: str, name: str, *, namespace: str = "", **fields: object) -> Object:
    metadata = {"name": name, "labels": LABELS, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, **fields}


def _binding(name: str, role: str, user: str, *, namespace: str = "") -> Object:
    prefix = "" if namespace else "Cluster"
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    reference = {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": role}
    return _named(f"{prefix}RoleBinding", name, namespace=namespace, subjects=[subject], roleRef=reference)
