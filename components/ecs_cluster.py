"""The cluster that tasks run in: an existing one, or one with Container Insights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import Output, Resource

if TYPE_CHECKING:
    from components.ecs_service import EcsService, EcsServiceArgs


@dataclass(frozen=True)
class Cluster:
    """A cluster, and what must exist before a service may use it."""

    arn: Output[str]
    name: Output[str]
    needs: list[Resource]

    @property
    def account(self) -> Output[str]:
        """The account it is in."""
        return self.arn.apply(lambda arn: arn.split(":")[4])


def create_cluster(
    owner: "EcsService", name: str, args: "EcsServiceArgs", log_group: aws.cloudwatch.LogGroup
) -> Cluster:
    """Create a cluster, or look the existing one up."""
    if args.cluster:
        found = aws.ecs.get_cluster(cluster_name=args.cluster, opts=pulumi.InvokeOptions(parent=owner))
        return Cluster(Output.from_input(found.arn), Output.from_input(args.cluster), [])
    cluster = aws.ecs.Cluster(
        f"{name}-cluster",
        settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value="enabled")],
        configuration=_audit(log_group) if args.allow_exec else None,
        opts=owner.child(),
    )
    needs: list[Resource] = []
    if args.capacity == "fargate-spot":
        needs.append(
            aws.ecs.ClusterCapacityProviders(
                f"{name}-capacity",
                cluster_name=cluster.name,
                capacity_providers=["FARGATE", "FARGATE_SPOT"],
                opts=owner.child(),
            )
        )
    return Cluster(cluster.arn, cluster.name, needs)


def _audit(log_group: aws.cloudwatch.LogGroup) -> aws.ecs.ClusterConfigurationArgs:
    """Write down what is typed into a task."""
    return aws.ecs.ClusterConfigurationArgs(
        execute_command_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationArgs(
            logging="OVERRIDE",
            log_configuration=aws.ecs.ClusterConfigurationExecuteCommandConfigurationLogConfigurationArgs(
                cloud_watch_log_group_name=log_group.name
            ),
        )
    )
