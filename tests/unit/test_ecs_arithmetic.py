"""The arithmetic of the ECS emulator: rolling updates, circuit breaker, scaling."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.ecs import alarms, arithmetic
from sandbox.ecs.arithmetic import Counts, Plan, plan


def roll(desired: int, minimum: int, maximum: int, *, healthy: bool = True) -> list[tuple[int, int]]:
    """Play a whole rolling update; (healthy tasks, all tasks) after each step, every step's bounds checked."""
    new, old, seen = 0, desired, []
    for _ in range(200):
        counts = Counts(new=new, new_healthy=new if healthy else 0, old=old, old_healthy=old)
        todo = plan(desired, minimum, maximum, counts)
        if todo.idle:
            break
        new, old = new + todo.start - todo.stop_new, old - todo.stop_old_healthy - todo.stop_old_unhealthy
        seen.append((old + (new - todo.start if healthy else 0), new + old))
    assert (new == desired and old == 0) or not healthy
    return seen


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "expected"),
    [
        (4, 100, 200, (4, 8)), (4, 50, 100, (2, 4)), (3, 50, 150, (2, 4)), (1, 0, 100, (0, 1)),
        (1, 100, 200, (1, 2)), (5, 75, 125, (4, 6)), (0, 100, 200, (0, 0)),
    ],
)  # fmt: skip
def test_the_least_is_rounded_up_and_the_most_down(
    desired: int, minimum: int, maximum: int, expected: tuple[int, int]
) -> None:
    """Rounded the other way, a release could take a service below what was promised."""
    assert arithmetic.limits(desired, minimum, maximum) == expected


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum"),
    [one for one in itertools.product((1, 2, 3, 4, 7, 20), (0, 50, 75, 100), (100, 125, 150, 200))
     if arithmetic.limits(*one)[0] < arithmetic.limits(*one)[1]],
)  # fmt: skip
def test_a_rolling_update_stays_within_its_bounds_and_ends(desired: int, minimum: int, maximum: int) -> None:
    """For every combination: never too few healthy, never too many at all, and it comes to its end."""
    least, most = arithmetic.limits(desired, minimum, maximum)
    for healthy, everything in roll(desired, minimum, maximum):
        assert healthy >= least
        assert everything <= most


def test_old_tasks_stay_while_the_new_ones_are_not_healthy() -> None:
    """A bad release must not cost a single task of the one that works."""
    assert roll(4, 100, 200, healthy=False) == [(4, 8)]


def test_percentages_that_leave_no_room_are_noticed() -> None:
    """100 and 100: nothing can be stopped and nothing started; AWS says so in an event."""
    assert arithmetic.stuck(2, 100, 100, Counts(old=2, old_healthy=2))
    assert not arithmetic.stuck(2, 100, 200, Counts(old=2, old_healthy=2))
    assert not arithmetic.stuck(2, 100, 100, Counts(new=2, new_healthy=2))


def test_without_a_rollout_a_missing_task_is_started_and_a_surplus_one_stopped() -> None:
    """Percentages are for deployments; the desired count is kept also where the maximum is 100."""
    assert plan(3, 100, 100, Counts(new=2, new_healthy=2)) == Plan(start=1)
    assert plan(2, 100, 100, Counts(new=3, new_healthy=3)) == Plan(stop_new=1)
    assert plan(0, 100, 200, Counts(new=1, old=2, old_healthy=1)) == Plan(
        stop_new=1, stop_old_healthy=1, stop_old_unhealthy=1
    )


@pytest.mark.parametrize(("desired", "expected"), [(1, 3), (6, 3), (7, 4), (25, 13), (400, 200), (1000, 200)])
def test_the_circuit_breaker_opens_at_half_the_count_between_3_and_200(desired: int, expected: int) -> None:
    """AWS's formula, with AWS's bounds."""
    assert arithmetic.threshold(desired) == expected


@pytest.mark.parametrize(
    ("current", "value", "expected"),
    [
        (2, 100, 4),
        (3, 75, 5),
        (2, 50, 2),
        (4, 46, 4),
        (4, 44, 4),
        (4, 20, 2),
        (3, 0, 0),
        (0, 100, 2),
        (3, 100, 6),
    ],
)
def test_target_tracking_keeps_the_metric_at_its_target(current: int, value: float, expected: int) -> None:
    """In proportion, rounded up; nothing between nine tenths of the target and the target."""
    assert arithmetic.tracked(current, value, 50) == expected


def test_a_policy_without_scale_in_takes_nothing_away() -> None:
    """`DisableScaleIn` is what keeps a second policy from undoing the first."""
    assert arithmetic.tracked(4, 1, 50, scale_in=False) == 4


@pytest.mark.parametrize(
    ("kind", "breach", "expected"),
    [("ChangeInCapacity", 5, 6), ("ChangeInCapacity", 10, 9), ("ChangeInCapacity", -5, 3),
     ("ExactCapacity", 5, 1), ("PercentChangeInCapacity", 10, 6), ("ChangeInCapacity", -50, 5)],
)  # fmt: skip
def test_a_step_is_chosen_by_the_distance_from_the_threshold(kind: str, breach: float, expected: int) -> None:
    """A bound belongs to the farther step above the threshold, and to the farther one below it."""
    steps = [
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 4},
        {"MetricIntervalLowerBound": -20, "MetricIntervalUpperBound": 0, "ScalingAdjustment": -2},
    ]
    policy = {"AdjustmentType": kind, "StepAdjustments": steps}
    assert arithmetic.stepped(5, breach, policy) == expected


def test_a_count_stays_within_its_bounds() -> None:
    """Autoscaling never leaves minimum and maximum."""
    assert [arithmetic.within(count, 2, 4) for count in (0, 3, 9)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("points", "treated", "expected"),
    [
        ([9.0, 0.0, 9.0], None, "ALARM"), ([9.0, 0.0, 0.0], None, "OK"), ([9.0, None, None], None, "OK"),
        ([9.0, None, None], "breaching", "ALARM"), ([None, None, None], None, "INSUFFICIENT_DATA"),
        ([None, None, None], "notBreaching", "OK"), ([None, None, None], "breaching", "ALARM"),
        ([None, None, None], "ignore", None),
    ],
)  # fmt: skip
def test_an_alarm_is_judged_by_its_datapoints_and_by_those_that_are_missing(
    points: list[float | None], treated: str | None, expected: str | None
) -> None:
    """Two of three; a period without data counts as TreatMissingData says."""
    alarm: Any = SimpleNamespace(
        comparison_operator="GreaterThanThreshold", threshold=5, evaluation_periods=3, datapoints_to_alarm=2,
        treat_missing_data=treated,
    )  # fmt: skip
    assert alarms.judge(alarm, points)[0] == expected
