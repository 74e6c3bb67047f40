"""What a request for a service means: checked, compared, and turned into a deployment."""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.ecs import models as moto
from moto.ecs.exceptions import InvalidParameterException
from moto.elbv2.models import elbv2_backends

from sandbox.ecs import alarms
from sandbox.ecs.arithmetic import threshold
from sandbox.ecs.model import Deployment, Service, ServiceDeployment
from sandbox.ecs.task_model import now

if TYPE_CHECKING:
    from sandbox.ecs.backend import EcsBackend

NO_NETWORK = "Network Configuration must be provided when networkMode 'awsvpc' is specified."
REDEPLOYING = [
    "capacityProviderStrategy",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
]
"""Members of UpdateService that start a new deployment when they change, beside the task definition."""
_HELD = {
    "loadBalancers": "load_balancers", "networkConfiguration": "network_configuration",
    "platformVersion": "platform_version", "serviceRegistries": "service_registries",
    "deploymentController": "deployment_controller",
}  # fmt: skip


def check(backend: "EcsBackend", request: Mapping[str, Any], definition: moto.TaskDefinition) -> None:
    """Refuse what AWS refuses, and what this emulator cannot do.

    Raises:
        InvalidParameterException: with AWS's words, or with `the sandbox's ECS does not do …`.
    """
    strategy = (request.get("deploymentConfiguration") or {}).get("strategy", "ROLLING")
    controller = (request.get("deploymentController") or {}).get("type", "ECS")
    for what, value, known in (
        ("strategy", strategy, "ROLLING"),
        ("deploymentController", controller, "ECS"),
        ("schedulingStrategy", request.get("schedulingStrategy") or "REPLICA", "REPLICA"),
    ):
        if value != known:
            raise InvalidParameterException(f"the sandbox's ECS does not do {what} {value}, only {known}")
    new = "serviceName" in request
    if new and definition.network_mode == "awsvpc" and not request.get("networkConfiguration"):
        raise InvalidParameterException(NO_NETWORK)
    for one in request.get("loadBalancers") or []:
        _check_target(backend, one, definition)


def _check_target(backend: "EcsBackend", wanted: Mapping[str, Any], definition: moto.TaskDefinition) -> None:
    elb = elbv2_backends[backend.account_id][backend.region_name]
    group, container = wanted.get("targetGroupArn", ""), wanted.get("containerName")
    if group not in elb.target_groups:
        raise InvalidParameterException(f"The specified target group does not exist: {group}")
    if not elb._any_listener_using(group):
        raise InvalidParameterException(
            f"The target group with targetGroupArn {group} does not have an associated load balancer."
        )
    if container not in [one["name"] for one in definition.container_definitions]:
        raise InvalidParameterException(f"The container {container} does not exist in the task definition.")


def parts(
    backend: "EcsBackend", cluster: moto.Cluster, definition: moto.TaskDefinition, request: Mapping[str, Any]
) -> dict[str, Any]:
    """What moto's own service is made from."""
    network = request.get("networkConfiguration")
    if network:
        vpc = {"securityGroups": [], "assignPublicIp": "DISABLED", **network["awsvpcConfiguration"]}
        network = {"awsvpcConfiguration": vpc}
    strategy = request.get("capacityProviderStrategy")
    return {
        "cluster": cluster,
        "service_name": request["serviceName"],
        "desired_count": int(request.get("desiredCount") or 0),
        "backend": backend,
        "task_definition": definition,
        "load_balancers": request.get("loadBalancers") or [],
        "scheduling_strategy": request.get("schedulingStrategy"),
        "tags": request.get("tags") or [],
        "deployment_controller": request.get("deploymentController"),
        "launch_type": None if strategy else request.get("launchType") or "EC2",
        "service_registries": request.get("serviceRegistries") or [],
        "platform_version": request.get("platformVersion") or "LATEST",
        "network_configuration": network,
        "propagate_tags": request.get("propagateTags") or "NONE",
        "role_arn": request.get("role"),
    }


def redeploys(service: Service, request: Mapping[str, Any], definition: moto.TaskDefinition) -> bool:
    """Whether an update starts a new deployment."""
    if request.get("forceNewDeployment") or definition.arn != service.primary.definition.arn:
        return True
    return any(
        (_normal(request[name]) or None) != (_normal(getattr(service, _HELD.get(name, name), None)) or None)
        for name in REDEPLOYING
        if request.get(name) is not None
    )


def apply(service: Service, request: Mapping[str, Any]) -> None:
    """Take over what moto keeps under names of its own."""
    for name, attribute in _HELD.items():
        if request.get(name) is not None:
            setattr(service, attribute, request[name])


def deployment(backend: "EcsBackend", service: Service, definition: moto.TaskDefinition) -> Deployment:
    """A new deployment of a service, with its place in the service's history."""
    base = f"arn:{backend.partition}:ecs:{backend.region_name}:{backend.account_id}"
    where = f"{service.cluster_name}/{service.name}"
    revision = f"{base}:service-revision/{where}/{uuid.uuid4().int % 10**19}"
    wanted = service.deployment_configuration
    breaker = bool((wanted.get("deploymentCircuitBreaker") or {}).get("enable"))
    watched = alarms.watched(service)
    history = ServiceDeployment(
        service_deployment_arn=f"{base}:service-deployment/{where}/{uuid.uuid4().hex[:22]}",
        service_arn=service.arn,
        cluster_arn=service.cluster_arn,
        target_service_revision={"arn": revision, "requestedTaskCount": service.desired_count},
        source_service_revisions=[{"arn": one.revision_arn} for one in service.deployments[:1]],
        deployment_configuration=dict(wanted),
        deployment_circuit_breaker={
            "status": "MONITORING" if breaker else "DISABLED",
            "failureCount": 0,
            "threshold": threshold(service.desired_count),
        },
        alarms={
            "status": "MONITORING" if watched else "DISABLED",
            "alarmNames": watched,
            "triggeredAlarmNames": [],
        },
    )
    return Deployment(
        definition=definition,
        desired_count=service.desired_count,
        revision_arn=revision,
        balancers=list(service.load_balancers),
        history=history,
        launch_type=service.launch_type,
        capacity_provider_strategy=getattr(service, "capacityProviderStrategy", None),
        network_configuration=service.network_configuration,
        quiet_alarms=frozenset(alarms.firing(service)),
    )


def supersede(service: Service) -> None:
    """A newer deployment ends the one before it."""
    failed, service.rolling_back = service.rolling_back, None
    if failed is not None and failed.history is not None:
        failed.history.status, failed.history.stopped_at = "ROLLBACK_FAILED", now()
    before = service.primary.history
    if before is not None and before.finished_at is None and before.stopped_at is None:
        before.status, before.status_reason = "STOPPED", "A newer service deployment started."
        before.stopped_at = before.updated_at = now()


def propagated(service: Service, definition: moto.TaskDefinition) -> list[dict[str, str]]:
    """Tags of a new task."""
    sources = {"SERVICE": service.tags, "TASK_DEFINITION": definition.tags}
    own = sources.get(getattr(service, "propagateTags", service.propagate_tags), [])
    if not getattr(service, "enableECSManagedTags", False):
        return list(own)
    managed = {"aws:ecs:clusterName": service.cluster_name, "aws:ecs:serviceName": service.name}
    return [*own, *({"key": key, "value": value} for key, value in managed.items())]


def provider(strategy: list[dict[str, Any]] | None) -> str | None:
    """The capacity provider with the most weight."""
    if not strategy:
        return None
    return max(strategy, key=lambda one: one.get("weight") or 0)["capacityProvider"]


def _normal(value: Any) -> Any:
    """Without order and empty members, so that the same request asks for no new deployment."""
    if isinstance(value, dict):
        defaults = (None, [], {}, "DISABLED", 0)
        return {key: _normal(one) for key, one in sorted(value.items()) if one not in defaults}
    return sorted((_normal(one) for one in value), key=repr) if isinstance(value, list) else value
