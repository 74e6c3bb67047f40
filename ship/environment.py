"""An environment as its stack file, its stack's outputs and the engine's history tell it; nothing is kept."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from components import ledger
from components.ledger import Entry
from sandbox.pulumi_history import Update
from settings.report import PROJECT

BY = re.compile(r"^ship [a-z]+ .*, by (?P<by>.+)$")
"""The message with which `ship` starts the engine; the engine keeps it in its history."""


@dataclass(frozen=True)
class Environment:
    """One stack, at one moment.

    Args:
        stack: its name.
        config: what its file says, by key without namespace.
        outputs: of its last successful `up`; None when there was none.
        history: the engine's, newest first.
        problem: why the engine could not tell more; empty when it could.
    """

    stack: str
    config: Mapping[str, Any]
    outputs: Mapping[str, Any] | None = None
    history: tuple[Update, ...] = ()
    problem: str = ""

    @property
    def wanted(self) -> str | None:
        """The release that config asks for."""
        tag = self.config.get("imageTag")
        return str(tag) if tag else None

    @property
    def running(self) -> str | None:
        """The release of the last successful `up`."""
        return (self.outputs or {}).get("tag")

    @property
    def image(self) -> str | None:
        """`repository@sha256:…` of that release."""
        return (self.outputs or {}).get("image")

    @property
    def digest(self) -> str | None:
        """`sha256:…` of that release."""
        return self.image.rpartition("@")[2] if self.image else None

    @property
    def url(self) -> str | None:
        """Where its server answers; None where it runs no service."""
        return (self.outputs or {}).get("url")

    @property
    def source(self) -> str | None:
        """The stack that it promotes from."""
        return self.config.get("promoteFrom") or None

    @property
    def hold(self) -> Mapping[str, Any] | None:
        """The hold in config: tag, reason, by."""
        return self.config.get("hold") or None

    @property
    def override(self) -> Mapping[str, Any] | None:
        """The override under which its release runs."""
        return (self.outputs or {}).get("override") or None

    @property
    def ledger(self) -> list[Entry]:
        """What it has verified itself, newest first."""
        return ledger.read(self.outputs or {})

    @property
    def runs_service(self) -> bool:
        """Whether it is to run antgent (the release stack is not)."""
        return bool(self.config.get("service"))

    @property
    def updates(self) -> list[Update]:
        """Every finished `up`, newest first."""
        return [one for one in self.history if one.kind == "update"]

    @property
    def last(self) -> Update | None:
        """The last finished `up`."""
        return next(iter(self.updates), None)

    @property
    def shipped(self) -> Update | None:
        """The `up` that brought the release which runs."""
        found = None
        for one in self.updates:
            if one.succeeded:
                if release_of(one) != self.running:
                    break
                found = one
        return found

    def good(self) -> list[str]:
        """Releases that an `up` brought here successfully, by when that first happened, newest first."""
        tags = [release_of(one) for one in reversed(self.updates) if one.succeeded]
        return list(dict.fromkeys(tag for tag in tags if tag))[::-1]

    def drift(self) -> list[str]:
        """Where config and what runs are apart; empty where they agree."""
        found = []
        if self.outputs is not None and self.wanted != self.running:
            found.append(f"config asks for {self.wanted or 'no release'}, {self.running or 'nothing'} runs")
        if self.last and not self.last.succeeded:
            found.append(f"the last `up` ({release_of(self.last)}) failed")
        return found


@dataclass(frozen=True)
class Known:
    """What is known of a release.

    Args:
        tag, image: the release, and `repository@sha256:…`.
        revision: the commit it was built from; `unknown` where nobody told.
        told_by: who vouches for the digest.
    """

    tag: str
    image: str
    revision: str = "unknown"
    told_by: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """`sha256:…`."""
        return self.image.rpartition("@")[2]


def release_of(update: Update) -> str | None:
    """The release that an operation's config asked for."""
    value = update.config.get(f"{PROJECT}:imageTag")
    return str(value) if value else None


def by(update: Update) -> str:
    """Who started an operation: `ship`'s own note, else CI's, else the author of the commit at hand."""
    noted = BY.match(update.message)
    if noted:
        return noted["by"]
    system = update.environment.get("ci.system")
    if system:
        return f"{system} {update.environment.get('ci.build.id', '')}".strip()
    committer = update.environment.get("git.committer")
    return f"{committer} (commit)" if committer else "unknown"


def known(entries: Iterable[Entry], told_by: str) -> list[Known]:
    """A ledger's releases."""
    return [Known(one.tag, one.image, one.git_revision, told_by) for one in entries]


def ago(moment: datetime, now: datetime) -> str:
    """`3 h ago`."""
    return f"{ledger.age(now - moment)} ago"
