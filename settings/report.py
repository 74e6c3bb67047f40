"""What a person sees when config is wrong: every problem, and the command that mends it."""

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from settings.catalogue import Path, resolve

PROJECT = "antgent"
HIDDEN = "(hidden)"
LONGEST_VALUE = 80

_SECRET_WORD = re.compile(
    r"(?:^|_)(?:[A-Z0-9]*(?:KEY|TOKEN|PASSWORD|PASSWD|SECRET|DSN)|SECRETS|PASSWORDS|CREDENTIALS?)(?=_|$)",
    re.I,
)
_MAYBE_SECRET = re.compile(r"key|token|pass|pwd|secret|dsn|credential|auth|cookie", re.I)
_CREDENTIALS_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
# What `pulumi config set` refuses to store in plain text unless told so.
_PULUMI_SUSPECTS = re.compile(r"pass|pwd|secret|token", re.I)
_PULUMI_CONVERTS = re.compile(r"[+-]?[0-9]+|true|false", re.I)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        file: the stack file.
        key: the whole key, as one types it for `pulumi config set --path`.
        rule: what the value must be.
        value: the value, already fit to be shown.
        fix: the command that mends it.
    """

    file: str
    key: str
    rule: str
    value: str
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.key}\n    rule:  {self.rule}\n    value: {self.value}\n    fix:   {self.fix}"
        )


class SettingsError(Exception):
    """A stack's config is wrong; `str()` is the whole report."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(report(problems))


def report(problems: Iterable[Problem]) -> str:
    """All problems as one text: a line that counts them, then a paragraph each."""
    listed = list(problems)
    count = "1 problem" if len(listed) == 1 else f"{len(listed)} problems"
    files = ", ".join(dict.fromkeys(problem.file for problem in listed))
    return "\n\n".join([f"{count} in {files}; nothing was changed.", *map(str, listed)])


def looks_secret(name: str) -> bool:
    """Whether a variable's name says that its value is secret (MAX_TOKENS does not)."""
    return bool(_SECRET_WORD.search(name))


def holds_credentials(value: object) -> bool:
    """Whether a value is an address with a password in it."""
    return isinstance(value, str) and bool(_CREDENTIALS_IN_URL.search(value))


def is_hidden(path: Path) -> bool:
    """Whether the value at `path` is, or may well be, secret."""
    if path[:1] == ("secrets",) or path[:2] == ("registry", "password"):
        return True
    return resolve(path)[2] is None and any(_MAYBE_SECRET.search(str(segment)) for segment in path)


def is_encrypted(value: object) -> bool:
    """Whether a value is encrypted: as a stack file writes it, or sealed by us."""
    return isinstance(value, SecretStr) or (isinstance(value, dict) and [*value] == ["secure"])


def show(path: Path, value: Any) -> str:
    """A value fit for a report: short, on one line, and hidden where it may be secret."""
    if is_encrypted(value):
        return "(encrypted)"
    if value is None:
        return "(not set)"
    if is_hidden(path) or holds_credentials(value):
        return HIDDEN
    if isinstance(value, dict):
        return "(a section)"
    if isinstance(value, list | tuple):
        return "(a list)"
    try:
        text = json.dumps(value, default=str)
    except ValueError:  # a number of thousands of digits
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def key_text(path: Path) -> str:
    """`('service', 'server', 'memory')` as `antgent:service.server.memory`."""
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", segment):
            text += f".{segment}" if text else segment
        else:
            text += f"[{json.dumps(segment)}]"
    return f"{PROJECT}:{text}"


@dataclass(frozen=True)
class Commands:
    """The `pulumi config` commands for one stack."""

    stack: str

    def set(self, path: Path, value: Any) -> str:
        """Store a plain value, with the type it must have."""
        nested, text, flags = len(path) > 1, _as_text(value), ""
        if nested and isinstance(value, float):
            flags += " --type float"
        elif nested and isinstance(value, str) and _PULUMI_CONVERTS.fullmatch(value):
            flags += " --type string"
        if _PULUMI_SUSPECTS.search(key_text(path)):
            flags += " --plaintext"
        separator = " --" if text.startswith("-") else ""
        return f"{self._config('set', path)}{flags}{separator} {shlex.quote(text)}"

    def replace(self, path: Path, old: Any, new: Any) -> str:
        """Store a value where one is. Pulumi keeps the quotes of the old one, so another type is set anew."""
        if old is None or isinstance(old, str) == isinstance(new, str):
            return self.set(path, new)
        return f"{self.remove(path)} && {self.set(path, new)}"

    def set_secret(self, path: Path) -> str:
        """Store an encrypted value; Pulumi asks for it, so that it is in no shell history."""
        return self._config("set --secret", path)

    def ask(self, path: Path) -> str:
        """Store a plain value that Pulumi asks for."""
        return self._config("set --plaintext", path)

    def remove(self, path: Path) -> str:
        """Take a key out."""
        return self._config("rm", path)

    def _config(self, verb: str, path: Path) -> str:
        stack = f" --stack {shlex.quote(self.stack)}"
        nested = " --path" if len(path) > 1 or key_text(path) != f"{PROJECT}:{path[0]}" else ""
        quoted = "'" + key_text(path).replace("'", "'\"'\"'") + "'"
        return f"pulumi config {verb}{stack}{nested} {quoted}"


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
