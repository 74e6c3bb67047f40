"""What moto's ELBv2 has been told, as plain data: load balancers, listeners, rules, target groups.

Read from moto's own memory, so that what an API call stored is what requests meet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ALGORITHMS = {
    "round_robin": "roundrobin",
    "least_outstanding_requests": "leastconn",
    "weighted_random": "random",
}
"""A target group's algorithm → the proxy's."""


@dataclass(frozen=True)
class Action:
    """What happens to a request.

    Args:
        kind: `forward`, `redirect`, `fixed-response`, or another word of AWS's that nobody acts on here.
        groups: target group's ARN and weight, of a forward.
        detail: AWS's own settings of a redirect or a fixed response, as pairs.
    """

    kind: str
    groups: tuple[tuple[str, int], ...] = ()
    detail: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """One of its settings."""
        return dict(self.detail).get(name, default)


@dataclass(frozen=True)
class Condition:
    """What a request must have.

    Args:
        field: `path-pattern`, `host-header`, `http-request-method`, `source-ip`, `http-header`, `query-string`.
        values: one of them must match.
        name: of the header, for `http-header`.
    """

    field: str
    values: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True)
class Rule:
    """An action and its conditions; all of them must hold, and none do for the default rule."""

    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True)
class Listener:
    """A port of a load balancer.

    Args:
        rules: in the order in which they are tried; the last is the default.
        certificates: ARNs, the default one first.
    """

    arn: str
    port: int
    protocol: str
    policy: str
    certificates: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Balancer:
    """A load balancer."""

    arn: str
    dns_name: str
    listeners: tuple[Listener, ...]
    idle_seconds: int = 60


@dataclass(frozen=True)
class Group:
    """A target group; seconds are seconds.

    Args:
        health_port: None for the port that gets the traffic.
        codes: healthy status codes, as `200-399` or `200,204`.
    """

    arn: str
    protocol: str
    algorithm: str
    check: bool
    path: str
    health_port: int | None
    codes: str
    interval: int
    timeout: int
    rise: int
    fall: int
    delay: int


def balancers() -> list[Balancer]:
    """Every application load balancer of every account and region."""
    return [_balancer(one) for backend in backends() for one in list(backend.load_balancers.values())]


def groups() -> dict[str, Group]:
    """Every target group by its ARN."""
    return {arn: _group(one) for backend in backends() for arn, one in list(backend.target_groups.items())}


def backends() -> Iterator[Any]:
    """moto's ELBv2, by account and region."""
    from moto.elbv2.models import elbv2_backends

    return (backend for _, _, backend in list(elbv2_backends.iter_backends()))


def aliases() -> dict[str, str]:
    """Names in Route 53 → the name that each stands for (alias records and CNAMEs), without last dots."""
    from moto.route53.models import route53_backends

    found = {}
    known: list[Any] = [backend for _, _, backend in list(route53_backends.iter_backends())]
    for backend in known:
        for zone in list(backend.zones.values()):
            for record in list(zone.rrsets):
                for target in _targets(record):
                    found[_plain(record.name)] = _plain(target)
    return found


def _targets(record: Any) -> list[str]:
    if record.alias_target:
        return [record.alias_target.get("DNSName", "")] if record.type == "A" else []
    return [_text(one) for one in record.records or []] if record.type == "CNAME" else []


def _text(value: Any) -> str:
    return value.get("Value", "") if isinstance(value, Mapping) else str(value)


def _plain(name: str) -> str:
    return name.rstrip(".").lower().removeprefix("dualstack.")


def _balancer(one: Any) -> Balancer:
    idle = int(one.attrs.get("idle_timeout.timeout_seconds") or 60)
    listeners = tuple(_listener(listener) for listener in list(one.listeners.values()))
    return Balancer(one.arn, one.dns_name.lower(), listeners, idle)


def _listener(one: Any) -> Listener:
    numbered = sorted(one._non_default_rules.values(), key=lambda rule: int(rule.priority))
    rules = [Rule(tuple(map(_condition, rule.conditions)), _action(rule.actions)) for rule in numbered]
    default = Rule((), _action(one.default_actions))
    certificates = tuple(_text_of_certificate(item) for item in one.certificates)
    return Listener(
        one.arn, int(one.port), one.protocol, one.ssl_policy or "", certificates, (*rules, default)
    )


def _text_of_certificate(item: Any) -> str:
    return item["CertificateArn"] if isinstance(item, Mapping) else str(item)


def _action(actions: list[Any]) -> Action:
    """The action that ends a rule; those before it only authenticate, which nobody does here."""
    data = dict(actions[-1].data)
    kind = data["Type"] if len(actions) == 1 else actions[0].data["Type"]
    if kind == "forward":
        chosen = data.get("ForwardConfig", {}).get("TargetGroups") or [data]
        weighted = tuple((one["TargetGroupArn"], int(one.get("Weight", 1))) for one in chosen)
        return Action(kind, groups=weighted)
    settings = data.get(
        {"redirect": "RedirectConfig", "fixed-response": "FixedResponseConfig"}.get(kind, ""), {}
    )
    return Action(kind, detail=tuple(sorted((name, str(value)) for name, value in settings.items())))


def _condition(data: Mapping[str, Any]) -> Condition:
    detail = next((value for key, value in data.items() if key.endswith("Config")), {}) or {}
    values = data.get("Values") or detail.get("Values") or []
    if data["Field"] == "query-string":
        values = [
            f"{one.get('Key', '')}={one['Value']}" if one.get("Key") else one["Value"] for one in values
        ]
    return Condition(data["Field"], tuple(values), detail.get("HttpHeaderName", ""))


def _group(one: Any) -> Group:
    port = str(one.health_check_port or "traffic-port")
    attributes = one.attributes
    return Group(
        arn=one.arn,
        protocol=one.protocol or "",
        algorithm=str(attributes.get("load_balancing.algorithm.type", "round_robin")),
        check=bool(one.health_check_enabled),
        path=one.health_check_path or "/",
        health_port=int(port) if port.isdigit() else None,
        codes=(getattr(one, "matcher", None) or {}).get("HttpCode") or "200",
        interval=int(one.health_check_interval_seconds),
        timeout=int(one.health_check_timeout_seconds),
        rise=int(one.healthy_threshold_count),
        fall=int(one.unhealthy_threshold_count),
        delay=int(attributes.get("deregistration_delay.timeout_seconds", 300)),
    )
