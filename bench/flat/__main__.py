"""The yardstick: the objects of KubernetesService for the small test app, written down by hand.

One file, no component, no check, no registry, no verdict of its own: the provider waits for the Deployments.
The bench compares its live objects with ours, field by field, before it measures.
"""

import pulumi
from pulumi_kubernetes import apps, core, meta, networking, policy

config = pulumi.Config()
namespace, image, release = config.require("namespace"), config.require("image"), config.require("release")
annotations = config.require_object("annotations")
tags = {
    "app.kubernetes.io/version": release,
    "app.kubernetes.io/part-of": "antgent",
    "app.kubernetes.io/managed-by": "pulumi",
}
names = {"app.kubernetes.io/name": "antgent", "app.kubernetes.io/instance": "antgent"}
server = {**names, "app.kubernetes.io/component": "server"}
worker = {**names, "app.kubernetes.io/component": "worker"}
levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def metadata(role: str, **more: object) -> meta.v1.ObjectMetaArgs:
    """Metadata of an object of `role`."""
    labels = {**names, "app.kubernetes.io/component": role, **tags}
    return meta.v1.ObjectMetaArgs(namespace=space, labels=labels, annotations=annotations, **more)


def probes(**action: object) -> dict[str, core.v1.ProbeArgs]:
    """The three probes of a container."""
    return {
        f"{kind}_probe": core.v1.ProbeArgs(
            period_seconds=period, timeout_seconds=1, failure_threshold=failures, **action
        )
        for kind, period, failures in (("startup", 1, 2), ("readiness", 2, 2), ("liveness", 2, 6))
    }


def container(role: str, **more: object) -> core.v1.ContainerArgs:
    """The one container of a pod."""
    return core.v1.ContainerArgs(
        name=role,
        image=image,
        args=[role],
        env_from=[
            core.v1.EnvFromSourceArgs(
                config_map_ref=core.v1.ConfigMapEnvSourceArgs(name=settings.metadata["name"])
            )
        ],
        resources=core.v1.ResourceRequirementsArgs(
            requests={"cpu": "125m", "memory": "64Mi"}, limits={"cpu": "250m", "memory": "64Mi"}
        ),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
        lifecycle=core.v1.LifecycleArgs(
            pre_stop=core.v1.LifecycleHandlerArgs(sleep=core.v1.SleepActionArgs(seconds=3))
        ),
        volume_mounts=[core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp")],
        **more,
    )


def deployment(role: str, selector: dict[str, str], replicas: int, grace: int, **more: object) -> None:
    """One Deployment; `more` are arguments of its container."""
    apps.v1.Deployment(
        role,
        metadata=metadata(role),
        spec=apps.v1.DeploymentSpecArgs(
            replicas=replicas,
            selector=meta.v1.LabelSelectorArgs(match_labels=selector),
            strategy=apps.v1.DeploymentStrategyArgs(
                type="RollingUpdate",
                rolling_update=apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
            ),
            progress_deadline_seconds=30,
            revision_history_limit=5,
            template=core.v1.PodTemplateSpecArgs(
                metadata=meta.v1.ObjectMetaArgs(
                    labels={**selector, **tags},
                    annotations={"antgent/config-hash": config.require("config-hash")},
                ),
                spec=pod(selector, grace, container(role, **more)),
            ),
        ),
    )


def pod(selector: dict[str, str], grace: int, runs: core.v1.ContainerArgs) -> core.v1.PodSpecArgs:
    """What a pod of either workload runs under."""
    return core.v1.PodSpecArgs(
        service_account_name=account.metadata["name"],
        automount_service_account_token=False,
        enable_service_links=False,
        termination_grace_period_seconds=grace,
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=10001,
            run_as_group=10001,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        topology_spread_constraints=[
            core.v1.TopologySpreadConstraintArgs(
                max_skew=1,
                topology_key=key,
                when_unsatisfiable="ScheduleAnyway",
                label_selector=meta.v1.LabelSelectorArgs(match_labels=selector),
            )
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        containers=[runs],
        volumes=[
            core.v1.VolumeArgs(name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit="64Mi"))
        ],
    )


def network_policy(role: str, ingress: list[networking.v1.NetworkPolicyIngressRuleArgs]) -> None:
    """What may come in to `role`; what goes out is free."""
    networking.v1.NetworkPolicy(
        f"{role}-policy",
        metadata=metadata(role),
        spec=networking.v1.NetworkPolicySpecArgs(
            pod_selector=meta.v1.LabelSelectorArgs(
                match_labels={**names, "app.kubernetes.io/component": role}
            ),
            policy_types=["Ingress", "Egress"],
            ingress=ingress,
            egress=[networking.v1.NetworkPolicyEgressRuleArgs()],
        ),
    )


space = core.v1.Namespace(
    "namespace",
    metadata=meta.v1.ObjectMetaArgs(name=namespace, labels=levels, annotations=annotations),
).metadata["name"]
account = core.v1.ServiceAccount(
    "account", metadata=metadata("service"), automount_service_account_token=False
)
settings = core.v1.ConfigMap(
    "settings", metadata=metadata("service"), immutable=True, data={"ANTGENT_SERVER__PORT": "8080"}
)
http = core.v1.HTTPGetActionArgs(path="/version", port="http")
port = core.v1.ContainerPortArgs(name="http", container_port=8080, protocol="TCP")
alive = core.v1.ExecActionArgs(command=["/app", "worker-alive"])
deployment("server", server, 2, 8, ports=[port], **probes(http_get=http))
deployment("worker", worker, 1, 5, **probes(exec_=alive))
core.v1.Service(
    "service",
    metadata=metadata("server", name="antgent"),
    spec=core.v1.ServiceSpecArgs(
        type="ClusterIP",
        selector=server,
        ports=[core.v1.ServicePortArgs(name="http", port=80, target_port="http", protocol="TCP")],
    ),
)
policy.v1.PodDisruptionBudget(
    "budget",
    metadata=metadata("server"),
    spec=policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=1,
        unhealthy_pod_eviction_policy="AlwaysAllow",
        selector=meta.v1.LabelSelectorArgs(match_labels=server),
    ),
)
network_policy(
    "server",
    [
        networking.v1.NetworkPolicyIngressRuleArgs(
            ports=[networking.v1.NetworkPolicyPortArgs(port="http", protocol="TCP")]
        )
    ],
)
network_policy("worker", [])
