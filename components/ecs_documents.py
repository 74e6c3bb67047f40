"""The documents ECS and IAM take: container definitions and policies. Pure functions, tested alone.

Each is written as AWS gives it back, so that an unchanged config never shows a change: lists sorted,
empty ones explicit, `hostPort` equal to `containerPort`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input

from components.registry_policies import PULL_ACTIONS, policy, statement
from components.service import HealthArgs, ServerArgs, WorkloadArgs

USER = "10001:10001"
SCRATCH = "tmp"
"""The volume behind /tmp, the only place that the process may write to."""


def container(
    role: str,
    workload: WorkloadArgs,
    *,
    image: Input[str],
    environment: Mapping[str, Input[str]],
    secrets: Mapping[str, Input[str]],
    logs: Mapping[str, Input[str]],
    credentials: Input[str] | None = None,
    writable: bool = False,
) -> dict[str, Any]:
    """One container definition.

    Args:
        secrets: variable name → what ECS reads it from.
        logs: options of the awslogs driver.
        credentials: ARN of the secret that pulls from a private registry. Defaults to none.
        writable: leave the root file system writable, as execute-command needs it. Defaults to false.
    """
    definition = _confined(workload, writable=writable) | {
        "command": list(workload.command),
        "environment": [{"name": key, "value": value} for key, value in sorted(environment.items())],
        "essential": True,
        "image": image,
        "logConfiguration": {"logDriver": "awslogs", "options": dict(logs)},
        "name": role,
        "stopTimeout": workload.stop_grace,
    }
    if workload.health.command:
        definition["healthCheck"] = health_check(workload.health)
    if secrets:
        definition["secrets"] = [{"name": key, "valueFrom": value} for key, value in sorted(secrets.items())]
    if credentials:
        definition["repositoryCredentials"] = {"credentialsParameter": credentials}
    return definition


def _confined(workload: WorkloadArgs, *, writable: bool) -> dict[str, Any]:
    """What keeps a container small: its user, its rights, what it may write to and listen on."""
    port = workload.port if isinstance(workload, ServerArgs) else None
    return {
        "linuxParameters": {"capabilities": {"add": [], "drop": ["ALL"]}, "initProcessEnabled": True},
        "mountPoints": [{"containerPath": "/tmp", "readOnly": False, "sourceVolume": SCRATCH}],
        "portMappings": [{"containerPort": port, "hostPort": port, "protocol": "tcp"}] if port else [],
        "readonlyRootFilesystem": not writable,
        "systemControls": [],
        "user": USER,
        "volumesFrom": [],
    }


def health_check(health: HealthArgs) -> dict[str, Any]:
    """A container's health check, within the bounds that ECS sets."""
    return {
        "command": ["CMD", *health.command],
        "interval": min(max(health.interval, 5), 300),
        "retries": min(max(health.retries, 1), 10),
        "startPeriod": min(health.start_period, 300),
        "timeout": min(max(health.timeout, 2), 60),
    }


def execution_policy(*, repository: str | None, log_group: str, secrets: Sequence[str]) -> dict[str, Any]:
    """What ECS itself may do before a task runs: pull this image, write these logs, read these secrets.

    Args:
        repository: ARN of the image's repository, None outside of ECR.
        log_group: its ARN.
        secrets: ARNs, of Secrets Manager or SSM, as IAM names them.
    """
    statements = [
        statement(
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{log_group}:log-stream:{role}/*" for role in ("server", "worker")],
            sid="WriteLogs",
        )
    ]
    if repository:
        statements += [
            statement(["ecr:GetAuthorizationToken"], ["*"], sid="Login"),
            statement(PULL_ACTIONS, [repository], sid="PullImage"),
        ]
    for service, action, sid in (
        ("secretsmanager", "secretsmanager:GetSecretValue", "ReadSecrets"),
        ("ssm", "ssm:GetParameters", "ReadParameters"),
    ):
        found = [one for one in secrets if one.split(":")[2] == service]
        if found:
            statements.append(statement([action], found, sid=sid))
    return policy(*statements)


def exec_policy(log_group: str) -> dict[str, Any]:
    """What a task may do so that `aws ecs execute-command` reaches it, and what is typed is logged.

    AWS knows no resources for `ssmmessages`, nor for `logs:DescribeLogGroups`: these stay wide, which is
    one of the reasons why execute-command is off by default.
    """
    channels = [
        f"ssmmessages:{verb}{which}Channel" for verb in ("Create", "Open") for which in ("Control", "Data")
    ]
    return policy(
        statement([*channels, "logs:DescribeLogGroups"], ["*"], sid="ExecuteCommand"),
        statement(
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [f"{log_group}:*"],
            sid="AuditCommands",
        ),
    )


def shift_policy(*, listeners: Sequence[str], targets: Sequence[str]) -> dict[str, Any]:
    """What ECS may do to shift requests between two target groups; reading them knows no resources.

    Args:
        listeners: ARNs of a listener and its rule.
        targets: ARNs of both target groups.
    """
    elb = "elasticloadbalancing"
    reads = ("Listeners", "Rules", "TargetGroups", "TargetHealth")
    return policy(
        statement([f"{elb}:Describe{what}" for what in reads], ["*"], sid="SeeLoadBalancers"),
        statement([f"{elb}:ModifyListener", f"{elb}:ModifyRule"], listeners, sid="ShiftRequests"),
        statement([f"{elb}:DeregisterTargets", f"{elb}:RegisterTargets"], targets, sid="MoveTasks"),
    )


def assume_policy(account: str, service: str = "ecs-tasks.amazonaws.com") -> dict[str, Any]:
    """Only the service, and only on behalf of this account, may take the role."""
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def secret_resource(reference: str) -> str:
    """The ARN by which IAM knows a secret that a task definition names.

    A reference may go on after the secret's name (`:json-key:stage:version`), and may lack the six
    characters that Secrets Manager puts behind the name; IAM compares with the whole ARN.
    """
    parts = reference.split(":")
    if parts[2] != "secretsmanager":
        return reference
    whole = ":".join(parts[:7])
    return whole if re.search(r"-[A-Za-z0-9]{6}$", whole) else f"{whole}-??????"


def repository_arn(reference: str) -> str | None:
    """The ARN of the ECR repository of an image; None where another registry keeps it."""
    found = re.match(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?/([^@:]+)", reference)
    if not found:
        return None
    account, region, china, name = found.groups()
    return f"arn:{'aws-cn' if china else 'aws'}:ecr:{region}:{account}:repository/{name}"
