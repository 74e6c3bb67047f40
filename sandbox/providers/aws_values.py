"""Small helpers on the properties of AWS resources: AWS's names, documents, comparable forms."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.providers.bridge import same
from sandbox.providers.diffs import compare
from sandbox.providers.values import UNKNOWN


def computed(names: str) -> dict[str, str]:
    """Properties that AWS decides when they are not given."""
    return dict.fromkeys(names.split(), UNKNOWN)


def nothing(names: str, value: Any = None) -> dict[str, Any]:
    """Properties that are `value` when they are not given."""
    return dict.fromkeys(names.split(), value)


def words(text: str) -> frozenset[str]:
    """A set of names."""
    return frozenset(text.split())


def plain(value: Any) -> Any:
    """Inputs without the bridge's `__defaults` and without nulls."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key != "__defaults" and item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def noted(inputs: dict[str, Any], maps: Collection[str]) -> dict[str, Any]:
    """Inputs with the bridge's empty `__defaults` in each nested object; `maps` are not objects."""
    return {name: value if name in maps else _noted(value) for name, value in inputs.items()}


def _noted(value: Any) -> Any:
    if isinstance(value, dict):
        return {"__defaults": [], **{key: _noted(item) for key, item in value.items()}}
    return [_noted(item) for item in value] if isinstance(value, list) else value


def pascal(value: Any, names: Mapping[str, str] = {}) -> Any:
    """Nested properties under AWS's names, `scanOnPush` as `ScanOnPush`; `names` says those that differ."""
    if isinstance(value, dict):
        return {names.get(key, key[:1].upper() + key[1:]): pascal(item, names) for key, item in value.items()}
    return [pascal(item, names) for item in value] if isinstance(value, list) else value


def camel(value: Any, names: Mapping[str, str] = {}) -> Any:
    """AWS's answer under the properties' names; `names` says those that differ (as for `pascal`)."""
    back = {theirs: ours for ours, theirs in names.items()}

    def turned(item: Any) -> Any:
        if isinstance(item, dict):
            return {back.get(key, key[:1].lower() + key[1:]): turned(one) for key, one in item.items()}
        return [turned(one) for one in item] if isinstance(item, list) else item

    return turned(value)


def only(values: Mapping[str, Any], names: str) -> dict[str, Any]:
    """Those of `names` that have a value."""
    return {name: values[name] for name in names.split() if values.get(name) not in (None, "", [], {})}


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`{theirs: value}` for each `ours: theirs` that has a value."""
    return {theirs: values[ours] for ours, theirs in names.items() if values.get(ours) not in (None, "", [])}


def compact(document: Any) -> str:
    """A policy or other JSON in the form in which AWS gives it back: no spaces, sorted keys."""
    loaded = json.loads(document) if isinstance(document, str) else document
    return json.dumps(loaded, separators=(",", ":"), sort_keys=True)


def document_problem(inputs: Mapping[str, Any], name: str) -> dict[str, str]:
    """What is wrong with a property that must be JSON: property to reason."""
    text = inputs.get(name)
    if isinstance(text, str) and text != UNKNOWN:
        try:
            json.loads(text)
        except ValueError as error:
            return {name: f'"{name}" contains an invalid JSON: {error}'}
    return {}


def same_document(old: Any, new: Any) -> bool:
    """Whether two JSON texts say the same."""
    try:
        return same(old, new) or _plainest(json.loads(old)) == _plainest(json.loads(new))
    except (TypeError, ValueError):
        return False


def _plainest(value: Any) -> Any:
    """A policy without the freedom to write one thing as a list."""
    if isinstance(value, dict):
        return {key: _plainest(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_plainest(item) for item in value]
        if all(isinstance(item, str) for item in items):
            return items[0] if len(items) == 1 else sorted(items)
        return items
    return value


def as_far_as(old: Any, new: Any) -> Any:
    """`old` without the nested properties that `new` leaves to AWS, and in comparable order."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: as_far_as(old.get(key), item) for key, item in new.items()}
    if isinstance(old, dict) and isinstance(new, list):
        like = next((one for one in new if not compare(as_far_as(old, one), in_order(one), same=same)), None)
        return in_order(old) if like is None else as_far_as(old, like)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = zip(in_order(old), in_order(new), strict=True)
        return [as_far_as(one, other) for one, other in pairs]
    return in_order(old)


def in_order(value: Any) -> Any:
    """With every list of texts sorted: AWS gives most of them back in an order of its own."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [in_order(item) for item in value]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    return value


def top(path: str) -> str:
    """The property to which a path of a diff leads."""
    return path.split("[")[0].split(".")[0]
