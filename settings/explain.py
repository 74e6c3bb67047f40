"""Pydantic's errors in the words of a stack file, each with the command that mends it."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from settings.catalogue import Path, closest, fits, is_list, keys_of, meant, resolve
from settings.prepare import Findings
from settings.report import HIDDEN, LONGEST_VALUE, Commands, is_hidden

_RULES = {
    "missing": "is required",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotes",
    "string_type": "must be a text; put a number in quotes",
    "tuple_type": "must be a list",
    "dict_type": "must be a section of keys and values",
    "model_type": "must be a section of keys and values",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length} of them",
    "string_too_long": "must be at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "rule": "{rule}",
}


def explain(error: ValidationError, findings: Findings) -> None:
    """Add each of pydantic's errors to the findings."""
    for details in error.errors(include_url=False):
        is_name = details["loc"][-1:] == ("[key]",)
        path, models, field = resolve(details["loc"][:-1] if is_name else details["loc"], tagged=True)
        if not path or findings.knows(path):
            continue
        if is_name:
            _explain_name(path, details, findings)
        elif details["type"] == "extra_forbidden":
            explain_unknown(path, [*keys_of(models)], findings)
        elif details["type"] == "secret":
            findings.add(path, details["msg"], findings.commands.set_secret(path))
        else:
            _explain_value(path, details, field, findings)


def explain_unknown(path: Path, known: list[str], findings: Findings) -> None:
    """Report a key that no section has, with the key that was probably meant."""
    right, commands, value = meant(path, known), findings.commands, findings.showable(path)
    if right is None or right == path:
        rule = f"is unknown here; known are {', '.join(known)}"
        findings.add(path, rule, commands.remove(path), value="(not shown)")
        return
    rule = f"is unknown; did you mean '{'.'.join(map(str, right))}'?"
    shown = None
    fix = f"in {findings.file}, write {right[-1]} for {path[-1]}"
    if right[0] == "secrets" or is_hidden(right):
        shown, fix = (
            HIDDEN,
            " && ".join([commands.remove(path), *_asked_again(right, findings.written(path), commands)]),
        )
    elif isinstance(value, dict | list):
        fix = f"in {findings.file}, move what is below it to {'.'.join(map(str, right))}"
    elif findings.written(right) is not None:
        fix = commands.remove(path)
    elif isinstance(value, str | int | float) and len(str(value)) <= LONGEST_VALUE:
        fix = f"{commands.remove(path)} && {commands.set(right, value)}"
    findings.add(path, rule, fix, value=shown)


def _asked_again(right: Path, written: Any, commands: Commands) -> list[str]:
    """The commands that ask for the secrets of a misspelt key once more."""
    if right != ("secrets",):
        return [commands.set_secret(right)]
    names = [*written] if isinstance(written, dict) and written else ["NAME"]
    return [commands.set_secret((*right, str(name))) for name in names]


def _explain_name(path: Path, details: ErrorDetails, findings: Findings) -> None:
    """Report a name in a map (a variable, a header) that breaks its rule."""
    commands, value = findings.commands, findings.showable(path)
    fix = commands.remove(path)
    upper = re.sub(r"[^A-Z0-9]", "_", str(path[-1]).upper()).lstrip("_0123456789")
    if path[0] == "secrets" or (path[:2] == ("service", "environment") and value is None):
        fix += f" && {commands.set_secret(('secrets', upper or 'NAME'))}"
    elif path[:2] == ("service", "environment") and upper and isinstance(value, str | int):
        fix += f" && {commands.set((*path[:-1], upper), value)}"
    rule = str(details.get("ctx", {}).get("rule", "must be a text"))
    findings.add(path, f"the name {rule}", fix)


def _explain_value(path: Path, details: ErrorDetails, field: FieldInfo | None, findings: Findings) -> None:
    rule = _RULES.get(details["type"], "is not valid").format(**details.get("ctx", {}))
    written = findings.showable(path)
    if field is not None and is_list(field):
        findings.add(path, rule, _list_fix(path, field, written, findings.commands))
        return
    better = next((value for value in _better(details, field, written) if fits(path, value)), None)
    fix = (
        findings.commands.remove(path) if better is None else findings.commands.replace(path, written, better)
    )
    findings.add(path, rule, fix)


def _list_fix(path: Path, field: FieldInfo, written: Any, commands: Commands) -> str:
    """A list is set item by item; a single value in its place becomes the first."""
    if isinstance(written, str | int):
        return f"{commands.remove(path)} && {commands.set((*path, 0), written)}"
    return commands.set((*path, 0), field.examples[0]) if field.examples else commands.remove(path)


def _better(details: ErrorDetails, field: FieldInfo | None, written: Any) -> Iterator[Any]:
    """Values that keep the rule, the likeliest first."""
    context = details.get("ctx", {})
    if context.get("example") is not None:
        yield context["example"]
    yield from _converted(details["type"], written)
    if details["type"] == "literal_error":
        words = [word.strip("'") for word in re.split(r", | or ", str(context["expected"]))]
        yield from filter(None, [closest(written, words)])
        yield from words if field is None or field.is_required() else [field.default]
    for bound in ("ge", "le"):
        if bound in context:
            yield context[bound]
    if field is not None:
        yield from field.examples or []
        if isinstance(field.default, str | int | float):
            yield field.default


def _converted(kind: str, written: Any) -> Iterator[Any]:
    """The same value with the right type, where that is plain."""
    if kind == "int_type" and isinstance(written, str) and re.fullmatch(r"[0-9]{1,9}", written.strip()):
        yield int(written)
    if (
        kind == "float_type"
        and isinstance(written, str)
        and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", written)
    ):
        yield float(written)
    if kind == "bool_type" and str(written).lower() in {"true", "yes", "on", "1", "false", "no", "off", "0"}:
        yield str(written).lower() in {"true", "yes", "on", "1"}
    if kind == "string_type" and isinstance(written, int | float):
        yield str(written)
