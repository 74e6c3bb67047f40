"""What a rule is: a name, the resource types it reads, what mends a violation, and a plain function."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a value that only the deployment will know."""
_OPAQUE = frozenset({UNKNOWN, "[secret]"})


@dataclass(frozen=True)
class Resource:
    """A resource as its program asks for it.

    Args:
        type: its token, `aws:ecr/repository:Repository`.
        name: its logical name.
        inputs: its arguments; a value that is not known yet is UNKNOWN, a secret one `[secret]`.
    """

    type: str
    name: str
    inputs: Mapping[str, Any]

    def get(self, *path: str) -> Any:
        """The argument at a path; None where it is absent, UNKNOWN where that cannot be told yet."""
        value: Any = self.inputs
        for key in path:
            if opaque(value):
                return UNKNOWN
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return UNKNOWN if opaque(value) else value


@dataclass(frozen=True)
class Violation:
    """A rule that a resource breaks."""

    rule: str
    type: str
    name: str
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.name} ({self.type}): {self.problem}\n    fix: {self.fix}"


Check = Callable[[Resource], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """A rule; what cannot be known before the deployment breaks none.

    Args:
        name: unique, in kebab case.
        description: one sentence.
        types: the tokens of the resources that `check` is asked about.
        fix: what mends a violation.
        check: yields a sentence for each violation.
    """

    name: str
    description: str
    types: tuple[str, ...]
    fix: str
    check: Check

    def violations(self, resource: Resource) -> list[Violation]:
        """What `resource` breaks of this rule; nothing where the rule is not about its type."""
        if resource.type not in self.types:
            return []
        found = self.check(resource)
        return [Violation(self.name, resource.type, resource.name, problem, self.fix) for problem in found]


def rule(*types: str, fix: str) -> Callable[[Check], Rule]:
    """Makes a rule of a function: its name in kebab case, its docstring as the description."""

    def make(check: Check) -> Rule:
        name = getattr(check, "__name__", "").replace("_", "-")
        return Rule(name, (check.__doc__ or "").strip(), types, fix, check)

    return make


def opaque(value: Any) -> bool:
    """Whether a value cannot be judged: not known yet, or secret."""
    return isinstance(value, str) and value in _OPAQUE


def document(value: Any) -> Any:
    """A JSON document, parsed where it is text; None where it is absent or cannot be known."""
    if not isinstance(value, str):
        return value
    if opaque(value):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None


def listed(value: Any) -> list[Any]:
    """A list; a single value stands for a list of one, and nothing for none."""
    if value is None or opaque(value):
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
