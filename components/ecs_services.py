"""ECS services: how many copies run, where, and how a release replaces the last one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Output, Resource

from components.ecs_blue_green import BAKE_MINUTES, blue_green
from components.ecs_cluster import Cluster
from components.ecs_load_balancer import LoadBalancer
from components.rollout import Rollout
from components.service import ServerArgs, WorkloadArgs

if TYPE_CHECKING:
    from components.ecs_service import EcsService, EcsServiceArgs


@dataclass(frozen=True)
class Placement:
    """What a service is made of.

    Args:
        needs: what must exist before its tasks can start.
    """

    cluster: Cluster
    task: aws.ecs.TaskDefinition
    group: aws.ec2.SecurityGroup
    needs: list[Resource]


def create_service(
    owner: "EcsService",
    name: str,
    args: "EcsServiceArgs",
    workload: WorkloadArgs,
    placement: Placement,
    **more: Any,
) -> aws.ecs.Service:
    """A service that never has fewer healthy copies than it should, and takes a bad release back."""
    breaker = aws.ecs.ServiceDeploymentCircuitBreakerArgs(enable=True, rollback=True)
    options: dict[str, Any] = {"deployment_circuit_breaker": breaker} | _capacity(args.capacity) | more
    return aws.ecs.Service(
        name,
        cluster=placement.cluster.arn,
        task_definition=placement.task.arn,
        desired_count=workload.replicas,
        platform_version=args.platform_version,
        network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
            subnets=args.private_subnets, security_groups=[placement.group.id], assign_public_ip=False
        ),
        deployment_minimum_healthy_percent=100,
        deployment_maximum_percent=200,
        availability_zone_rebalancing="ENABLED",
        enable_ecs_managed_tags=True,
        propagate_tags="SERVICE",
        enable_execute_command=args.allow_exec,
        # The provider's wait reports a deployment that was rolled back as a success.
        wait_for_steady_state=False,
        tags=args.release_tags,
        **options,
        opts=owner.child(
            depends_on=placement.needs,
            # `pulumi destroy --skip-preview` spares only what is protected, and what that depends on.
            protect=args.load_balancer.deletion_protection,
            # Autoscaling owns the number where it acts; `up` must not set it back.
            ignore_changes=["desiredCount"] if workload.max_replicas else None,
        ),
    )


def create_rollout(
    owner: "EcsService",
    name: str,
    args: "EcsServiceArgs",
    cluster: Cluster,
    services: dict[str, aws.ecs.Service],
) -> Rollout:
    """The verdict on what was just asked for.

    A task definition has a new revision with every change, also when a release is taken back, so the
    watch runs again then; what else makes ECS replace tasks stands beside it. The engine gives the old
    revision up last of all and only after a good verdict: until then it is what ECS goes back to.
    """
    sizes = {"server": args.service.server, "worker": args.service.worker}
    watched = {
        role: {
            "name": one.arn,
            "taskDefinition": one.task_definition,
            "network": one.network_configuration,
            "platform": one.platform_version,
            # Where autoscaling acts, the number changes without a release.
            "copies": None if sizes[role].max_replicas else sizes[role].replicas,
        }
        for role, one in services.items()
    }
    bake = BAKE_MINUTES * 60 if args.deployment == "blue-green" else 0
    return Rollout(
        f"{name}-rollout",
        runtime="ecs",
        revision=Output.json_dumps({role: one.task_definition for role, one in services.items()}),
        target={
            "connection": dict(args.connection),
            "cluster": cluster.arn,
            "services": watched,
            "temporal": args.temporal,
        },
        deadline=args.service.deadline + bake,
        opts=owner.child(),
    )


def behind(
    balancer: LoadBalancer,
    server: ServerArgs,
    alarms: list[Output[str]],
    shift: aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs | None = None,
) -> dict[str, Any]:
    """What makes a service the load balancer's, and its alarms the service's.

    Args:
        shift: how ECS shifts requests to a release beside the last one. Defaults to a rolling update.
    """
    target = aws.ecs.ServiceLoadBalancerArgs(
        target_group_arn=balancer.target_group.arn,
        container_name="server",
        container_port=server.port,
        advanced_configuration=shift,
    )
    rollback = aws.ecs.ServiceAlarmsArgs(alarm_names=alarms, enable=True, rollback=True)
    return {
        "load_balancers": [target],
        "health_check_grace_period_seconds": server.health.start_period,
        "alarms": rollback if alarms else None,
        **(blue_green() if shift else {}),
    }


def _capacity(kind: str) -> dict[str, Any]:
    if kind == "fargate":
        return {"launch_type": "FARGATE"}
    spot = aws.ecs.ServiceCapacityProviderStrategyArgs(capacity_provider="FARGATE_SPOT", base=0, weight=1)
    return {"capacity_provider_strategies": [spot]}
