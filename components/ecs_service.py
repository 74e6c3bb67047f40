"""EcsService: antgent on ECS Fargate, behind a load balancer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output, ResourceOptions

from components.ecs_alarms import AlarmArgs, create_alarms
from components.ecs_blue_green import create_shift
from components.ecs_cluster import Cluster, create_cluster
from components.ecs_dashboard import create_dashboard
from components.ecs_load_balancer import (
    LoadBalancer,
    LoadBalancerArgs,
    create_load_balancer,
    public_ports,
)
from components.ecs_logs import FireLensArgs
from components.ecs_roles import create_roles
from components.ecs_scaling import MetricArgs, create_scaling
from components.ecs_secrets import create_secrets
from components.ecs_security import SecurityGroups, create_security_groups
from components.ecs_services import Placement, behind, create_rollout, create_service
from components.ecs_tasks import create_task_definitions
from components.errors import ArgumentError
from components.service import ServiceArgs, ServiceOutputs


@dataclass(frozen=True, kw_only=True)
class EcsServiceArgs:
    """What the ECS runtime needs beside the service."""

    service: ServiceArgs
    """What runs. No default."""
    stack: str
    """Names the task definitions' families and the dashboard; unique in the account. No default."""
    region: str
    """The AWS region, for logs and dashboard. No default."""
    connection: Mapping[str, Input[Any]] = field(default_factory=dict)
    """How the verdict's AWS client connects, as `AwsClients` takes it. Defaults to the SDK's own search."""
    temporal: Mapping[str, Any] | None = None
    """Where the worker's pollers must be seen, as `EcsObserver` takes it. Defaults to not looking."""
    vpc_id: Input[str]
    """The VPC. No default."""
    public_subnets: Input[list[str]]
    """Subnets of the load balancer, in two zones at least. No default."""
    private_subnets: Input[list[str]]
    """Subnets of the tasks. No default."""
    repository_arn: Input[str | None] = None
    """The image's ECR repository, which tasks may pull from. Defaults to another registry."""
    pull_username: str | None = None
    """User of the image's registry. Defaults to ECR's own login, or an anonymous pull."""
    pull_password: Input[str] | None = None
    """Its password, a secret. Defaults to none."""
    cluster: str | None = None
    """An existing cluster's name. Defaults to a new one with Container Insights."""
    capacity: Literal["fargate", "fargate-spot"] = "fargate"
    """What tasks run on. Defaults to `fargate`."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """CPU architecture, the image's own. Defaults to `x86_64`."""
    platform_version: str = "LATEST"
    """Fargate platform version. Defaults to `LATEST`."""
    load_balancer: LoadBalancerArgs = field(default_factory=LoadBalancerArgs)
    """How the server is reached. Defaults to HTTP on the load balancer's own name."""
    alarms: AlarmArgs = field(default_factory=AlarmArgs)
    """When to call for help and take a release back. Defaults to 5xx, unhealthy tasks, latency."""
    log_retention: int = 30
    """Days logs are kept. Defaults to 30."""
    log_key: str | None = None
    """KMS key that encrypts the logs. Defaults to CloudWatch's own."""
    fire_lens: FireLensArgs | None = None
    """Takes the workloads' logs elsewhere. Defaults to CloudWatch."""
    requests_per_target: int | None = None
    """Requests a minute and copy that the server's autoscaling aims for, too. Defaults to CPU only."""
    worker_metric: MetricArgs | None = None
    """A metric that the worker's autoscaling follows instead of its CPU. Defaults to none."""
    deployment: Literal["rolling", "blue-green"] = "rolling"
    """How a release replaces the last one; the worker's is always rolling. Defaults to `rolling`."""
    allow_exec: bool = False
    """Allow `aws ecs execute-command`; its agent needs a writable root file system. Defaults to false."""
    dashboard: bool = True
    """Make a CloudWatch dashboard. Defaults to true."""
    release_tags: Mapping[str, Input[str]] = field(default_factory=dict)
    """Tags of what a release changes: task definitions and services. Defaults to none."""


class EcsService(pulumi.ComponentResource):
    """A cluster, two services, what surrounds them, and the verdict on the rollout.

    Raises:
        ArgumentError: arguments that AWS would refuse, with the rule, the value and the remedy.
    """

    outputs: ServiceOutputs

    def __init__(self, name: str, args: EcsServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:ecs:EcsService", name, None, opts)
        _check(args)
        self._name, self._args = name, args
        logs = self._create_log_group()
        cluster = create_cluster(self, name, args, logs)
        services, balancer = self._create_services(cluster, logs)
        if args.dashboard:
            create_dashboard(
                self,
                name,
                stack=args.stack,
                region=args.region,
                balancer=balancer,
                cluster=cluster.name,
                services=services,
            )
        verdict = create_rollout(self, name, args, cluster, services)
        self.outputs = ServiceOutputs(
            url=balancer.url,
            image=Output.from_input(args.service.image),
            revision=verdict.revision,
            logs=Output.format("aws logs tail {} --follow --region {}", logs.name, args.region),
        )
        self.register_outputs(vars(self.outputs))

    def child(self, **more: Any) -> ResourceOptions:
        """Options of a child."""
        return ResourceOptions(parent=self, **more)

    def _create_log_group(self) -> aws.cloudwatch.LogGroup:
        return aws.cloudwatch.LogGroup(
            f"{self._name}-logs",
            retention_in_days=self._args.log_retention,
            kms_key_id=self._args.log_key,
            opts=self.child(),
        )

    def _create_services(
        self, cluster: Cluster, logs: aws.cloudwatch.LogGroup
    ) -> tuple[dict[str, aws.ecs.Service], LoadBalancer]:
        args, name = self._args, self._name
        secrets = create_secrets(self, name, args)
        roles = create_roles(
            self,
            name,
            account=cluster.account,
            repository=args.repository_arn,
            log_group=logs,
            secrets=secrets,
            allow_exec=args.allow_exec,
        )
        tasks = create_task_definitions(self, name, args, roles=roles, secrets=secrets, log_group=logs)
        groups, balancer = self._create_edge()
        needs = [*roles.policies, *cluster.needs]
        alarms = create_alarms(self, name, args.alarms, balancer)
        shift = self._create_shift(cluster, balancer)
        server = create_service(
            self,
            f"{name}-server",
            args,
            args.service.server,
            Placement(cluster, tasks["server"], groups.server, [*needs, *balancer.listeners]),
            **behind(balancer, args.service.server, alarms, shift),
        )
        worker = create_service(
            self,
            f"{name}-worker",
            args,
            args.service.worker,
            Placement(cluster, tasks["worker"], groups.worker, needs),
        )
        self._create_scaling(server, worker, cluster, balancer)
        return {"server": server, "worker": worker}, balancer

    def _create_edge(self) -> tuple[SecurityGroups, LoadBalancer]:
        args, server = self._args, self._args.service.server
        groups = create_security_groups(
            self,
            self._name,
            vpc_id=args.vpc_id,
            port=server.port,
            public_ports=public_ports(args.load_balancer),
        )
        balancer = create_load_balancer(
            self,
            self._name,
            args.load_balancer,
            server,
            vpc_id=args.vpc_id,
            subnets=args.public_subnets,
            security_group=groups.load_balancer.id,
        )
        return groups, balancer

    def _create_shift(
        self, cluster: Cluster, balancer: LoadBalancer
    ) -> aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs | None:
        args = self._args
        if args.deployment == "rolling":
            return None
        return create_shift(
            self,
            self._name,
            args.load_balancer,
            args.service.server,
            balancer,
            vpc_id=args.vpc_id,
            account=cluster.account,
        )

    def _create_scaling(
        self, server: aws.ecs.Service, worker: aws.ecs.Service, cluster: Cluster, balancer: LoadBalancer
    ) -> None:
        args, name = self._args, self._name
        requests = (args.requests_per_target, balancer) if args.requests_per_target else None
        create_scaling(
            self, f"{name}-server", args.service.server, server, cluster=cluster.name, requests=requests
        )
        create_scaling(
            self,
            f"{name}-worker",
            args.service.worker,
            worker,
            cluster=cluster.name,
            metric=args.worker_metric,
        )


def _check(args: EcsServiceArgs) -> None:
    """Refuse what AWS would refuse half way through, or what would mislead."""
    if args.deployment == "blue-green" and args.requests_per_target:
        raise ArgumentError(
            "requestsPerTarget counts the requests of one target group, and blue-green moves between two\n"
            "  fix: pulumi config rm --path 'antgent:service.ecs.requestsPerTarget'"
        )
    for role, workload in (("server", args.service.server), ("worker", args.service.worker)):
        if workload.stop_grace > 120:
            raise ArgumentError(
                f"{role}: stopGrace is {workload.stop_grace}, and Fargate waits 120 seconds at most\n"
                f"  fix: pulumi config set --path 'antgent:service.{role}.stopGrace' 120"
            )
