"""The arithmetic of deployments and scaling: pure functions of numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_FAILURES, MOST_FAILURES = 3, 200
SCALE_IN_BELOW = 0.9
"""Target tracking takes copies away only below this part of its target."""


@dataclass(frozen=True)
class Counts:
    """The tasks of a service that are meant to run.

    Args:
        new: of the deployment that is rolled out.
        new_healthy: those of `new` that count as healthy.
        old: of all earlier deployments.
        old_healthy: those of `old` that count as healthy.
    """

    new: int = 0
    new_healthy: int = 0
    old: int = 0
    old_healthy: int = 0


@dataclass(frozen=True)
class Plan:
    """What to do next.

    Args:
        start: how many new tasks.
        stop_old_unhealthy: how many old tasks that do not count as healthy.
        stop_old_healthy: how many old tasks that do.
        stop_new: how many new tasks that are too many.
    """

    start: int = 0
    stop_old_unhealthy: int = 0
    stop_old_healthy: int = 0
    stop_new: int = 0

    @property
    def idle(self) -> bool:
        return self == Plan()


def limits(desired: int, minimum_percent: int, maximum_percent: int) -> tuple[int, int]:
    """The least number of healthy tasks (rounded up) and the most tasks (rounded down)."""
    return math.ceil(desired * minimum_percent / 100), math.floor(desired * maximum_percent / 100)


def plan(desired: int, minimum_percent: int, maximum_percent: int, counts: Counts) -> Plan:
    """The next step of a rolling update: never fewer healthy tasks, never more tasks than allowed."""
    least, most = limits(desired, minimum_percent, maximum_percent)
    missing = desired - counts.new
    # Without a rollout the percentages do not apply: a task that is missing is started.
    room = most - counts.new - counts.old if counts.old else missing
    spare = counts.new_healthy + counts.old_healthy - least
    return Plan(
        start=max(0, min(missing, room)),
        stop_old_unhealthy=counts.old - counts.old_healthy,
        stop_old_healthy=max(0, min(counts.old_healthy, spare)),
        stop_new=max(0, -missing),
    )


def stuck(desired: int, minimum_percent: int, maximum_percent: int, counts: Counts) -> bool:
    """Whether the percentages leave neither room for a new task nor an old one to spare."""
    nothing = plan(desired, minimum_percent, maximum_percent, counts).idle
    return nothing and counts.old > 0 and counts.new < desired


def threshold(desired: int) -> int:
    """How many tasks may fail before the circuit breaker opens: half the desired count, 3 to 200."""
    return min(max(math.ceil(desired / 2), LEAST_FAILURES), MOST_FAILURES)


def tracked(current: int, value: float, target: float, *, scale_in: bool = True) -> int:
    """The count that brings a metric which is shared by all copies back to its target.

    Args:
        scale_in: whether the number may go down. Defaults to true.
    """
    if value > target or (scale_in and value < target * SCALE_IN_BELOW):
        # 1e-9: a quotient that is whole may come out a hair above.
        return max(0, math.ceil(max(current, 1) * value / target - 1e-9))
    return current


def stepped(current: int, breach: float, policy: Mapping[str, Any]) -> int:
    """The count that a step scaling policy asks for.

    Args:
        breach: the metric's distance from its alarm's threshold.
        policy: AWS's `StepScalingPolicyConfiguration`.
    """
    change = _adjustment(breach, policy.get("StepAdjustments") or [])
    if change is None:
        return current
    kind = policy.get("AdjustmentType", "ChangeInCapacity")
    if kind == "ExactCapacity":
        return change
    if kind == "PercentChangeInCapacity":
        change = _percent(current, change, policy.get("MinAdjustmentMagnitude") or 0)
    return max(0, current + change)


def _adjustment(breach: float, steps: Sequence[Mapping[str, Any]]) -> int | None:
    for step in steps:
        lower = step.get("MetricIntervalLowerBound")
        upper = step.get("MetricIntervalUpperBound")
        least = -math.inf if lower is None else float(lower)
        most = math.inf if upper is None else float(upper)
        # A bound belongs to the step on its far side, seen from the threshold.
        if (least <= breach < most) if breach >= 0 else (least < breach <= most):
            return int(step["ScalingAdjustment"])
    return None


def _percent(current: int, percent: int, least: int) -> int:
    """Rounded as AWS rounds: toward zero, but changes below one become one."""
    exact = current * percent / 100
    size = math.floor(abs(exact)) if abs(exact) >= 1 else math.ceil(abs(exact))
    return math.copysign(max(size, least), exact).__trunc__() if exact else 0


def within(count: int, least: int, most: int) -> int:
    """`count`, but between `least` and `most`."""
    return min(max(count, least), most)
