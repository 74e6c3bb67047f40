"""The pod template of a workload, as a restricted Pod Security namespace accepts it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import Input
from pulumi_kubernetes import core, meta

from components.errors import ArgumentError
from components.service import ServerArgs, ServiceArgs, WorkloadArgs

USER = 10001
DRAIN_SECONDS = 3
"""How long a stopping pod keeps answering while endpoints and proxies forget it."""


def labels(name: str, role: str, service: ServiceArgs) -> dict[str, str]:
    """Kubernetes' recommended labels; the release is one of them, the selector never is."""
    return selector(name, role) | {
        "app.kubernetes.io/version": service.release,
        "app.kubernetes.io/part-of": name,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def selector(name: str, role: str) -> dict[str, str]:
    """What finds a workload's pods; immutable on a Deployment, so it holds nothing that changes."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": role,
    }


def pod_template(
    name: str,
    role: str,
    service: ServiceArgs,
    *,
    config_map: Input[str],
    secret: Input[str] | None,
    service_account: Input[str],
    annotations: Mapping[str, Input[str]],
    node_selector: Mapping[str, str],
    spread: str,
) -> core.v1.PodTemplateSpecArgs:
    """The template of one workload.

    Args:
        role: `server` or `worker`.
        config_map, secret: names of the objects that hold the environment. They are immutable and
            named anew with every change, so a changed setting rolls the pods and a pod of the
            previous release keeps the settings it was started with.
    """
    workload = _workload(role, service)
    return core.v1.PodTemplateSpecArgs(
        metadata=meta.v1.ObjectMetaArgs(labels=labels(name, role, service), annotations=annotations),
        spec=core.v1.PodSpecArgs(
            service_account_name=service_account,
            automount_service_account_token=False,
            enable_service_links=False,
            termination_grace_period_seconds=workload.stop_grace + DRAIN_SECONDS,
            security_context=_pod_security(),
            node_selector=dict(node_selector) or None,
            topology_spread_constraints=_spread(name, role, spread),
            containers=[_container(role, service, workload, config_map, secret)],
            volumes=[
                core.v1.VolumeArgs(name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit="64Mi"))
            ],
        ),
    )


def _pod_security() -> core.v1.PodSecurityContextArgs:
    return core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def _workload(role: str, service: ServiceArgs) -> WorkloadArgs:
    return service.server if role == "server" else service.worker


def _container(
    role: str,
    service: ServiceArgs,
    workload: WorkloadArgs,
    config_map: Input[str],
    secret: Input[str] | None,
) -> core.v1.ContainerArgs:
    ports = (
        [core.v1.ContainerPortArgs(name="http", container_port=workload.port, protocol="TCP")]
        if isinstance(workload, ServerArgs)
        else None
    )
    return core.v1.ContainerArgs(
        name=role,
        image=service.image,
        args=list(workload.command),
        env=_references(service),
        env_from=_sources(config_map, secret),
        ports=ports,
        resources=_resources(workload),
        security_context=core.v1.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
        # The endpoint leaves first: SIGTERM comes only after proxies had time to stop sending.
        lifecycle=core.v1.LifecycleArgs(
            pre_stop=core.v1.LifecycleHandlerArgs(sleep=core.v1.SleepActionArgs(seconds=DRAIN_SECONDS))
        ),
        volume_mounts=[core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp")],
        **_probes(workload),
    )


def _sources(config_map: Input[str], secret: Input[str] | None) -> list[core.v1.EnvFromSourceArgs]:
    sources = [core.v1.EnvFromSourceArgs(config_map_ref=core.v1.ConfigMapEnvSourceArgs(name=config_map))]
    if secret is not None:
        sources.append(core.v1.EnvFromSourceArgs(secret_ref=core.v1.SecretEnvSourceArgs(name=secret)))
    return sources


def _references(service: ServiceArgs) -> list[core.v1.EnvVarArgs] | None:
    """Secrets that exist in the cluster already, `secret-name/key`."""
    references = {key: value for key, value in service.secrets.items() if isinstance(value, str)}
    return [
        core.v1.EnvVarArgs(
            name=variable,
            value_from=core.v1.EnvVarSourceArgs(secret_key_ref=_secret_key(variable, reference)),
        )
        for variable, reference in sorted(references.items())
    ] or None


def _secret_key(variable: str, reference: str) -> core.v1.SecretKeySelectorArgs:
    name, slash, key = reference.partition("/")
    if not (name and slash and key) or reference.startswith("arn:"):
        raise ArgumentError(
            f"antgent:secrets.{variable} is {reference!r}; the kubernetes runtime takes `secret-name/key`\n"
            f"  fix: pulumi config set --path 'antgent:secrets.{variable}' my-secret/key"
        )
    return core.v1.SecretKeySelectorArgs(name=name, key=key)


def _resources(workload: WorkloadArgs) -> core.v1.ResourceRequirementsArgs:
    memory = f"{workload.memory}Mi"
    return core.v1.ResourceRequirementsArgs(
        # Memory is requested in full, because it cannot be taken back; a CPU limit would throttle a
        # starting server, so half is requested and the limit stays as configured.
        requests={"cpu": f"{round(workload.cpu * 500)}m", "memory": memory},
        limits={"cpu": f"{round(workload.cpu * 1000)}m", "memory": memory},
    )


def _probes(workload: WorkloadArgs) -> dict[str, Any]:
    health = workload.health
    action: dict[str, Any]
    if isinstance(workload, ServerArgs):
        headers = [core.v1.HTTPHeaderArgs(name=key, value=value) for key, value in health.header.items()]
        action = {
            "http_get": core.v1.HTTPGetActionArgs(path=health.path, port="http", http_headers=headers or None)
        }
    elif health.command:
        action = {"exec_": core.v1.ExecActionArgs(command=list(health.command))}
    else:
        return {}
    period, timeout = health.interval, health.timeout
    return {
        # Starting is judged by its own probe, so that the others can be strict from the first second.
        "startup_probe": core.v1.ProbeArgs(
            period_seconds=1, timeout_seconds=timeout, failure_threshold=max(health.start_period, 1), **action
        ),
        "readiness_probe": core.v1.ProbeArgs(
            period_seconds=min(period, 2), timeout_seconds=timeout, failure_threshold=health.retries, **action
        ),
        # Restarting is the last resort: three times the patience of readiness.
        "liveness_probe": core.v1.ProbeArgs(
            period_seconds=period, timeout_seconds=timeout, failure_threshold=health.retries * 3, **action
        ),
    }


def _spread(name: str, role: str, how: str) -> list[core.v1.TopologySpreadConstraintArgs] | None:
    if how == "none":
        return None
    return [
        core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable="DoNotSchedule" if how == "required" else "ScheduleAnyway",
            label_selector=meta.v1.LabelSelectorArgs(match_labels=selector(name, role)),
        )
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def config_hash(service: ServiceArgs) -> pulumi.Output[str]:
    """A short name of the plain settings, for people who compare pods."""
    return pulumi.Output.json_dumps(dict(sorted(service.environment.items()))).apply(_short_hash)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
