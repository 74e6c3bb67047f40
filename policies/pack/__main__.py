"""The rules of `policies/` as a policy pack: `pulumi preview --policy-pack policies/pack`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policies import RULES, UNKNOWN, Resource, Rule


def policy(rule: Rule) -> Policy:
    """A rule as the engine's policy library takes it."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        name = args.urn.rpartition("::")[2]
        for one in rule.violations(Resource(args.resource_type, name, plain(args.props))):
            report(f"{one.problem}\nfix: {one.fix}", args.urn)

    return ResourceValidationPolicy(rule.name, rule.description, validate)


def plain(value: Any) -> Any:
    """The library's proxies raise at a value that is not known yet; the rules want to be told instead."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, list) or type(value).__name__ == "_ListProxy":
        return [_item(value, number) for number in range(len(value))]
    return value


def _item(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


PolicyPack(
    name="antgent", policies=[policy(rule) for rule in RULES], enforcement_level=EnforcementLevel.MANDATORY
)
