"""What a person sees: tables on stdout, progress on stderr, one question at the end; or JSON for scripts."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sandbox.console import say as say_on_stderr
from ship.errors import Exit, ShipError

WIDTH = 180
"""Columns where stdout is no terminal."""


@dataclass(frozen=True)
class Ui:
    """How one command speaks.

    Args:
        as_json: print one JSON document and nothing else on stdout.
        yes: answer every question with yes.
    """

    as_json: bool = False
    yes: bool = False

    def say(self, text: str) -> None:
        """A line of progress, on stderr."""
        say_on_stderr(text)

    def print(self, text: str = "") -> None:
        """A line for people; scripts do not get it."""
        if not self.as_json:
            _console().print(text, markup=False, highlight=False, soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table for people."""
        if self.as_json:
            return
        made = Table(box=None, pad_edge=False)
        for number, heading in enumerate(headings):
            made.add_column(heading, overflow="fold", no_wrap=number == 0)
        for row in rows:
            made.add_row(*[Text(cell) for cell in row])
        _console().print(made)

    def result(self, document: Any) -> None:
        """The JSON document for scripts."""
        if self.as_json:
            print(json.dumps(document, indent=2, default=str))

    def check_can_ask(self, *, plan: bool = True) -> None:
        """Refuse, before anything happens, what could only end with an unanswered question.

        Args:
            plan: the command has a `--plan`.

        Raises:
            ShipError: there is nobody to ask, and no `--yes`.
        """
        if not self.yes and (self.as_json or not sys.stdin.isatty()):
            raise ShipError(
                "there is nobody to ask: this is no terminal"
                if not self.as_json
                else "with --json nothing is asked",
                fix="add --yes to go on without asking"
                + (", or --plan to stop before anything is deployed" if plan else ""),
                code=Exit.USAGE,
            )

    def agree(self, question: str) -> None:
        """Ask.

        Raises:
            ShipError: the answer is no.
        """
        if self.yes:
            return
        if not typer.confirm(question, default=False, err=True):
            raise ShipError("nothing was deployed, because you said no", code=Exit.DECLINED)


def _console() -> Console:
    """As wide as the terminal; a log or a pipe has no width, so nothing is folded early there."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
