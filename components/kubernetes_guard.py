"""What keeps the workloads safe: scaling, disruption budget, network policy, monitoring."""

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions, apps, autoscaling, meta, networking, policy

from components.kubernetes_pods import selector
from components.service import WorkloadArgs

if TYPE_CHECKING:
    from components.kubernetes_service import KubernetesService, KubernetesServiceArgs


def create_guards(
    owner: "KubernetesService",
    name: str,
    args: "KubernetesServiceArgs",
    namespace: pulumi.Input[str],
    deployments: dict[str, apps.v1.Deployment],
) -> None:
    """Create what the arguments ask for, as children of `owner`."""
    for role, workload in (("server", args.service.server), ("worker", args.service.worker)):
        if workload.max_replicas:
            _create_autoscaler(owner, name, role, workload, deployments[role])
    if args.disruption_budget and args.service.server.replicas > 1:
        _create_disruption_budget(owner, name)
    if args.network_policy:
        _create_network_policies(owner, name, args)
    if args.monitoring == "pod-monitor":
        _create_pod_monitor(owner, name, namespace)


def _create_autoscaler(
    owner: "KubernetesService",
    name: str,
    role: str,
    workload: WorkloadArgs,
    deployment: apps.v1.Deployment,
) -> None:
    autoscaling.v2.HorizontalPodAutoscaler(
        f"{name}-{role}-autoscaler",
        metadata=owner.meta(role),
        spec=autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
            scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
                api_version="apps/v1", kind="Deployment", name=deployment.metadata["name"]
            ),
            min_replicas=workload.replicas,
            max_replicas=workload.max_replicas or workload.replicas,
            metrics=[
                autoscaling.v2.MetricSpecArgs(
                    type="Resource",
                    resource=autoscaling.v2.ResourceMetricSourceArgs(
                        name="cpu",
                        target=autoscaling.v2.MetricTargetArgs(
                            type="Utilization", average_utilization=workload.cpu_percent
                        ),
                    ),
                )
            ],
        ),
        opts=owner.child(),
    )


def _create_disruption_budget(owner: "KubernetesService", name: str) -> None:
    policy.v1.PodDisruptionBudget(
        f"{name}-server-budget",
        metadata=owner.meta("server"),
        spec=policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            # A pod that is not ready serves nobody; it must not keep a node from draining.
            unhealthy_pod_eviction_policy="AlwaysAllow",
            selector=meta.v1.LabelSelectorArgs(match_labels=selector(name, "server")),
        ),
        opts=owner.child(),
    )


def _create_network_policies(owner: "KubernetesService", name: str, args: "KubernetesServiceArgs") -> None:
    """Default deny for what comes in; the server's port is open, the worker's none; going out is free.

    Antgent calls language model APIs, object stores and Temporal, whose addresses no policy can list.
    """
    for role, rules in (("server", [_server_rule(args)]), ("worker", [])):
        networking.v1.NetworkPolicy(
            f"{name}-{role}-policy",
            metadata=owner.meta(role),
            spec=networking.v1.NetworkPolicySpecArgs(
                pod_selector=meta.v1.LabelSelectorArgs(match_labels=selector(name, role)),
                policy_types=["Ingress", "Egress"],
                ingress=rules,
                egress=[networking.v1.NetworkPolicyEgressRuleArgs()],
            ),
            opts=owner.child(),
        )


def _server_rule(args: "KubernetesServiceArgs") -> networking.v1.NetworkPolicyIngressRuleArgs:
    namespaces = [*args.ingress_namespaces, *args.monitoring_namespaces] if args.ingress_namespaces else []
    peers = [
        networking.v1.NetworkPolicyPeerArgs(
            namespace_selector=meta.v1.LabelSelectorArgs(
                match_labels={"kubernetes.io/metadata.name": namespace}
            )
        )
        for namespace in namespaces
    ]
    port = networking.v1.NetworkPolicyPortArgs(port="http", protocol="TCP")
    return networking.v1.NetworkPolicyIngressRuleArgs(from_=peers or None, ports=[port])


def _create_pod_monitor(owner: "KubernetesService", name: str, namespace: pulumi.Input[str]) -> None:
    apiextensions.CustomResource(
        f"{name}-pod-monitor",
        api_version="monitoring.coreos.com/v1",
        kind="PodMonitor",
        metadata=owner.meta("server"),
        spec={
            "selector": {"matchLabels": selector(name, "server")},
            "namespaceSelector": {"matchNames": [namespace]},
            "podMetricsEndpoints": [{"port": "http", "path": "/metrics"}],
        },
        opts=owner.child(),
    )
