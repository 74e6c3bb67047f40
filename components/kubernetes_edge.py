"""How requests reach the Service from outside the cluster: Ingress or Gateway API, or not at all."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi import Output
from pulumi_kubernetes import apiextensions, core, networking

if TYPE_CHECKING:
    from components.kubernetes_service import KubernetesService


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """A host name, and what routes it."""

    host: str | None = None
    """The public host name. Defaults to none: the Service is reached inside the cluster only."""
    ingress_class: str | None = None
    """The IngressClass. Defaults to the cluster's default."""
    tls_secret: str | None = None
    """The Secret of the certificate. Defaults to `<name>-tls` where an issuer is given, else no TLS."""
    tls_issuer: str | None = None
    """A cert-manager ClusterIssuer that fills the Secret. Defaults to none."""
    path: str = "/"
    """Path prefix of the Ingress. Defaults to `/`."""
    gateway: str | None = None
    """A Gateway's name; an HTTPRoute then takes the Ingress' place. Defaults to none."""
    gateway_namespace: str | None = None
    """The Gateway's namespace. Defaults to the service's own."""
    gateway_listener: str | None = None
    """The Gateway's listener. Defaults to all of them."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Annotations for the controller. Defaults to none."""


def create_edge(
    owner: "KubernetesService",
    name: str,
    args: EdgeArgs,
    namespace: pulumi.Input[str],
    service: core.v1.Service,
) -> Output[str]:
    """Create the route that the arguments ask for, as a child of `owner`; returns the server's URL."""
    if args.host is None:
        return Output.format("http://{}.{}.svc.cluster.local", service.metadata["name"], namespace)
    if args.gateway:
        _create_http_route(owner, name, args, service)
        return Output.concat("https://", args.host)
    _create_ingress(owner, name, args, service)
    return Output.concat("https://" if _tls_secret(name, args) else "http://", args.host)


def _tls_secret(name: str, args: EdgeArgs) -> str | None:
    return args.tls_secret or (f"{name}-tls" if args.tls_issuer else None)


def _create_ingress(owner: "KubernetesService", name: str, args: EdgeArgs, service: core.v1.Service) -> None:
    secret = _tls_secret(name, args)
    no_wait = {"pulumi.com/skipAwait": "true"}
    issuer = {"cert-manager.io/cluster-issuer": args.tls_issuer} if args.tls_issuer else {}
    backend = networking.v1.IngressBackendArgs(
        service=networking.v1.IngressServiceBackendArgs(
            name=service.metadata["name"], port=networking.v1.ServiceBackendPortArgs(name="http")
        )
    )
    path = networking.v1.HTTPIngressPathArgs(path=args.path, path_type="Prefix", backend=backend)
    networking.v1.Ingress(
        f"{name}-ingress",
        # Not every controller reports an address, which the provider would wait for.
        metadata=owner.meta("server", annotations={**args.annotations, **issuer, **no_wait}),
        spec=networking.v1.IngressSpecArgs(
            ingress_class_name=args.ingress_class,
            tls=[networking.v1.IngressTLSArgs(hosts=[str(args.host)], secret_name=secret)]
            if secret
            else None,
            rules=[
                networking.v1.IngressRuleArgs(
                    host=args.host, http=networking.v1.HTTPIngressRuleValueArgs(paths=[path])
                )
            ],
        ),
        opts=owner.child(),
    )


def _create_http_route(
    owner: "KubernetesService", name: str, args: EdgeArgs, service: core.v1.Service
) -> None:
    parent = {
        "name": args.gateway,
        "namespace": args.gateway_namespace,
        "sectionName": args.gateway_listener,
    }
    apiextensions.CustomResource(
        f"{name}-route",
        api_version="gateway.networking.k8s.io/v1",
        kind="HTTPRoute",
        metadata=owner.meta("server", annotations=args.annotations),
        spec={
            "parentRefs": [{key: value for key, value in parent.items() if value}],
            "hostnames": [args.host],
            "rules": [{"backendRefs": [{"name": service.metadata["name"], "port": 80}]}],
        },
        opts=owner.child(),
    )
