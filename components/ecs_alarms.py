"""Alarms on what clients notice; they tell a topic, and roll a release back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Input, Output

from components.ecs_load_balancer import LoadBalancer

if TYPE_CHECKING:
    from components.ecs_service import EcsService

ERRORS_PER_MINUTE = 5


@dataclass(frozen=True, kw_only=True)
class AlarmArgs:
    """When to call for help."""

    enabled: bool = True
    """Make the alarms. Defaults to true."""
    topic: str | None = None
    """An existing SNS topic that is told. Defaults to one of the stack's own."""
    latency: float = 2.0
    """Seconds, 95th percentile, above which answers are too slow. Defaults to 2."""


def create_alarms(
    owner: "EcsService", name: str, args: AlarmArgs, balancer: LoadBalancer
) -> list[Output[str]]:
    """Create the alarms and their topic; the names of the alarms, none where they are off."""
    if not args.enabled:
        return []
    topic: Input[str] = args.topic or aws.sns.Topic(f"{name}-alarms", opts=owner.child()).arn
    kinds: dict[str, dict[str, Any]] = {
        "errors": {
            "alarm_description": "The server answers with 5xx",
            "metric_name": "HTTPCode_Target_5XX_Count",
            "statistic": "Sum",
            "comparison_operator": "GreaterThanThreshold",
            "threshold": ERRORS_PER_MINUTE,
        },
        "unhealthy": {
            "alarm_description": "Server tasks fail their health check",
            "metric_name": "UnHealthyHostCount",
            "statistic": "Maximum",
            "comparison_operator": "GreaterThanThreshold",
            "threshold": 0,
        },
        "latency": {
            "alarm_description": "The server answers slowly",
            "metric_name": "TargetResponseTime",
            "extended_statistic": "p95",
            "comparison_operator": "GreaterThanThreshold",
            "threshold": args.latency,
        },
    }
    whole = {"LoadBalancer": balancer.resource.arn_suffix}
    # AWS counts unhealthy tasks by target group only.
    dimensions = {"unhealthy": whole | {"TargetGroup": balancer.target_group.arn_suffix}}
    return [
        _create_alarm(owner, f"{name}-{kind}", topic, dimensions.get(kind, whole), **how)
        for kind, how in kinds.items()
    ]


def _create_alarm(
    owner: "EcsService", name: str, topic: Input[str], dimensions: dict[str, Output[str]], **how: Any
) -> Output[str]:
    alarm = aws.cloudwatch.MetricAlarm(
        name,
        namespace="AWS/ApplicationELB",
        dimensions=dimensions,
        period=60,
        evaluation_periods=3,
        datapoints_to_alarm=2,
        # No requests is no trouble.
        treat_missing_data="notBreaching",
        alarm_actions=[topic],
        ok_actions=[topic],
        **how,
        opts=owner.child(),
    )
    return alarm.name
