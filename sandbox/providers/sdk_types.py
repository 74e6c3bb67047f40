"""Checks inputs against the SDK's own input classes, so that no list of properties is kept here."""

import collections.abc
import difflib
import enum
import importlib
import inspect
import types
import typing
from functools import cache
from typing import Any

import pulumi

# The SDK's generated classes describe themselves through these two; the SDK itself relies on them.
from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type

from sandbox.providers.values import UNKNOWN, Secret

_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


def problems(sdk_class: str, inputs: dict[str, Any]) -> dict[str, str]:
    """What is wrong with `inputs`: property path to reason; empty when they fit.

    Args:
        sdk_class: `module:Class` of an input class, `pulumi_docker:ContainerArgs`.
        inputs: plain values; unknowns fit everywhere, missing ones only where the SDK lets them.
    """
    return dict(_object_problems(_load(sdk_class), inputs, ""))


@cache
def _load(sdk_class: str) -> type:
    module, name = sdk_class.split(":")
    return getattr(importlib.import_module(module), name)


@cache
def _properties(cls: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Types by property name, and which of them are required."""
    names = input_type_py_to_pulumi_names(cls)
    parameters = inspect.signature(cls.__init__).parameters
    required = {names[name] for name, one in parameters.items() if name in names and one.default is one.empty}
    return input_type_types(cls), frozenset(required)


Problems = collections.abc.Iterator[tuple[str, str]]


def _object_problems(cls: type, value: dict[str, Any], path: str) -> Problems:
    known, required = _properties(cls)
    for name in required - {key for key, item in value.items() if item is not None}:
        yield _join(path, name), "is required"
    for name, item in value.items():
        if name in known:
            yield from _problems(known[name], item, _join(path, name))
        elif not name.startswith("__"):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            yield _join(path, name), f"is not a property of {cls.__name__.removesuffix('Args')}{hint}"


def _problems(kind: Any, value: Any, path: str) -> Problems:
    if isinstance(value, Secret):
        value = value.value
    if value is None or value == UNKNOWN or kind is Any:
        return
    choices = _choices(kind)
    if len(choices) > 1:
        found = [list(_problems(choice, value, path)) for choice in choices]
        yield from min(found, key=len)
    elif choices:
        yield from _single_problems(choices[0], value, path)


def _single_problems(kind: Any, value: Any, path: str) -> Problems:
    origin, args = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is typing.Literal:
        origin = type(args[0])
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        allowed = [member.value for member in origin]
        if value not in allowed:
            yield path, f"must be one of {', '.join(map(str, allowed))}"
    elif isinstance(origin, type) and is_input_type(origin):
        yield from (
            _object_problems(origin, value, path) if isinstance(value, dict) else _wrong("an object", path)
        )
    elif isinstance(origin, type) and issubclass(origin, str | bool | int | float):
        if not _is_scalar(value, origin):
            yield from _wrong(_NAMES[origin], path)
    elif origin in (list, collections.abc.Sequence):
        if not isinstance(value, list):
            yield from _wrong("a list", path)
            return
        for index, item in enumerate(value):
            yield from _problems(args[0] if args else Any, item, f"{path}[{index}]")
    elif origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            yield from _wrong("a map", path)
            return
        for key, item in value.items():
            yield from _problems(args[1] if args else Any, item, _join(path, key))


def _wrong(wanted: str, path: str) -> Problems:
    yield path, f"must be {wanted}"


def _is_scalar(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _choices(kind: Any) -> list[Any]:
    """The types that a value may have: `Input[...]` and `Optional[...]` taken off."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return [] if _is_plumbing(kind) else [kind]
    return [choice for arg in typing.get_args(kind) for choice in _choices(arg)]


def _is_plumbing(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return origin in (type(None), collections.abc.Awaitable, pulumi.Output) or typing.is_typeddict(kind)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
