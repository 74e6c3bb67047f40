"""One row of `make status`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PartStatus:
    """How one part of the sandbox is doing.

    Args:
        part: its name in the table.
        health: `healthy`, `down`, or `broken: <why>`.
    """

    part: str
    version: str = ""
    address: str = ""
    pid: int | None = None
    health: str = "down"
