"""A stack's plain sections, as the rules that join several keys read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from settings.catalogue import Path, all_paths
from settings.report import Commands


@dataclass(frozen=True)
class View:
    """The sections as written, with the models' defaults where a key is absent or of another type."""

    data: Mapping[str, Any]
    file_stack: str
    commands: Commands

    def at(self, *path: str | int) -> Any:
        """The value at a path, None where there is none."""
        value: Any = self.data
        for segment in path:
            try:
                value = value[segment]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def has(self, *path: str | int) -> bool:
        """Whether a key is set."""
        return self.at(*path) is not None

    def number(self, *path: str) -> float | None:
        """A number, or its default; None where something else is written."""
        value = self.at(*path)
        if value is None:
            value = all_paths()[path].default
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def map(self, *path: str | int) -> Mapping[str, Any]:
        """A section, empty where there is none."""
        value = self.at(*path)
        return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True)
class Breach:
    """A broken rule: where, which, and what mends it."""

    path: Path
    rule: str
    fix: str
    value: str | None = None
