"""Options of the Kubernetes runtime."""

from typing import Annotated, Literal

from pydantic import Field

from settings.values import DnsName, HttpPath, Many, Namespace, ObjectName, Section, Word

Labels = dict[Word, Annotated[str, Field(max_length=63)]]
Annotations = dict[Word, str]


class Tls(Section):
    """Where the certificate comes from: an existing Secret, or a cert-manager issuer."""

    secret_name: ObjectName | None = None
    """An existing TLS Secret; excludes `issuer`. Defaults to none."""
    issuer: ObjectName | None = None
    """A cert-manager ClusterIssuer that makes the certificate; excludes `secretName`. Defaults to none."""


class Ingress(Section):
    """The server behind an Ingress controller."""

    host: DnsName = Field(examples=["antgent.example.com"])
    """The name the server answers to. No default."""
    path: HttpPath = "/"
    """Path prefix. Defaults to `/`."""
    class_name: ObjectName | None = None
    """The IngressClass. Defaults to the cluster's default class."""
    annotations: Annotations = {}
    """Annotations of the Ingress, for its controller. Defaults to none."""
    tls: Tls | None = None
    """HTTPS. Defaults to plain HTTP."""


class Gateway(Section):
    """The server behind a Gateway API HTTPRoute."""

    host: DnsName = Field(examples=["antgent.example.com"])
    """The name the server answers to. No default."""
    name: ObjectName = Field(examples=["public"])
    """The Gateway the route attaches to. No default."""
    namespace: Namespace | None = None
    """The Gateway's namespace. Defaults to the service's own."""
    section_name: ObjectName | None = None
    """The Gateway's listener. Defaults to all of them."""


class NetworkPolicy(Section):
    """Who may talk to the pods. Everything else is denied; the worker takes no connection at all."""

    enabled: bool = True
    """Create the policies. Defaults to true."""
    ingress_namespaces: Many[Namespace] = ()
    """Namespaces whose pods may reach the server (the Ingress controller's). Defaults to all."""
    monitoring_namespaces: Many[Namespace] = ()
    """Namespaces whose pods may read /metrics. Defaults to none beside the above."""


class KubernetesOptions(Section):
    """Options of the Kubernetes runtime."""

    kubeconfig: Word | None = None
    """Path of the kubeconfig. Defaults to KUBECONFIG, else ~/.kube/config."""
    context: Word | None = None
    """The kubeconfig's context. Defaults to its current one, so name it for anything but your own machine."""
    namespace: Namespace = "antgent"
    """The namespace of every object. Defaults to `antgent`."""
    create_namespace: bool = True
    """Create the namespace; false when someone else owns it. Defaults to true."""
    service_account_annotations: Annotations = {}
    """Annotations of the ServiceAccount (an IAM role on EKS). Defaults to none."""
    ingress: Ingress | None = None
    """Expose the server by an Ingress; excludes `gateway`. Defaults to inside the cluster only."""
    gateway: Gateway | None = None
    """Expose the server by an HTTPRoute; excludes `ingress`. Defaults to inside the cluster only."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """Who may talk to the pods. Defaults to the server from the whole cluster, the worker from nowhere."""
    pod_disruption_budget: bool = True
    """Keep a copy running while nodes are drained, where more than one runs. Defaults to true."""
    monitoring: Literal["none", "annotations", "pod-monitor"] = "none"
    """How Prometheus finds /metrics. Defaults to `none`."""
    image_pull_secret: ObjectName | None = None
    """An existing Secret that pulls from a private registry. Defaults to one made of the login of `registry`, if any."""
    node_selector: Labels = {}
    """Labels of the nodes that may run the pods. Defaults to any node."""
    topology_spread: Literal["none", "preferred", "required"] = "preferred"
    """Spread the copies over nodes and zones. Defaults to `preferred`."""
