"""Tasks as targets of a load balancer, through moto's ELBv2 backend and the balancer behind it."""

import contextlib
from collections.abc import Callable

from moto.core.exceptions import ServiceException
from moto.elbv2.models import ELBv2Backend, elbv2_backends

Health = Callable[[str, str, int], tuple[str, str]]

_health: Health | None = None


def use(health: Health | None) -> None:
    """Ask this for the health of targets from now on; None trusts moto, for which all are healthy.

    Args:
        health: takes a target group's ARN, an address and a port; gives state and reason.
    """
    global _health
    _health = health


def watched() -> bool:
    """Whether something really looks at targets."""
    return _health is not None


def _backend(group: str) -> ELBv2Backend:
    parts = group.split(":")
    return elbv2_backends[parts[4]][parts[3]]


def register(group: str, address: str, port: int) -> bool:
    """Whether the group exists and has the target now."""
    with contextlib.suppress(ServiceException):
        _backend(group).register_targets(group, [{"Id": address, "Port": port}])
        return True
    return False


def deregister(group: str, address: str, port: int) -> bool:
    """Whether the group had the target."""
    with contextlib.suppress(ServiceException):
        _backend(group).deregister_targets(group, [{"Id": address, "Port": port}])
        return True
    return False


def health(group: str, address: str, port: int) -> tuple[str, str]:
    """State (`initial`, `healthy`, `unhealthy`, `draining`, `unused`) and reason, as ELB says it."""
    if _health is not None:
        return _health(group, address, port)
    with contextlib.suppress(ServiceException):
        (found,) = _backend(group).describe_target_health(group, [{"Id": address, "Port": port}])
        return str(found.status), str(found.reason or "")
    return "unused", "Target.NotRegistered"


def delay(group: str) -> float:
    """Seconds that a deregistered target may still finish its requests; 0 without a balancer."""
    found = _backend(group).target_groups.get(group)
    if found is None or _health is None:
        return 0.0
    return float(found.attributes.get("deregistration_delay.timeout_seconds", 300))
