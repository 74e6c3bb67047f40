"""Property values as the engine sends them (protobuf `Struct`) and as handlers see them (plain dicts).

In plain form an unknown value is the string `UNKNOWN`, a whole number is an `int`, and a secret is
a `Secret`. Handlers get their inputs with the secrets opened (`reveal`), and what they return is
closed again by the same paths (`conceal`), so that a handler cannot forget to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

# The engine has one marker per type of unknown value; handlers need not tell them apart.
_UNKNOWNS = {
    UNKNOWN,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_KINDS = {
    "c44067f5952c0a294b673a41bacd8c17": "an asset",
    "0def7320c3a5731c473e5ecbe6d01bc7": "an archive",
    "5cf8f73096256a8f31e491e813e4eb8e": "a resource reference",
    "d0e6a833031e9bbcd3f4e8bde6ca49a4": "an output value",
}

Path = tuple[str | int, ...]


class UnsupportedValueError(Exception):
    """A value of a kind that stand-ins do not take (asset, archive, resource reference)."""


@dataclass(frozen=True)
class Secret:
    """A value that state, logs and the terminal must not show."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"


def from_struct(struct: Struct) -> dict[str, Any]:
    """The plain form of the engine's properties; secrets stay closed."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_signed(from_struct(value.struct_value))
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number == int(number) else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _from_signed(fields: dict[str, Any]) -> Any:
    signature = fields.get(_SIGNATURE)
    if signature is None:
        return fields
    if signature == _SECRET:
        return Secret(fields.get("value"))
    raise UnsupportedValueError(
        f"{_KINDS.get(signature, 'a value of an unknown kind')} is not supported here"
    )


def to_struct(values: dict[str, Any]) -> Struct:
    """The engine's form of plain values; `Secret`s are wrapped with the engine's signature."""
    return Struct(fields={key: _to_value(value) for key, value in values.items()})


def _to_value(value: Any) -> Value:
    if isinstance(value, Secret):
        return _to_value({_SIGNATURE: _SECRET, "value": value.value})
    if value is None:
        return Value(null_value=NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, dict):
        return Value(struct_value=to_struct(value))
    if isinstance(value, list | tuple | set | frozenset):
        return Value(list_value=ListValue(values=[_to_value(item) for item in value]))
    raise TypeError(f"{type(value).__name__} cannot be a property value")


def reveal(value: Any, at: Path = ()) -> tuple[Any, set[Path]]:
    """`value` with every secret opened, and the paths where they were."""
    if isinstance(value, Secret):
        inner, paths = reveal(value.value, at)
        return inner, paths | {at}
    if isinstance(value, dict):
        opened = {key: reveal(item, (*at, key)) for key, item in value.items()}
        return {key: one for key, (one, _) in opened.items()}, _joined(paths for _, paths in opened.values())
    if isinstance(value, list):
        items = [reveal(item, (*at, index)) for index, item in enumerate(value)]
        return [one for one, _ in items], _joined(paths for _, paths in items)
    return value, set()


def _joined(parts: Iterable[set[Path]]) -> set[Path]:
    return set().union(*parts)


def conceal(properties: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """`properties` with a `Secret` at each of `paths`.

    A path that leads nowhere, or through a list (whose order may have changed), closes the nearest
    thing above it. A property that is missing altogether, or null, is left so.
    """
    below = _by_first_step(paths)
    return {key: _concealed(value, below.get(key, set())) for key, value in properties.items()}


def _concealed(value: Any, paths: set[Path]) -> Any:
    if not paths or value is None or isinstance(value, Secret):
        return value
    leads_on = isinstance(value, dict) and all(path and path[0] in value for path in paths)
    return conceal(value, paths) if leads_on else Secret(reveal(value)[0])


def _by_first_step(paths: Iterable[Path]) -> dict[str | int, set[Path]]:
    below: dict[str | int, set[Path]] = {}
    for first, *rest in paths:
        below.setdefault(first, set()).add(tuple(rest))
    return below


def has_unknown(value: Any) -> bool:
    """Whether anything inside `value` is not known yet (true only in previews)."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return isinstance(value, str) and value == UNKNOWN
