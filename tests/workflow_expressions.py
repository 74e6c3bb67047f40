"""GitHub's `${{ }}` expressions, as far as the workflows here use them; what is unknown is an error.

Values compare as GitHub compares them where the workflows need it: text without regard to case, null as "".
"""

import json
import re
from collections.abc import Mapping
from typing import Any

TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<op>==|!=|&&|\|\||[!()\[\],.*])"
    r"|(?P<name>[A-Za-z_][\w-]*))"
)
CONSTANTS = {"true": True, "false": False, "null": None}


class ExpressionError(Exception):
    """An expression that this evaluator does not know."""


def fill(template: Any, contexts: Mapping[str, Any]) -> Any:
    """Replace every expression of a text; a template that is one expression keeps its type."""
    if not isinstance(template, str):
        return template
    whole = re.fullmatch(r"\s*\$\{\{(.*?)\}\}\s*", template, re.DOTALL)
    if whole:
        return evaluate(whole[1], contexts)
    return re.sub(
        r"\$\{\{(.*?)\}\}", lambda found: text(evaluate(found[1], contexts)), template, flags=re.DOTALL
    )


def condition(template: Any, contexts: Mapping[str, Any]) -> bool:
    """Whether a job or step runs: `if` may leave `${{ }}` out, and means `success()` by default."""
    if template is None:
        return contexts["status"] == "success"
    bare = str(template)
    found = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", bare, re.DOTALL)
    expression = found[1] if found else bare
    decides = re.search(r"\b(always|failure|success|cancelled)\s*\(", expression)
    value = truth(evaluate(expression, contexts))
    return value if decides else value and contexts["status"] == "success"


def evaluate(expression: str, contexts: Mapping[str, Any]) -> Any:
    """The value of one expression, without its braces."""
    return _Parser(expression, contexts).value()


def text(value: Any) -> str:
    """A value inside of a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def truth(value: Any) -> bool:
    """Whether a value counts as true."""
    return value not in (None, False, 0, "")


class _Parser:
    def __init__(self, source: str, contexts: Mapping[str, Any]) -> None:
        self.contexts, self.tokens = contexts, self._split(source)

    def _split(self, source: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        source = source.rstrip()
        while at < len(source):
            found = TOKENS.match(source, at)
            if not found:
                raise ExpressionError(f"not understood: {source[at:]!r} of {source!r}")
            kind = found.lastgroup or ""
            tokens.append((kind, found[kind]))
            at = found.end()
        return tokens

    def value(self) -> Any:
        found = self._or()
        if self.tokens:
            raise ExpressionError(f"left over: {self.tokens}")
        return found

    def _next(self, *wanted: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "op" and self.tokens[0][1] in wanted:
            return self.tokens.pop(0)[1]
        return None

    def _or(self) -> Any:
        left = self._and()
        while self._next("||"):
            right = self._and()
            left = left if truth(left) else right
        return left

    def _and(self) -> Any:
        left = self._equal()
        while self._next("&&"):
            right = self._equal()
            left = right if truth(left) else left
        return left

    def _equal(self) -> Any:
        left = self._not()
        while operator := self._next("==", "!="):
            right = self._not()
            same = text(left).lower() == text(right).lower()
            left = same if operator == "==" else not same
        return left

    def _not(self) -> Any:
        if self._next("!"):
            return not truth(self._not())
        if self._next("("):
            found = self._or()
            self._want(")")
            return found
        return self._reach(self._one())

    def _want(self, op: str) -> None:
        if not self._next(op):
            raise ExpressionError(f"{op} is missing before {self.tokens}")

    def _one(self) -> Any:
        kind, said = self.tokens.pop(0)
        if kind == "text":
            return said[1:-1].replace("''", "'")
        if kind == "number":
            return float(said) if "." in said else int(said)
        if kind != "name":
            raise ExpressionError(f"{said} is no value")
        if self._next("("):
            return self._call(said)
        if said in CONSTANTS:
            return CONSTANTS[said]
        if said not in self.contexts:
            raise ExpressionError(f"there is no context {said}")
        return self.contexts[said]

    def _reach(self, value: Any) -> Any:
        while self._next("."):
            if self._next("*"):
                value = list(value.values()) if isinstance(value, Mapping) else list(value or [])
                self._want(".")
                key = self.tokens.pop(0)[1]
                value = [one.get(key) for one in value]
                continue
            key = self.tokens.pop(0)[1]
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _call(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._next(")"):
            arguments.append(self._or())
            self._next(",")
        status = self.contexts["status"]
        match name, arguments:
            case "always", []:
                return True
            case "success" | "failure" | "cancelled", []:
                return status == name
            case "toJSON", [value]:
                return json.dumps(value)
            case "fromJSON", [value]:
                return json.loads(value)
            case "contains", [list() as items, wanted]:
                return any(text(one).lower() == text(wanted).lower() for one in items)
            case "contains", [whole, wanted]:
                return text(wanted).lower() in text(whole).lower()
        raise ExpressionError(f"{name}({len(arguments)} arguments) is not known")
