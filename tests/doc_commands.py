"""The commands in README and docs: found, taken apart, and looked up in the programs they name."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.paths import CHECKOUT

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Args:
        page: its file.
        words: the command, without redirections.
        needs_cloud: its block says that it needs an account.
    """

    page: str
    words: tuple[str, ...]
    needs_cloud: bool

    def __str__(self) -> str:
        return shlex.join(self.words)

    @property
    def flags(self) -> list[str]:
        """The options it is given, without their values."""
        return [word.partition("=")[0] for word in self.words if re.match(r"--?[A-Za-z]", word)]


def blocks() -> Iterator[tuple[Path, str, str]]:
    """Page, what its fence says, and the content of every fenced block."""
    for page in PAGES:
        for found in FENCE.finditer(page.read_text(encoding="utf-8")):
            yield page, found[2].strip(), found[3]


def commands() -> list[Command]:
    """Every command of a block that holds shell."""
    found = []
    for page, kind, content in blocks():
        if kind.split()[:1] == ["sh"]:
            name = str(page.relative_to(CHECKOUT))
            found += [Command(name, words, kind == "sh needs-cloud") for words in _split(content)]
    return found


def _split(text: str) -> Iterator[tuple[str, ...]]:
    """The commands of a text, those inside of `$(…)` as well."""
    for inner in re.findall(r"\$\(([^()]*)\)", text):
        yield from _split(inner)
    text = re.sub(r"\$\([^()]*\)", "VALUE", text)
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if not set(word) <= set("|&;"):
                words.append(word)
                continue
            if words and words[0] == "eval":
                words = []
            if words:
                yield tuple(words)
            words = []
