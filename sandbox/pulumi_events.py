"""What the engine's event log says of one operation: steps, changes, errors."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRACEBACK = "Traceback (most recent call last):\n"
QUIET = frozenset({"same", "read", "read-replacement", "refresh"})
STACK = "pulumi:pulumi:Stack"
"""The type of the one resource that every stack has by itself."""
COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")

# Lines that only repeat that something failed.
NOISE = re.compile(
    r"^(an unhandled error occurred: program exited with|(update|preview|refresh|delete) failed$)"
)


@dataclass(frozen=True)
class Changes:
    """How many resources an operation (or its preview) treats how, as the engine counts them.

    Args:
        counts: by operation: `create`, `update`, `replace`, `delete`, `same` …
    """

    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Resources that are not left as they are."""
        return sum(number for name, number in self.counts.items() if name not in QUIET)

    def __str__(self) -> str:
        return ", ".join(f"{number} {name}" for name, number in self.counts.items()) or "no resources"


@dataclass(frozen=True)
class Step:
    """One resource's part in an operation.

    Args:
        op: `create`, `update`, `replace`, `delete`, `same` …
        type: the resource's type token.
        name: its logical name.
        diffs: the properties that differ.
    """

    op: str
    type: str
    name: str
    diffs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Events:
    """The event log of one operation."""

    changes: Changes
    steps: tuple[Step, ...]
    errors: tuple[str, ...]

    @classmethod
    def read(cls, log: Path) -> "Events":
        """Read an event log; of a killed engine it may end in the middle of a line, or not exist."""
        events = list(_lines(log))
        summary = [event["summaryEvent"] for event in events if "summaryEvent" in event]
        counts = summary[-1].get("resourceChanges") or {} if summary else {}
        steps = [
            _step(event["resourcePreEvent"]["metadata"]) for event in events if "resourcePreEvent" in event
        ]
        errors = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
        return cls(Changes(counts), tuple(steps), _errors(errors))


def plain_errors(text: str) -> tuple[str, ...]:
    """The errors in what a command without an event log printed to stderr."""
    parts = re.split(r"^error: ", COLOUR.sub("", text), flags=re.MULTILINE)
    return _telling(parts[1:])


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def _of(events: Iterable[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [event[kind] for event in events if kind in event]


def _step(metadata: Mapping[str, Any]) -> Step:
    name = metadata["urn"].rpartition("::")[2]
    return Step(metadata["op"], metadata["type"], name, tuple(metadata.get("diffs") or ()))


def _errors(diagnostics: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    found = []
    for one in diagnostics:
        if one.get("severity") == "error":
            urn = one.get("urn", "")
            message = _without_traceback(COLOUR.sub("", one.get("message", "")).strip())
            about_stack = not urn or "pulumi:pulumi:Stack::" in urn
            found.append(message if about_stack else f"{urn.rpartition('::')[2]}: {message}")
    return _telling(found)


def _without_traceback(message: str) -> str:
    """The message of a Python exception, as dynamic providers report theirs with where it was raised."""
    head, traceback, rest = message.partition(TRACEBACK)
    if not traceback:
        return message
    # The frames are indented, and so may be the further lines of the message: only the frames come first.
    told = list(itertools.dropwhile(lambda line: line.startswith("  "), rest.splitlines()))
    return (head + re.sub(r"^[\w.]+: ", "", "\n".join(told))).strip() or message


def _telling(errors: Iterable[str]) -> tuple[str, ...]:
    """Each error once, without those that say only that there was one (unless there is no other)."""
    each = list(dict.fromkeys(error.strip() for error in errors if error.strip()))
    return tuple([error for error in each if not NOISE.match(error)] or each)
