"""Application Auto Scaling that acts: a metric moves a service's desired count within its bounds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
    FakeScalableTarget,
    applicationautoscaling_backends,
)
from moto.cloudwatch.models import Alarm, CloudWatchBackend, Dimension, cloudwatch_backends

from sandbox.ecs import alarms, arithmetic, wording
from sandbox.ecs.backend import EcsBackend
from sandbox.ecs.model import Service
from sandbox.ecs.task_model import now

DIMENSION = "ecs:service:DesiredCount"
RECENT = timedelta(hours=3)
"""Older data moves nothing."""


@dataclass
class Memory:
    """What a policy did last.

    Args:
        seen: time of the newest datapoint that was acted on.
        out: monotonic time of the last scale-out; `into` of the last scale-in.
    """

    seen: datetime | None = None
    out: float = float("-inf")
    into: float = float("-inf")


@dataclass
class Scaler:
    """Applies the scaling policies of one account and region."""

    ecs: EcsBackend
    memories: dict[str, Memory] = field(default_factory=dict)

    def step(self) -> None:
        """One look at every policy. The caller holds the lock."""
        known = applicationautoscaling_backends[self.ecs.account_id]
        if self.ecs.region_name not in known.keys():  # noqa: SIM118 (`in` answers for regions, not keys)
            return
        backend: ApplicationAutoscalingBackend = known[self.ecs.region_name]
        for target in list(backend.targets.get(DIMENSION, {}).values()):
            service = self._service(target)
            mine = [one for one in backend.policies.values() if one.resource_id == target.resource_id]
            wanted = {policy: count for policy in mine if (count := self._wish(policy, target, service))}
            if service is not None and wanted:
                # Several policies: the one that wants the most wins, as at AWS.
                policy = max(wanted, key=lambda one: wanted[one])
                self._scale(service, policy, wanted[policy] - 1)

    def _wish(
        self, policy: FakeApplicationAutoscalingPolicy, target: FakeScalableTarget, service: Service | None
    ) -> int:
        """The count that a policy wants, plus one; 0 when it wants nothing."""
        if service is None or service.status != "ACTIVE":
            return 0
        cloudwatch = cloudwatch_backends[self.ecs.account_id][self.ecs.region_name]
        memory = self.memories.setdefault(policy.policy_arn, Memory())
        if policy.policy_type == "TargetTrackingScaling":
            wanted = _tracked(policy, service.desired_count, cloudwatch, memory)
        else:
            wanted = _stepped(policy, service.desired_count, cloudwatch, memory)
        wanted = arithmetic.within(wanted, int(target.min_capacity or 0), int(target.max_capacity or 0))
        suspended: Any = target.suspended_state or {}
        out = wanted > service.desired_count
        if wanted == service.desired_count or suspended.get(
            "DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"
        ):
            return 0
        return wanted + 1

    def _scale(self, service: Service, policy: FakeApplicationAutoscalingPolicy, count: int) -> None:
        before, memory = service.desired_count, self.memories[policy.policy_arn]
        if count > before:
            memory.out = time.monotonic()
        else:
            memory.into = time.monotonic()
        self.ecs.scale(service, count)
        service.tell(wording.scaled(count, before, f"policy {policy.policy_name}"))

    def _service(self, target: FakeScalableTarget) -> Service | None:
        _, cluster, name = target.resource_id.split("/")
        return self.ecs.services.get(f"{cluster}:{name}")


def _tracked(
    policy: FakeApplicationAutoscalingPolicy, current: int, cloudwatch: CloudWatchBackend, memory: Memory
) -> int:
    body = policy.target_tracking_scaling_policy_configuration or {}
    target = float(body["TargetValue"])
    namespace, metric, dimensions, statistic = watched_metric(body, policy.resource_id)
    _align(policy.alarms, cloudwatch, (namespace, metric, dimensions, statistic), target)
    since = alarms.floor(memory.seen or now() - RECENT, 60)
    data = alarms.matching(cloudwatch, namespace, metric, dimensions.items(), since)
    found = alarms.latest(data, statistic, memory.seen)
    if found is None:
        return current
    at, value = found
    wanted = arithmetic.tracked(current, value, target, scale_in=not body.get("DisableScaleIn"))
    waited_for = memory.out if wanted > current else memory.into
    cooldown = body.get("ScaleOutCooldown" if wanted > current else "ScaleInCooldown") or 0
    if wanted != current and time.monotonic() - waited_for < cooldown:
        return current
    memory.seen = at
    return wanted


def _stepped(
    policy: FakeApplicationAutoscalingPolicy, current: int, cloudwatch: CloudWatchBackend, memory: Memory
) -> int:
    body = policy.step_scaling_policy_configuration or {}
    firing = [
        one
        for one in cloudwatch.alarms.values()
        if one.state_value == "ALARM" and one.actions_enabled and policy.policy_arn in one.alarm_actions
    ]
    cooldown = body.get("Cooldown") or 0
    last = max(memory.out, memory.into)
    for alarm in firing:
        changed = alarm.state_updated_timestamp
        again = memory.seen is not None and changed <= memory.seen and not cooldown
        if again or time.monotonic() - last < cooldown:
            continue
        points = [one for one in alarms.window(cloudwatch, alarm) if one is not None]
        memory.seen = changed
        return arithmetic.stepped(current, (points[-1] - float(alarm.threshold)) if points else 0.0, body)
    return current


def watched_metric(body: Mapping[str, Any], resource: str) -> tuple[str, str, dict[str, str], str]:
    """Namespace, name, dimensions and statistic of what a target tracking policy follows.

    Args:
        body: AWS's `TargetTrackingScalingPolicyConfiguration`.
        resource: `service/CLUSTER/SERVICE`.

    Raises:
        ValueError: a predefined metric that does not belong to ECS.
    """
    own = body.get("CustomizedMetricSpecification")
    if own:
        dimensions = {one["Name"]: one["Value"] for one in own.get("Dimensions") or []}
        return own["Namespace"], own["MetricName"], dimensions, own.get("Statistic") or "Average"
    wanted = body["PredefinedMetricSpecification"]
    kind, label = wanted["PredefinedMetricType"], wanted.get("ResourceLabel") or ""
    _, cluster, service = resource.split("/")
    own_dimensions = {"ClusterName": cluster, "ServiceName": service}
    if kind == "ECSServiceAverageCPUUtilization":
        return "AWS/ECS", "CPUUtilization", own_dimensions, "Average"
    if kind == "ECSServiceAverageMemoryUtilization":
        return "AWS/ECS", "MemoryUtilization", own_dimensions, "Average"
    if kind == "ALBRequestCountPerTarget":
        group = f"targetgroup{label.partition('targetgroup')[2]}"
        return "AWS/ApplicationELB", "RequestCountPerTarget", {"TargetGroup": group}, "Sum"
    raise ValueError(f"the sandbox's Application Auto Scaling does not know the metric {kind}")


def _align(
    made: list[Alarm],
    cloudwatch: CloudWatchBackend,
    metric: tuple[str, str, dict[str, str], str],
    target: float,
) -> None:
    """Give the policy's own alarms its metric and bounds, which moto leaves at fixed ones."""
    for alarm in made:
        if alarm.name in cloudwatch.alarms and alarm.namespace:
            alarm.namespace, alarm.metric_name, dimensions, alarm.statistic = metric
            alarm.dimensions = [Dimension(name, value) for name, value in sorted(dimensions.items())]
            low = alarm.comparison_operator == "LessThanThreshold"
            alarm.threshold = target * arithmetic.SCALE_IN_BELOW if low else target
