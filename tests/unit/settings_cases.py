"""Reads settings_cases.yaml: every rule of a stack's config, with configs that keep and break it."""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

BASE: dict[str, Any] = {
    "imageTag": "v0.3.2",
    "registry": {"kind": "external", "server": "registry.example.com"},
    "service": {"runtime": "docker"},
}
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:antgent/token"
ENCRYPTED = {"secure": "v1:abc"}


def stack(changes: dict[str, Any]) -> dict[str, Any]:
    """A stack's config: the small valid one with `changes`, whose keys are dotted paths (None removes)."""
    config: dict[str, Any] = deepcopy(BASE)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = deepcopy(value)
    return {f"antgent:{key}": value for key, value in config.items()}


@dataclass(frozen=True)
class Case:
    """One rule.

    Args:
        rule: the rule as a sentence.
        key: where the problem is reported.
        says: words of the report.
        bad, good: changes to the small stack that break and keep the rule; no `good` leaves it as it is.
    """

    rule: str
    key: str
    says: str
    bad: dict[str, Any]
    good: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.rule.replace(" ", "-")


def _case(row: dict[str, Any]) -> Case:
    changes = {
        side: {row["key"] if key == "_" else key: value for key, value in row.get(side, {}).items()}
        for side in ("bad", "good")
    }
    return Case(rule=row["rule"], key=row["key"], says=row["says"], **changes)


CASES = [_case(row) for row in yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())]
