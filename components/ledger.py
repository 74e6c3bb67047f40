"""The ledger: which releases an environment has verified, newest first. Pure functions, no engine.

It is an output of the stack that verifies, kept in the state of its `ReleaseVerification` and nowhere
else. One entry a digest; the newest fifty.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

LIMIT = 50
"""Entries that are kept."""


@dataclass(frozen=True)
class CheckResult:
    """A check that passed.

    Args:
        name: what was checked, as one line.
        seconds: how long it took.
    """

    name: str
    seconds: float


@dataclass(frozen=True)
class Entry:
    """A release that passed every check of an environment.

    Args:
        tag: the release.
        digest: `sha256:…`.
        image: `repository@sha256:…`.
        git_revision: the commit it was built from; `unknown` where nobody told.
        verified_at: when the last check had passed, UTC, to the second.
        soak_minutes: minutes after that in which it does not count as verified yet; 0 for none.
        checks: what was checked.
    """

    tag: str
    digest: str
    image: str
    git_revision: str
    verified_at: datetime
    soak_minutes: int = 0
    checks: tuple[CheckResult, ...] = ()

    @classmethod
    def from_output(cls, entry: Mapping[str, Any]) -> "Entry":
        """Read one element of the stack output `ledger`.

        Raises:
            KeyError, ValueError: it is none.
        """
        return cls(
            tag=entry["tag"],
            digest=entry["digest"],
            image=entry["image"],
            git_revision=entry.get("gitRevision", "unknown"),
            verified_at=datetime.fromisoformat(entry["verifiedAt"]),
            soak_minutes=int(entry.get("soakMinutes", 0)),
            checks=tuple(CheckResult(one["name"], float(one["seconds"])) for one in entry.get("checks", ())),
        )

    def to_output(self) -> dict[str, Any]:
        """The element of the stack output `ledger` that `from_output` reads."""
        return {
            "tag": self.tag,
            "digest": self.digest,
            "image": self.image,
            "gitRevision": self.git_revision,
            "verifiedAt": self.verified_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "soakMinutes": self.soak_minutes,
            "checks": [{"name": one.name, "seconds": one.seconds} for one in self.checks],
        }

    @property
    def due(self) -> datetime:
        """From when on it counts as verified."""
        return self.verified_at + timedelta(minutes=self.soak_minutes)

    def counts(self, now: datetime) -> bool:
        """Whether it counts as verified: its soak time is over."""
        return now >= self.due


def read(outputs: Mapping[str, Any]) -> list[Entry]:
    """The ledger in a stack's outputs, newest first; empty where the stack verifies nothing."""
    return [Entry.from_output(entry) for entry in outputs.get("ledger") or ()]


def enter(entries: Sequence[Entry], new: Entry) -> list[Entry]:
    """The ledger after `new` was verified: `new` first, in the place of any entry of the same digest.

    A soak time that has begun goes on: verifying a release again never makes it wait longer, so that
    what counts as verified keeps doing so for as long as the ledger holds it.
    """
    soak = new.soak_minutes
    for old in entries:
        if old.digest == new.digest:
            left = math.ceil((old.due - new.verified_at) / timedelta(minutes=1))
            soak = min(soak, max(left, 0))
    entry = replace(new, soak_minutes=soak)
    return [entry, *(old for old in entries if old.digest != new.digest)][:LIMIT]


def find(entries: Iterable[Entry], tag: str) -> Entry | None:
    """The newest entry of a tag, soaked or not; None for a tag that never passed."""
    return next((entry for entry in entries if entry.tag == tag), None)


def verified(entries: Iterable[Entry], tag: str, now: datetime) -> Entry | None:
    """The entry that makes `tag` verified at `now` (with a time zone); None where none does."""
    return next((entry for entry in entries if entry.tag == tag and entry.counts(now)), None)


def explain(entries: Sequence[Entry], now: datetime) -> str:
    """What is verified and how long ago, one line an entry, newest first; for a person."""
    if not entries:
        return "nothing is verified yet"
    width = max(len(entry.tag) for entry in entries)
    return "\n".join(f"{entry.tag:<{width}}  {_standing(entry, now)}" for entry in entries)


def _standing(entry: Entry, now: datetime) -> str:
    when = f"{entry.digest[:19]}  verified {age(now - entry.verified_at)} ago"
    return when if entry.counts(now) else f"{when}, soaks {age(entry.due - now)} longer"


def age(span: timedelta) -> str:
    """A duration in the unit a person would choose: `40 s`, `12 min`, `5 h`, `3 days`."""
    seconds = max(span.total_seconds(), 0)
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
