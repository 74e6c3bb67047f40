"""One page that shows how the service is: requests, errors, latency, load."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Input, Output

from components.ecs_load_balancer import LoadBalancer

if TYPE_CHECKING:
    from components.ecs_service import EcsService

Metric = list[Any]


def create_dashboard(
    owner: "EcsService",
    name: str,
    *,
    stack: str,
    region: str,
    balancer: LoadBalancer,
    cluster: Input[str],
    services: dict[str, aws.ecs.Service],
) -> None:
    """Create the dashboard; its name is the stack's."""
    graphs = _graphs(balancer, cluster, services)
    widgets = [_graph(place, title, metrics, region) for place, (title, metrics) in enumerate(graphs.items())]
    aws.cloudwatch.Dashboard(
        f"{name}-dashboard",
        dashboard_name=stack,
        dashboard_body=Output.json_dumps({"widgets": widgets}, sort_keys=True, separators=(",", ":")),
        opts=owner.child(),
    )


def _graphs(
    balancer: LoadBalancer, cluster: Input[str], services: dict[str, aws.ecs.Service]
) -> dict[str, list[Metric]]:
    """Title → metrics."""
    by_target = [
        "LoadBalancer",
        balancer.resource.arn_suffix,
        "TargetGroup",
        balancer.target_group.arn_suffix,
    ]

    def of_balancer(metric: str, statistic: str) -> Metric:
        return ["AWS/ApplicationELB", metric, *by_target, {"stat": statistic}]

    def of_services(metric: str) -> list[Metric]:
        return [
            ["AWS/ECS", metric, "ClusterName", cluster, "ServiceName", one.name, {"label": role}]
            for role, one in services.items()
        ]

    return {
        "Requests and errors": [
            of_balancer("RequestCount", "Sum"),
            of_balancer("HTTPCode_Target_4XX_Count", "Sum"),
            of_balancer("HTTPCode_Target_5XX_Count", "Sum"),
        ],
        "Latency (s)": [of_balancer("TargetResponseTime", which) for which in ("p50", "p95", "p99")],
        "Healthy and unhealthy tasks": [
            of_balancer("HealthyHostCount", "Minimum"),
            of_balancer("UnHealthyHostCount", "Maximum"),
        ],
        "CPU (%)": of_services("CPUUtilization"),
        "Memory (%)": of_services("MemoryUtilization"),
    }


def _graph(place: int, title: str, metrics: Sequence[Metric], region: str) -> dict[str, Any]:
    """Two graphs a row."""
    return {
        "type": "metric",
        "x": 12 * (place % 2),
        "y": 6 * (place // 2),
        "width": 12,
        "height": 6,
        "properties": {
            "title": title,
            "metrics": list(metrics),
            "region": region,
            "period": 60,
            "view": "timeSeries",
        },
    }
