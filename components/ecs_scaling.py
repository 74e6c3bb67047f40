"""Autoscaling of ECS services: by CPU, by requests, or by a metric of your own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import Input, Output

from components.ecs_load_balancer import LoadBalancer
from components.service import WorkloadArgs

if TYPE_CHECKING:
    from components.ecs_service import EcsService

OUT_SECONDS, IN_SECONDS = 60, 300
"""Copies come quickly and go slowly."""


@dataclass(frozen=True, kw_only=True)
class MetricArgs:
    """A CloudWatch metric that says how much work there is, such as a queue's backlog."""

    namespace: str
    """Its namespace. No default."""
    name: str
    """Its name. No default."""
    target: float
    """The average that scaling aims for. No default."""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    """Its dimensions. Defaults to none."""


def create_scaling(
    owner: "EcsService",
    name: str,
    workload: WorkloadArgs,
    service: aws.ecs.Service,
    *,
    cluster: Input[str],
    requests: tuple[int, LoadBalancer] | None = None,
    metric: MetricArgs | None = None,
) -> None:
    """Let the number of copies follow the load; nothing where the workload has a fixed number.

    Args:
        cluster: its name.
        requests: aim for this many requests a minute and copy, too.
        metric: aim for it instead of the CPU.
    """
    if not workload.max_replicas:
        return
    target = aws.appautoscaling.Target(
        f"{name}-scaling",
        min_capacity=workload.replicas,
        max_capacity=workload.max_replicas,
        resource_id=Output.concat("service/", cluster, "/", service.name),
        scalable_dimension="ecs:service:DesiredCount",
        service_namespace="ecs",
        opts=owner.child(),
    )
    if metric:
        _create_policy(owner, f"{name}-metric", target, metric.target, customized=_customized(metric))
    else:
        cpu = _predefined("ECSServiceAverageCPUUtilization")
        _create_policy(owner, f"{name}-cpu", target, workload.cpu_percent, predefined=cpu)
    if requests:
        count, balancer = requests
        label = Output.concat(balancer.resource.arn_suffix, "/", balancer.target_group.arn_suffix)
        by_requests = _predefined("ALBRequestCountPerTarget", label)
        _create_policy(owner, f"{name}-requests", target, count, predefined=by_requests)


def _predefined(
    kind: str, label: Input[str] | None = None
) -> aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs:
    return aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
        predefined_metric_type=kind, resource_label=label
    )


def _customized(
    metric: MetricArgs,
) -> aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs:
    dimension = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationDimensionArgs  # fmt: skip
    return aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs(
        namespace=metric.namespace,
        metric_name=metric.name,
        statistic="Average",
        dimensions=[dimension(name=key, value=value) for key, value in sorted(metric.dimensions.items())],
    )


def _create_policy(
    owner: "EcsService",
    name: str,
    target: aws.appautoscaling.Target,
    value: float,
    *,
    predefined: aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs
    | None = None,
    customized: aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs
    | None = None,
) -> None:
    aws.appautoscaling.Policy(
        name,
        policy_type="TargetTrackingScaling",
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        service_namespace=target.service_namespace,
        target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
            target_value=value,
            predefined_metric_specification=predefined,
            customized_metric_specification=customized,
            scale_out_cooldown=OUT_SECONDS,
            scale_in_cooldown=IN_SECONDS,
        ),
        opts=owner.child(),
    )
