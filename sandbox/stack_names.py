"""What the stack files of a checkout name and do not make: a sandbox has to have it for them.

Certificates, zones and secrets exist in a real account before the first `up`, and so do a Temporal
server's host name and a cluster's context.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.paths import CHECKOUT

TEMPORAL = "ANTGENT_TEMPORALIO__HOST"


@dataclass(frozen=True)
class Named:
    """What must exist for the stack files.

    Args:
        certificates: ARN → the domain it is for.
        zones: id of a Route 53 zone → its name.
        secrets: ARNs of Secrets Manager and SSM, as a task definition names them.
        hosts: `host:port` of Temporal servers, by host name.
        contexts: kubeconfig contexts.
        region: the AWS region that most of them are in; empty where none names one.
    """

    certificates: dict[str, str] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    region: str = ""


def read(folder: Path = CHECKOUT) -> Named:
    """What the folder's `Pulumi.*.yaml` name; `${NAME}` and what a stack makes by itself are left out."""
    configs = list(_configs(folder))
    services = [config.get("antgent:service") or {} for config in configs]
    balancers = [(one.get("ecs") or {}).get("loadBalancer") or {} for one in services]
    hosts = {str((one.get("environment") or {}).get(TEMPORAL, "")) for one in services}
    regions = Counter(config["aws:region"] for config in configs if config.get("aws:region"))
    secrets = [value for config in configs for value in (config.get("antgent:secrets") or {}).values()]
    return Named(
        certificates={
            one["certificate"]: one["domain"]
            for one in balancers
            if {"certificate", "domain"} <= one.keys() and ":acm:" in one["certificate"]
        },
        zones={zone: common_domain(domains) for zone, domains in _by_zone(balancers).items()},
        secrets=sorted({one for one in secrets if isinstance(one, str) and one.startswith("arn:")}),
        hosts=sorted(one for one in hosts if one and "${" not in one),
        contexts=sorted({(one.get("kubernetes") or {}).get("context") or "" for one in services} - {""}),
        region=regions.most_common(1)[0][0] if regions else "",
    )


def common_domain(names: Iterable[str]) -> str:
    """The domain that a zone with records of all these names has: what they end in, without a first label."""
    reversed_names = [name.split(".")[:0:-1] for name in names]
    shared = []
    for labels in zip(*reversed_names, strict=False):
        if len(set(labels)) > 1:
            break
        shared.append(labels[0])
    return ".".join(reversed(shared))


def _by_zone(balancers: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in balancers:
        if {"zoneId", "domain"} <= one.keys():
            found.setdefault(one["zoneId"], []).append(one["domain"])
    return found


def _configs(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        yield (yaml.safe_load(file.read_text()) or {}).get("config") or {}
