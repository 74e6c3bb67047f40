"""Targets in moto's ELBv2: known by id and port, with the health that the proxy sees.

moto calls every registered target healthy, knows one port an id, and forgets a target the moment it is
deregistered. `install` replaces those three answers; everything else of moto's ELBv2 stays.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.balancer.model import Group

_registrations = itertools.count(1)


@dataclass(frozen=True)
class Target:
    """A target that is registered, or was until less than the deregistration delay ago.

    Args:
        number: of its registration; a target that is registered again is another one.
        since: when it was registered, on the monotonic clock.
        left: when it was deregistered; None while it is registered.
    """

    id: str
    port: int
    number: int
    since: float
    left: float | None = None


@dataclass(frozen=True)
class Seen:
    """What the proxy says about a target.

    Args:
        up: it gets requests.
        was_up: it was healthy at some time.
        check: the proxy's word for the last health check, such as `L7STS`; empty before the first.
        code: HTTP status of that check, empty without an answer.
    """

    up: bool
    was_up: bool
    check: str = ""
    code: str = ""


@dataclass(frozen=True)
class Health:
    """A target's health in AWS's words; healthy targets have neither reason nor description."""

    state: str
    reason: str | None = None
    description: str | None = None


Judge = Callable[[str, str, int], Health]
"""Target group's ARN, id, port → health."""


def verdict(
    target: Target | None, group: Group, *, attached: bool, seen: Seen | None, problem: str, now: float
) -> Health:
    """A target's health, by AWS's rules.

    Args:
        target: None when it is not registered.
        attached: whether a listener forwards to its group.
        seen: None while the proxy does not know it.
        problem: why there is no proxy; empty when there is one.
        now: on the monotonic clock.
    """
    if target is None:
        return Health("unused", "Target.NotRegistered", "Target is not registered to the target group")
    if target.left is not None:
        return Health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
    if not attached:
        text = "Target group is not configured to receive traffic from the load balancer"
        return Health("unused", "Target.NotInUse", text)
    if seen is None or problem:
        text = problem or "Target registration is in progress"
        return Health("initial", "Elb.RegistrationInProgress", text)
    if seen.up:
        return Health("healthy")
    if not seen.was_up and now - target.since < group.interval * group.fall:
        return Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
    return _unhealthy(seen)


def _unhealthy(seen: Seen) -> Health:
    if seen.check == "L7STS":
        text = f"Health checks failed with these codes: [{seen.code}]"
        return Health("unhealthy", "Target.ResponseCodeMismatch", text)
    if seen.check.endswith("TOUT"):
        return Health("unhealthy", "Target.Timeout", "Request timed out")
    return Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")


def targets(group_arn: str) -> list[Target]:
    """The registered and the draining targets of a group; none when the group is gone."""
    group = _group(group_arn)
    if group is None:
        return []
    _forget(group)
    return [
        *(_target(one) for one in list(group.targets.values())),
        *(_target(one) for one in list(group.deregistered_targets.values())),
    ]


def find(group_arn: str, id_: str, port: int) -> Target | None:
    """A target of a group; the registered one when an earlier registration of it still drains."""
    return next((one for one in targets(group_arn) if (one.id, one.port) == (id_, port)), None)


def install(judge: Judge) -> None:
    """Let moto register targets by id and port, and answer DescribeTargetHealth with `judge`."""
    from moto.elbv2.exceptions import TargetGroupNotFoundError
    from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

    def describe_target_health(
        backend: Any, target_group_arn: str, wanted: list[dict[str, Any]]
    ) -> list[Any]:
        group = backend.target_groups.get(target_group_arn)
        if group is None:
            raise TargetGroupNotFoundError
        chosen = [(one["Id"], int(one.get("Port") or group.port)) for one in wanted or []]
        chosen = chosen or list(dict.fromkeys((one.id, one.port) for one in targets(target_group_arn)))
        answers = []
        for id_, port in chosen:
            seen = judge(target_group_arn, id_, port)
            checked = group.health_check_port
            checked = str(port) if checked in (None, "traffic-port") else checked
            answers.append(FakeHealthStatus(id_, port, checked, seen.state, seen.reason, seen.description))
        return answers

    for owner, replacements in (
        (FakeTargetGroup, {"register": _register, "deregister": _deregister}),
        (ELBv2Backend, {"describe_target_health": describe_target_health}),
    ):
        for name, replacement in replacements.items():
            setattr(owner, name, replacement)


def _register(group: Any, wanted: list[dict[str, Any]]) -> None:
    for one in wanted:
        key, entry = _entry(group, one)
        if key not in group.targets:
            group.targets[key] = entry | {"Number": next(_registrations), "Since": time.monotonic()}


def _deregister(group: Any, wanted: list[dict[str, Any]]) -> None:
    """As AWS does it: a target that is not there is no error."""
    for one in wanted:
        found = group.targets.pop(_entry(group, one)[0], None)
        if found:
            group.deregistered_targets[f"{found['Number']}"] = found | {"Left": time.monotonic()}


def _entry(group: Any, one: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    port = int(one.get("Port") or group.port)
    return f"{one['Id']}:{port}", {"Id": one["Id"], "Port": port}


def _forget(group: Any) -> None:
    """Drop targets whose deregistration delay is over."""
    delay = float(group.attributes.get("deregistration_delay.timeout_seconds", 300))
    for key, one in list(group.deregistered_targets.items()):
        if time.monotonic() - one["Left"] >= delay:
            group.deregistered_targets.pop(key, None)


def _target(one: Mapping[str, Any]) -> Target:
    return Target(one["Id"], one["Port"], one["Number"], one["Since"], one.get("Left"))


def _group(arn: str) -> Any:
    from sandbox.balancer.model import backends

    return next((found for one in backends() if (found := one.target_groups.get(arn))), None)
