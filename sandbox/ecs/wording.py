"""What ECS says of a service and its tasks, in the words that its users know from the console."""

from collections.abc import Sequence


def started(tasks: Sequence[str], replaced: int = 0) -> str:
    """`tasks`: their ids."""
    more = f"  Amazon ECS replaced {replaced} tasks due to an unhealthy status." if replaced else ""
    return f"has started {len(tasks)} tasks: {_each(tasks)}.{more}"


def stopped(tasks: Sequence[str]) -> str:
    return f"has stopped {len(tasks)} running tasks: {_each(tasks)}."


def registered(group: str, count: int = 1) -> str:
    return f"registered {count} targets in (target-group {group})"


def deregistered(group: str, count: int = 1) -> str:
    return f"deregistered {count} targets in (target-group {group})"


def draining(count: int) -> str:
    return f"has begun draining connections on {count} tasks."


def unhealthy_target(task: str, port: int, group: str, reason: str) -> str:
    return f"(task {task}) (port {port}) is unhealthy in (target-group {group}) due to (reason {reason})"


def unhealthy_container(task: str) -> str:
    return f"(task {task}) failed container health checks."


def not_placed(reason: str) -> str:
    return f"was unable to place a task. Reason: {reason}."


def inconsistent() -> str:
    return (
        "is unable to consistently start tasks successfully. For more information, see the "
        "Troubleshooting section of the Amazon ECS Developer Guide."
    )


def stuck() -> str:
    return (
        "was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )


def no_instances() -> str:
    return (
        "was unable to place a task because no container instance met all of its requirements. "
        "Reason: No Container Instances were found in your cluster. For more information, see the "
        "Troubleshooting section of the Amazon ECS Developer Guide."
    )


def completed(deployment: str) -> str:
    return f"(deployment {deployment}) deployment completed."


def failed(deployment: str, why: str) -> str:
    return f"(deployment {deployment}) deployment failed: {why}."


def rolling_back(deployment: str) -> str:
    return f"rolling back to deployment {deployment}."


def scaled(count: int, before: int, cause: str) -> str:
    return f"has changed its desired count from {before} to {count}, asked for by {cause}."


STEADY = "has reached a steady state."
ESSENTIAL_EXITED = "Essential container in task exited"
CONTAINER_UNHEALTHY = "Task failed container health checks"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
    "retrieval failed: "
)
LOGS = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 "
    "times: failed to create Cloudwatch log stream: ResourceNotFoundException: "
)


def elb_unhealthy(group: str) -> str:
    return f"Task failed ELB health checks in (target-group {group})"


def scaling(deployment: str) -> str:
    return f"Scaling activity initiated by (deployment {deployment})"


def cannot_pull(image: str, why: str) -> str:
    return (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
        f"failed to resolve ref {image}: {why}"
    )


def _each(tasks: Sequence[str]) -> str:
    return " ".join(f"(task {task})" for task in tasks)
