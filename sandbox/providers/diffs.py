"""What a change means for a resource: nothing, an update, or a replacement, property by property."""

import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"


@dataclass(frozen=True)
class Diff:
    """A resource's answer to "what would these inputs change?".

    Args:
        detailed: path (`ports[0].external`) to kind (`ADD`, `DELETE`, `UPDATE`, each with an
            optional `_REPLACE`). Empty means no change, unless `changed` says otherwise.
        changed: overrides "something is in `detailed`". Defaults to None.
        diffs, replaces, stables: property names as the official plugin lists them. Default to none.
        delete_before_replace: whether the old one must go first. Defaults to false.
        has_detailed: whether the engine may trust `detailed`. Defaults to true.
        input_diff: whether the paths are of inputs rather than of state, or which of them are.
            Defaults to false.
    """

    detailed: dict[str, str] = field(default_factory=dict)
    changed: bool | None = None
    diffs: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    stables: list[str] = field(default_factory=list)
    delete_before_replace: bool = False
    has_detailed: bool = True
    input_diff: bool | Collection[str] = False

    def is_input_diff(self, path: str) -> bool:
        return self.input_diff if isinstance(self.input_diff, bool) else path in self.input_diff

    @property
    def is_change(self) -> bool:
        return bool(self.detailed) if self.changed is None else self.changed


def compare(
    old: Any,
    new: Any,
    path: str = "",
    *,
    ignore: Collection[str] = (),
    same: Callable[[Any, Any], bool] = operator.eq,
) -> dict[str, str]:
    """Every leaf that differs (is not the `same`) between two plain values, as path to kind.

    Dicts are compared key by key (keys in `ignore` are skipped at every level, None counts as
    missing), lists place by place. An unknown new value differs from everything.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        steps = [(_child(path, key), old.get(key), new.get(key)) for key in sorted({*old, *new} - {*ignore})]
    elif isinstance(old, list) and isinstance(new, list):
        size = max(len(old), len(new))
        padded = [[*side, *[None] * (size - len(side))] for side in (old, new)]
        steps = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(*padded, strict=True))]
    else:
        return {} if same(old, new) else {path: ADD if old is None else DELETE if new is None else UPDATE}
    return {
        at: kind for step, a, b in steps for at, kind in compare(a, b, step, ignore=ignore, same=same).items()
    }


def _child(path: str, key: str) -> str:
    if not key.replace("_", "a").replace("-", "a").isalnum():
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key
