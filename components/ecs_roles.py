"""The roles of ECS tasks: one that starts them, and one for what runs in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Input, Output, Resource

from components.ecs_documents import assume_policy, exec_policy, execution_policy
from components.ecs_secrets import TaskSecrets

if TYPE_CHECKING:
    from components.ecs_service import EcsService


@dataclass(frozen=True)
class TaskRoles:
    """The roles, and what must exist before a task may start.

    Args:
        execution: ARN of the role that pulls, logs and reads secrets.
        tasks: workload → ARN of the role that its process has.
        policies: what the roles may do.
    """

    execution: Output[str]
    tasks: dict[str, Output[str]]
    policies: list[Resource]


def create_roles(
    owner: "EcsService",
    name: str,
    *,
    account: Output[str],
    repository: Input[str | None],
    log_group: aws.cloudwatch.LogGroup,
    secrets: TaskSecrets,
    allow_exec: bool,
) -> TaskRoles:
    """Create the execution role and a task role for each workload; the latter may do nothing by default."""
    trust = document(account.apply(assume_policy))
    execution = aws.iam.Role(f"{name}-execution", assume_role_policy=trust, opts=owner.child())
    allowed = Output.all(repository, log_group.arn, *secrets.resources).apply(
        lambda all_: execution_policy(repository=all_[0], log_group=all_[1], secrets=all_[2:])
    )
    policies: list[Resource] = [_create_policy(owner, f"{name}-execution", execution, allowed)]
    tasks = {}
    for workload in ("server", "worker"):
        role = aws.iam.Role(f"{name}-{workload}-task", assume_role_policy=trust, opts=owner.child())
        tasks[workload] = role.arn
        if allow_exec:
            policies.append(
                _create_policy(owner, f"{name}-{workload}-exec", role, log_group.arn.apply(exec_policy))
            )
    return TaskRoles(execution.arn, tasks, policies)


def document(content: Input[Mapping[str, Any]]) -> Output[str]:
    """Compact and sorted, as AWS writes policies back."""
    return Output.json_dumps(content, sort_keys=True, separators=(",", ":"))


def _create_policy(
    owner: "EcsService", name: str, role: aws.iam.Role, content: Input[Mapping[str, Any]]
) -> aws.iam.RolePolicy:
    return aws.iam.RolePolicy(f"{name}-policy", role=role.name, policy=document(content), opts=owner.child())
