"""Sections of a stack that its rules guarantee where they are used."""

from typing import TypeVar

T = TypeVar("T")


def required(section: T | None) -> T:
    """The section; `settings` has refused the stack already when it is missing.

    Raises:
        LookupError: it is missing all the same, which is a fault of the program's.
    """
    if section is None:
        raise LookupError("a section that the stack's rules guarantee is missing")
    return section
