"""Task definitions: one a workload, both from the same image."""

from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import Output

from components.ecs_documents import SCRATCH, container
from components.ecs_logs import routed, router
from components.ecs_roles import TaskRoles
from components.ecs_secrets import TaskSecrets
from components.service import WorkloadArgs

if TYPE_CHECKING:
    from components.ecs_service import EcsService, EcsServiceArgs


def create_task_definitions(
    owner: "EcsService",
    name: str,
    args: "EcsServiceArgs",
    *,
    roles: TaskRoles,
    secrets: TaskSecrets,
    log_group: aws.cloudwatch.LogGroup,
) -> dict[str, aws.ecs.TaskDefinition]:
    """A task definition for each workload; a changed one is registered before the old one is given up."""
    return {
        role: aws.ecs.TaskDefinition(
            f"{name}-{role}",
            family=f"{args.stack}-{role}",
            cpu=str(int(workload.cpu * 1024)),
            memory=str(workload.memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture=args.architecture.upper(), operating_system_family="LINUX"
            ),
            execution_role_arn=roles.execution,
            task_role_arn=roles.tasks[role],
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=SCRATCH)],
            container_definitions=_containers(role, workload, args, secrets, log_group),
            tags=args.release_tags,
            opts=owner.child(),
        )
        for role, workload in (("server", args.service.server), ("worker", args.service.worker))
    }


def _containers(
    role: str,
    workload: WorkloadArgs,
    args: "EcsServiceArgs",
    secrets: TaskSecrets,
    log_group: aws.cloudwatch.LogGroup,
) -> Output[str]:
    """The containers in the order and the form in which AWS gives them back."""
    logs = _log_options(log_group, role, args.region)
    definition = container(
        role,
        workload,
        image=args.service.image,
        environment=args.service.environment,
        secrets=secrets.values,
        logs=logs,
        credentials=secrets.credentials,
        writable=args.allow_exec,
    )
    definitions = [definition]
    if args.fire_lens:
        definitions = [
            router(args.fire_lens, logs),
            {**definition, "logConfiguration": routed(args.fire_lens)},
        ]
    return Output.json_dumps(definitions, sort_keys=True, separators=(",", ":"))


def _log_options(group: aws.cloudwatch.LogGroup, role: str, region: str) -> dict[str, Output[str] | str]:
    return {
        "awslogs-group": group.name,
        "awslogs-region": region,
        "awslogs-stream-prefix": role,
        # A process must not stop because its logs cannot be written.
        "max-buffer-size": "25m",
        "mode": "non-blocking",
    }
