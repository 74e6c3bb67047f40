"""Task definitions: one a workload, both from the same image."""

from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import Output

from components.ecs_documents import SCRATCH, container
from components.ecs_roles import TaskRoles
from components.ecs_secrets import TaskSecrets

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
    created = {}
    for role, workload in (("server", args.service.server), ("worker", args.service.worker)):
        definition = container(
            role,
            workload,
            image=args.service.image,
            environment=args.service.environment,
            secrets=secrets.values,
            logs=_log_options(log_group, role, args.region),
            credentials=secrets.credentials,
            writable=args.allow_exec,
        )
        created[role] = aws.ecs.TaskDefinition(
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
            container_definitions=Output.json_dumps([definition], sort_keys=True, separators=(",", ":")),
            tags=args.release_tags,
            opts=owner.child(),
        )
    return created


def _log_options(group: aws.cloudwatch.LogGroup, role: str, region: str) -> dict[str, Output[str] | str]:
    return {
        "awslogs-group": group.name,
        "awslogs-region": region,
        "awslogs-stream-prefix": role,
        # A process must not stop because its logs cannot be written.
        "max-buffer-size": "25m",
        "mode": "non-blocking",
    }
