"""From what a stack file says to what the models read: the environment filled in, encrypted values sealed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from settings.catalogue import Path, closest, in_unknown
from settings.report import (
    PROJECT,
    Commands,
    Problem,
    holds_credentials,
    is_encrypted,
    is_hidden,
    key_text,
    show,
)

DEEPEST = 12
LARGEST_BITS = 64
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\$\$\{{|\$\{{({_NAME})\}}")
_MALFORMED = re.compile(rf"(?<!\$)\$\{{(?!{_NAME}\}})")


@dataclass
class Findings:
    """The problems of one stack, collected while it is read.

    Args:
        file: the stack file's name, for the report.
        stack: the stack's name, for the commands.
        raw: the sections as they were written, to show values from.
    """

    file: str
    stack: str
    raw: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    settled: set[Path] = field(default_factory=set)
    """Paths with a problem already: what follows from it is not reported again."""

    @property
    def commands(self) -> Commands:
        """The commands that mend this stack."""
        return Commands(self.stack)

    def add(self, path: Path, rule: str, fix: str, *, value: str | None = None) -> None:
        """Report a problem at `path`, unless one is known there or above."""
        if self.knows(path):
            return
        self.settled.add(path)
        shown = show(path, self.written(path)) if value is None else value
        self.problems.append(Problem(self.file, key_text(path), rule, shown, fix))

    def knows(self, path: Path) -> bool:
        """Whether there is a problem already at `path` or above."""
        return any(path[:length] in self.settled for length in range(len(path) + 1))

    def written(self, path: Path) -> Any:
        """The value as the file has it; None where it has none."""
        value: Any = self.raw
        for segment in path:
            try:
                value = value[segment]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def showable(self, path: Path) -> Any:
        """The value as the file has it; None where it is, or may be, secret."""
        value = self.written(path)
        return None if is_hidden(path) or is_encrypted(value) or holds_credentials(value) else value


def sections(config: Mapping[Any, Any], findings: Findings) -> dict[str, Any]:
    """The project's own keys without their namespace; an empty value counts as not set."""
    own: dict[str, Any] = {}
    for key, value in config.items():
        namespace, colon, name = str(key).partition(":")
        if not colon:
            namespace, name = PROJECT, namespace
        if namespace == PROJECT and value is not None and value != "":
            own[name] = value
        elif namespace != PROJECT and closest(namespace, [PROJECT]):
            rule = f"is a key of no program: did you mean {PROJECT}:{name}?"
            fix = f"in {findings.file}, write {PROJECT}:{name} for {key}"
            findings.problems.append(Problem(findings.file, str(key), rule, "(not shown)", fix))
    return own


@dataclass
class Expander:
    """Fills in `${NAME}` and seals encrypted values, section by section.

    Args:
        findings: where problems go.
        env: the process environment.
        require_env: an unset variable is a problem; otherwise its path is only left unchecked.
    """

    findings: Findings
    env: Mapping[str, str]
    require_env: bool = True

    def expand(self, value: Any, path: Path = ()) -> Any:
        """A copy of `value` with all of that done."""
        if is_encrypted(value):
            return self._sealed(value, path)
        if isinstance(value, Mapping | list | tuple) and len(path) >= DEEPEST:
            self.findings.add(
                path, f"is nested deeper than {DEEPEST} levels", self.findings.commands.remove(path)
            )
            return None
        if isinstance(value, Mapping):
            return {str(key): self.expand(each, (*path, str(key))) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.expand(each, (*path, index)) for index, each in enumerate(value)]
        if isinstance(value, int) and value.bit_length() > LARGEST_BITS:
            self.findings.add(path, "is too large a number", self.findings.commands.remove(path))
            return None
        return self._text(value, path) if isinstance(value, str) else value

    def _sealed(self, value: Any, path: Path) -> SecretStr | None:
        if is_secret_path(path):
            return value if isinstance(value, SecretStr) else SecretStr("")
        if in_unknown(path):
            return None
        commands = self.findings.commands
        if path == ("secrets",):
            rule, fix = "is encrypted as a whole: encrypt each value by its name", commands.remove(path)
            fix += f" && {commands.set_secret((*path, 'NAME'))}"
        elif path[:2] == ("service", "environment"):
            rule = "is secret, so it belongs under antgent:secrets"
            fix = f"{commands.remove(path)} && {commands.set_secret(('secrets', *path[2:]))}"
        else:
            rule = "must not be encrypted: only antgent:secrets and registry.password are"
            fix = f"{commands.remove(path)} && {commands.ask(path)}"
        self.findings.add(path, rule, fix, value="(encrypted)")
        return None

    def _text(self, value: str, path: Path) -> Any:
        names = [match[1] for match in _VARIABLE.finditer(value) if match[1] is not None]
        if not names and "${" not in value:
            return value
        if _MALFORMED.search(value):
            self._report_malformed(value, path)
            return value
        unset = [name for name in dict.fromkeys(names) if not self.env.get(name)]
        if unset:
            self._report_unset(unset, path)
            return value
        filled = _VARIABLE.sub(lambda match: self.env[match[1]] if match[1] else "${", value)
        return SecretStr(filled) if names and _VARIABLE.fullmatch(value) and is_secret_path(path) else filled

    def _report_malformed(self, value: str, path: Path) -> None:
        commands = self.findings.commands
        rule = "holds a '${' that names no variable: '${NAME}' takes one, '$${' is a plain '${'"
        known = self.findings.showable(path) is not None
        fix = commands.set(path, _MALFORMED.sub("$${", value)) if known else commands.remove(path)
        self.findings.add(path, rule, fix)

    def _report_unset(self, names: list[str], path: Path) -> None:
        if self.require_env:
            listed = ", ".join(f"${{{name}}}" for name in names)
            sandbox = [name for name in names if name.startswith("SANDBOX_")]
            fixes = ['eval "$(make -s env)"'] if sandbox else []
            fixes += [f"export {name}=…" for name in names if name not in sandbox]
            rule = f"takes {listed} from the environment, where it is not set"
            self.findings.add(path, rule, " && ".join(fixes))
        self.findings.settled.add(path)


def is_secret_path(path: Path) -> bool:
    """Whether a path may hold an encrypted value."""
    return (len(path) == 2 and path[0] == "secrets") or path == ("registry", "password")


def variables(value: Any) -> Iterator[str]:
    """The names of the variables that a config takes from the environment."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from variables(each)
    elif isinstance(value, str):
        yield from (match[1] for match in _VARIABLE.finditer(value) if match[1])
