"""What a stack does with a Kubernetes cluster: run the release."""

from typing import TYPE_CHECKING

import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.kubernetes_edge import EdgeArgs
from components.kubernetes_pull import PullArgs
from components.kubernetes_service import KubernetesService, KubernetesServiceArgs
from components.service import ServiceArgs, ServiceOutputs
from deployment.sections import required
from deployment.workloads import NAME
from settings import ExternalRegistry, Settings
from settings.kubernetes import KubernetesOptions

if TYPE_CHECKING:
    from components.image import BuiltImage
    from components.promoted_image import PromotedImage


def run(stack: Settings, release: "BuiltImage | PromotedImage", args: ServiceArgs) -> ServiceOutputs:
    """The Kubernetes runtime."""
    options = required(stack.service).kubernetes
    policy = options.network_policy
    cluster = kubernetes.Provider(
        "kubernetes", kubeconfig=options.kubeconfig, context=options.context, enable_server_side_apply=True
    )
    running = KubernetesService(
        NAME,
        KubernetesServiceArgs(
            service=args,
            namespace=options.namespace,
            create_namespace=options.create_namespace,
            kubeconfig=options.kubeconfig,
            context=options.context,
            service_account_annotations=options.service_account_annotations,
            image_pull_secret=options.image_pull_secret,
            pull=_pull(stack),
            edge=_edge(options),
            network_policy=policy.enabled,
            ingress_namespaces=policy.ingress_namespaces,
            monitoring_namespaces=policy.monitoring_namespaces,
            disruption_budget=options.pod_disruption_budget,
            monitoring=options.monitoring,
            node_selector=options.node_selector,
            topology_spread=options.topology_spread,
            annotations={
                "antgent/release": required(stack.image_tag),
                "antgent/git-revision": release.revision,
            },
        ),
        opts=ResourceOptions(provider=cluster),
    )
    return running.outputs


def _pull(stack: Settings) -> PullArgs | None:
    """The login of the stack's own registry, where it has one."""
    registry = stack.registry
    if not isinstance(registry, ExternalRegistry) or not (registry.username and registry.password):
        return None
    return PullArgs(server=registry.server, username=registry.username, password=registry.password.output())


def _edge(options: KubernetesOptions) -> EdgeArgs:
    if options.gateway:
        gateway = options.gateway
        return EdgeArgs(
            host=gateway.host,
            gateway=gateway.name,
            gateway_namespace=gateway.namespace,
            gateway_listener=gateway.section_name,
        )
    if options.ingress is None:
        return EdgeArgs()
    ingress, tls = options.ingress, options.ingress.tls
    return EdgeArgs(
        host=ingress.host,
        path=ingress.path,
        ingress_class=ingress.class_name,
        annotations=ingress.annotations,
        tls_secret=tls.secret_name if tls else None,
        tls_issuer=tls.issuer if tls else None,
    )
