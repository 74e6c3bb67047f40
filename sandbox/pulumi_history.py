"""What the engine remembers of a stack's operations: `pulumi stack history --json`, typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SECRET = "[secret]"


@dataclass(frozen=True)
class Update:
    """One operation that the engine has finished.

    Args:
        kind: `update`, `refresh`, `destroy` …
        result: `succeeded` or `failed`.
        started, ended: UTC.
        message: what it was started with; by default the commit's subject.
        config: the stack's config of that moment by its whole key; a secret reads `[secret]`.
        environment: who and where, as far as the engine knows: `git.committer`, `ci.system` …
        changes: resources by operation.
    """

    kind: str
    result: str
    started: datetime
    ended: datetime | None
    message: str
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether it did all it was to do."""
        return self.result == "succeeded"

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Update":
        """Read one element of the engine's list."""
        ended = found.get("endTime")
        return cls(
            kind=found["kind"],
            result=found.get("result") or "in progress",
            started=_time(found["startTime"]),
            ended=_time(ended) if ended else None,
            message=found.get("message") or "",
            config={key: _value(value) for key, value in (found.get("config") or {}).items()},
            environment=found.get("environment") or {},
            changes=found.get("resourceChanges") or {},
        )


def read_history(text: str) -> list[Update]:
    """The engine's JSON as updates, newest first."""
    return [Update.from_json(found) for found in json.loads(text or "[]") or []]


def _value(value: Mapping[str, Any]) -> Any:
    if value.get("secret"):
        return SECRET
    return value["objectValue"] if value.get("objectValue") is not None else value.get("value")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
