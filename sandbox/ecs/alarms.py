"""CloudWatch alarms: evaluated from moto's metrics, and asked about by deployments."""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, MetricDatumBase, Statistics, cloudwatch_backends

from sandbox.ecs.task_model import now

if TYPE_CHECKING:
    from sandbox.ecs.model import Service

_COMPARE = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}


def watched(service: "Service") -> list[str]:
    """The names of the alarms that may fail a deployment; none where they are off."""
    wanted = service.deployment_configuration.get("alarms") or {}
    return list(wanted.get("alarmNames") or []) if wanted.get("enable") else []


def firing(service: "Service") -> list[str]:
    """Those of `watched` that are in the state ALARM."""
    known = cloudwatch_backends[service._account_id][service.region_name].alarms
    return [name for name in watched(service) if name in known and known[name].state_value == "ALARM"]


def evaluate(cloudwatch: CloudWatchBackend) -> None:
    """Bring the state of every alarm on one metric up to date.

    An alarm that never had any data keeps its state, also one that SetAlarmState gave it.
    """
    for alarm in list(cloudwatch.alarms.values()):
        if alarm.metric_name and alarm.comparison_operator in _COMPARE and not alarm.metric_data_queries:
            _evaluate(cloudwatch, alarm)


def _evaluate(cloudwatch: CloudWatchBackend, alarm: Alarm) -> None:
    points = window(cloudwatch, alarm)
    known = [point for point in points if point is not None]
    if not known and not _data(cloudwatch, alarm, datetime.min):
        return
    state, breaches = judge(alarm, points)
    if state not in (alarm.state_value, None):
        reason = (
            f"Threshold Crossed: {breaches} out of the last {len(points)} datapoints "
            f"[{', '.join(f'{point:g}' for point in known)}] breached the threshold ({alarm.threshold:g})"
        )
        alarm.update_state(reason, json.dumps({"recentDatapoints": known}), state)


def judge(alarm: Alarm, points: Sequence[float | None]) -> tuple[str | None, int]:
    """The state that an alarm's datapoints give it (None: as it was), and how many of them breach.

    Args:
        points: None where a period has no data, which counts as `TreatMissingData` says.
    """
    treated = alarm.treat_missing_data or "missing"
    if all(point is None for point in points):
        alone = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA"}
        return alone.get(treated), len(points) if treated == "breaching" else 0
    compare, missing = _COMPARE[alarm.comparison_operator], treated == "breaching"
    limit, needed = float(alarm.threshold), int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    breaches = sum(missing if point is None else compare(point, limit) for point in points)
    return "ALARM" if breaches >= needed else "OK", breaches


def window(cloudwatch: CloudWatchBackend, alarm: Alarm) -> list[float | None]:
    """The statistic of each evaluated period, oldest first; None for one without data."""
    period, count = int(alarm.period or 60), int(alarm.evaluation_periods or 1)
    statistic = alarm.statistic or alarm.extended_statistic or "Average"
    edge = floor(now(), period) + timedelta(seconds=period)
    starts = [edge - timedelta(seconds=period * (count - index)) for index in range(count)]
    data = _data(cloudwatch, alarm, starts[0])
    return [
        value(
            [one for one in data if start <= _plain(one.timestamp) < start + timedelta(seconds=period)],
            statistic,
        )
        for start in starts
    ]


def _data(cloudwatch: CloudWatchBackend, alarm: Alarm, since: datetime) -> list[MetricDatumBase]:
    dimensions = [(one.name, one.value) for one in alarm.dimensions]
    return matching(cloudwatch, alarm.namespace, alarm.metric_name, dimensions, since)


def matching(
    cloudwatch: CloudWatchBackend,
    namespace: str,
    metric: str,
    dimensions: Iterable[tuple[Any, Any]],
    since: datetime,
) -> list[MetricDatumBase]:
    """The data of exactly this metric, not older than `since`, oldest first."""
    wanted = sorted((str(name), str(value)) for name, value in dimensions)
    found = [
        one
        for one in list(cloudwatch.metric_data)
        if one.name == metric
        and one.namespace == namespace
        and _plain(one.timestamp) >= since
        and sorted((str(each.name), str(each.value)) for each in one.dimensions) == wanted
    ]
    return sorted(found, key=lambda one: _plain(one.timestamp))


def latest(
    data: Sequence[MetricDatumBase], statistic: str, after: datetime | None
) -> tuple[datetime, float] | None:
    """The newest minute's time and value, if anything in it is newer than `after`."""
    if not data or (after is not None and _plain(data[-1].timestamp) <= after):
        return None
    newest = _plain(data[-1].timestamp)
    start = floor(newest, 60)
    found = value([one for one in data if start <= _plain(one.timestamp) <= newest], statistic)
    return None if found is None else (newest, found)


def value(data: list[MetricDatumBase], statistic: str) -> float | None:
    """A statistic (Average, Sum, Minimum, Maximum, SampleCount, or a percentile such as p95)."""
    if not data:
        return None
    holder = Statistics([statistic], now())
    holder.metric_data = data
    if statistic.startswith("p"):
        values = sorted(holder.metric_single_values_list)
        return values[max(0, math.ceil(len(values) * float(statistic[1:]) / 100) - 1)] if values else None
    found = holder.get_statistics_for_type(statistic)
    return None if found is None else float(found)


def _plain(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def floor(at: datetime, seconds: int) -> datetime:
    """The beginning of the period that a time lies in."""
    return at - timedelta(seconds=(at - datetime(1970, 1, 1)).total_seconds() % seconds)
