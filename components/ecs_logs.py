"""FireLens: a Fluent Bit beside each workload that takes its logs elsewhere than CloudWatch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi import Input

ROUTER = "log-router"


@dataclass(frozen=True, kw_only=True)
class FireLensArgs:
    """Where logs go, and what takes them there."""

    image: str
    """Fluent Bit's image. No default."""
    options: Mapping[str, str]
    """Options of its output, such as `{"Name": "datadog"}`. No default."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Options whose value is a secret, by its ARN. Defaults to none."""
    memory: int = 64
    """What it may take of the task's memory, in MiB. Defaults to 64."""


def routed(args: FireLensArgs) -> dict[str, Any]:
    """The log configuration of a workload whose output Fluent Bit takes."""
    configuration: dict[str, Any] = {"logDriver": "awsfirelens", "options": dict(args.options)}
    if args.secrets:
        configuration["secretOptions"] = [
            {"name": name, "valueFrom": reference} for name, reference in sorted(args.secrets.items())
        ]
    return configuration


def router(args: FireLensArgs, logs: Mapping[str, Input[str]]) -> dict[str, Any]:
    """The container definition of Fluent Bit; a task ends when it does, so that no log is lost unseen.

    Args:
        logs: options of the awslogs driver, for what it says itself.
    """
    return {
        "environment": [],
        "essential": True,
        "firelensConfiguration": {"options": {"enable-ecs-log-metadata": "true"}, "type": "fluentbit"},
        "image": args.image,
        "linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}},
        "logConfiguration": {"logDriver": "awslogs", "options": dict(logs)},
        "memory": args.memory,
        "mountPoints": [],
        "name": ROUTER,
        "portMappings": [],
        "systemControls": [],
        # The socket that ECS puts into it is root's.
        "user": "0:0",
        "volumesFrom": [],
    }
