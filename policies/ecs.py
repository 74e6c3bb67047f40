"""Rules for ECS: what runs, as whom, within which limits, and how a bad release is taken back."""

from collections.abc import Iterator
from typing import Any

from policies.containers import by_tag, is_root, plain_secret
from policies.rules import Resource, document, listed, opaque, rule

TASK = "aws:ecs/taskDefinition:TaskDefinition"
SERVICE = "aws:ecs/service:Service"
LOGS = "aws:cloudwatch/logGroup:LogGroup"


def _containers(resource: Resource) -> list[dict[str, Any]]:
    return listed(document(resource.get("containerDefinitions")))


@rule(TASK, fix="take the image of PromotedImage or BuiltImage, which is repository@sha256:…")
def ecs_image_by_digest(resource: Resource) -> Iterator[str]:
    """Tasks run an image by its digest."""
    for one in _containers(resource):
        if by_tag(one.get("image")):
            yield f"container {one.get('name')} runs {one['image']}, which is no digest"


@rule(TASK, fix="give the task cpu and memory")
def ecs_limits(resource: Resource) -> Iterator[str]:
    """Tasks have limits of CPU and memory."""
    for key in ("cpu", "memory"):
        if not resource.get(key):
            yield f"it has no limit of {key}"


@rule(TASK, fix="give the container a healthCheck")
def ecs_health_check(resource: Resource) -> Iterator[str]:
    """Every container has a health check."""
    for one in _containers(resource):
        if not (one.get("healthCheck") or {}).get("command"):
            yield f"container {one.get('name')} has no health check, so a hanging process keeps running"


@rule(TASK, fix='user="10001:10001", privileged unset, capabilities dropped')
def ecs_non_root(resource: Resource) -> Iterator[str]:
    """No container is root, privileged, or keeps capabilities."""
    for one in _containers(resource):
        if is_root(one.get("user")):
            yield f"container {one.get('name')} runs as root"
        if one.get("privileged"):
            yield f"container {one.get('name')} is privileged"
        if "ALL" not in (one.get("linuxParameters") or {}).get("capabilities", {}).get("drop", []):
            yield f"container {one.get('name')} keeps Linux capabilities"


@rule(TASK, fix="readonlyRootFilesystem=true, with a volume for what must be written")
def ecs_read_only_root(resource: Resource) -> Iterator[str]:
    """Containers cannot write to their own image."""
    for one in _containers(resource):
        if not one.get("readonlyRootFilesystem"):
            yield f"container {one.get('name')} may write to its root file system"


@rule(TASK, fix="antgent:secrets with a reference to Secrets Manager or SSM")
def ecs_no_plain_secret(resource: Resource) -> Iterator[str]:
    """No secret stands in a task definition, which many may read."""
    for one in _containers(resource):
        for variable in listed(one.get("environment")):
            if plain_secret(variable.get("name"), variable.get("value")):
                yield f"container {one.get('name')} has {variable['name']} in plain text"


@rule(SERVICE, fix="assign_public_ip=False, with tasks in private subnets")
def ecs_no_public_task(resource: Resource) -> Iterator[str]:
    """No task has a public address."""
    if resource.get("networkConfiguration", "assignPublicIp") is True:
        yield "its tasks get public addresses"


@rule(SERVICE, fix="deployment_circuit_breaker with enable=True and rollback=True")
def ecs_circuit_breaker(resource: Resource) -> Iterator[str]:
    """ECS takes a release back that does not come up."""
    breaker = resource.get("deploymentCircuitBreaker")
    if not opaque(breaker) and not ((breaker or {}).get("enable") and (breaker or {}).get("rollback")):
        yield "a release that does not come up would be started for ever"


@rule(LOGS, fix="retention_in_days of 1 at least")
def logs_expire(resource: Resource) -> Iterator[str]:
    """Logs are kept for a stated time."""
    if not resource.get("retentionInDays"):
        yield "it keeps its logs for ever"


RULES = (
    ecs_image_by_digest,
    ecs_limits,
    ecs_health_check,
    ecs_non_root,
    ecs_read_only_root,
    ecs_no_plain_secret,
    ecs_no_public_task,
    ecs_circuit_breaker,
    logs_expire,
)
