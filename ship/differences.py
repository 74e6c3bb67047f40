"""How two environments' configs differ, as far as an operator should know before a promotion."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settings.report import key_text, show

EXPECTED = frozenset(
    {"imageTag", "promoteFrom", "verify", "hold", "override", "registry", "build", "owner", "region"}
)
"""Sections in which environments differ by what they are."""
OWN = frozenset(
    {"domain", "certificate", "zoneId", "cidr", "context", "namespace", "host", "port", "zones", "alarms"}
)
"""Keys whose values name an environment's own things."""
MISSING = "(not set)"


@dataclass(frozen=True)
class Difference:
    """One key that two stacks set differently.

    Args:
        key: as one types it for `pulumi config set --path`.
        source, target: the values, fit to be shown.
    """

    key: str
    source: str
    target: str

    @property
    def missing(self) -> bool:
        """Whether the target does not have what the source was verified with."""
        return self.target == MISSING


def differences(source: Mapping[str, Any], target: Mapping[str, Any]) -> list[Difference]:
    """What is set differently, apart from what must be; missing settings first.

    Args:
        source, target: the stacks' configs, by key without namespace. Secrets are compared by name only.
    """
    left, right = dict(_leaves(source)), dict(_leaves(target))
    found = []
    for path in sorted(left.keys() | right.keys(), key=str):
        if path[0] in EXPECTED or OWN & set(map(str, path)):
            continue
        secret = path[0] == "secrets"
        if left.get(path) == right.get(path) or (secret and path in left and path in right):
            continue
        shown = [show(path, side.get(path)) if path in side else MISSING for side in (left, right)]
        found.append(Difference(key_text(path), *shown))
    return sorted(found, key=lambda one: not one.missing)


def commits(folder: Path, since: str, until: str) -> list[str] | None:
    """The commits between two revisions, newest first, one line each; None where git does not know them."""
    old, new = since.removesuffix("-dirty"), until.removesuffix("-dirty")
    if "unknown" in (old, new) or not old or not new:
        return None
    command = ["git", "-C", str(folder), "log", "--oneline", "--no-decorate", f"{old}..{new}", "--"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    secret = path[:1] == ("secrets",) and len(path) > 1
    if isinstance(value, Mapping) and value and not secret:
        for key, each in value.items():
            yield from _leaves(each, (*path, str(key).removeprefix("antgent:")))
    elif path:
        yield path, value
