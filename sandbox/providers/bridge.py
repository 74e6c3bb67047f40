"""How the official plugin treats the types it takes over from Terraform: defaults, previews, diffs.

The rules are the bridge's, the same for every such type; what differs is a `Block`: which
properties there are, and what each is when it is not given.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sandbox.providers.diffs import ADD, DELETE, Diff, compare
from sandbox.providers.resource import CheckError, Props, Resource
from sandbox.providers.session import Call
from sandbox.providers.values import UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Block:
    """Facts about one level of properties.

    Args:
        absent: every property, and its value when it is not given; `UNKNOWN` means that the
            daemon decides ("computed").
        defaults: what `check` fills in and records in `__defaults`. Defaults to none.
        replaces: properties whose change needs a new resource. Defaults to none.
        sets: list properties whose order means nothing. Defaults to none.
        blocks: nested objects, or lists of objects. Defaults to none.
        null_is_change: computed lists that count as changed while state has null for them.
        unsupported: properties that the stand-in refuses. Defaults to none.
    """

    absent: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    blocks: Mapping[str, "Block"] = field(default_factory=dict)
    null_is_change: frozenset[str] = frozenset()
    unsupported: frozenset[str] = frozenset()

    def is_computed(self, name: str) -> bool:
        return self.absent.get(name) == UNKNOWN


def same(old: Any, new: Any) -> bool:
    """Equal, or both a form of nothing: state does not tell null, "", 0, false and empty apart."""
    return old == new or (not old and not new)


class Bridged(Resource):
    """A type that the official plugin takes over from Terraform.

    Class attributes:
        block: the facts about its properties.
        meta: the bridge's own note in state; with it a state may move to the official plugin.
        autoname: whether a missing name is made up.
    """

    block: ClassVar[Block]
    meta: ClassVar[str] = '{"schema_version":"1"}'
    autoname: ClassVar[bool] = True

    def check(self, call: Call, old: Props, new: Props) -> Props:
        refused = dict.fromkeys(self.block.unsupported & {*new}, "is not supported by the stand-in")
        if refused:
            raise CheckError(refused)
        filled = fill(new, self.block)
        if self.autoname and "name" not in new:
            kept = old.get("name") if "name" in old.get("__defaults", []) else None
            filled["name"] = kept or call.proposed_name or random_name(call)
            filled["__defaults"] = sorted([*filled["__defaults"], "name"])
        return filled

    def preview_create(self, call: Call, inputs: Props) -> Props:  # noqa: ARG002
        return {**self.planned(inputs), "id": UNKNOWN}

    def planned(self, inputs: Props) -> Props:
        """The outputs that `inputs` promise; what the daemon decides is `UNKNOWN`."""
        return shape(inputs, self.block)

    def created(self, id: str, inputs: Props, found: Props) -> Props:
        """The outputs of a new resource: the plan, and in place of unknowns what was `found`."""
        return {**without_unknowns(self.planned(inputs)), **found, "id": id, "__meta": self.meta}

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:  # noqa: ARG002
        wanted = shape(new, self.block, in_order=False)
        detailed: dict[str, str] = {}
        changed: set[str] = set()
        for name in self.block.absent:
            change = self._property_diff(name, old_outputs.get(name), wanted.get(name), name in new)
            if change:
                changed.add(name)
            suffix = "_REPLACE" if name in self.block.replaces else ""
            detailed |= {path: f"{kind}{suffix}" for path, kind in change.items()}
        replaces = sorted(_top(path) for path, kind in detailed.items() if kind.endswith("_REPLACE"))
        return Diff(
            detailed=detailed,
            diffs=sorted(changed),
            replaces=replaces,
            stables=sorted(self.block.replaces - changed),
            # A name that was given cannot belong to two at once.
            delete_before_replace=bool(replaces) and "name" not in new.get("__defaults", []),
        )

    def _property_diff(self, name: str, old: Any, new: Any, given: bool) -> dict[str, str]:
        if given:
            if name in self.block.sets and isinstance(new, list):
                return set_diff(name, old or [], new)
            return compare([] if old is None and isinstance(new, list) else old, new, name, same=same)
        if self.block.is_computed(name):
            return {name: ADD} if name in self.block.null_is_change and old is None else {}
        return {} if same(old, self.block.absent.get(name)) else {name: DELETE}

    def preview_update(self, call: Call, id: str, old_outputs: Props, new: Props) -> Props:  # noqa: ARG002
        return self.updated(old_outputs, new)

    def updated(self, old_outputs: Props, new: Props) -> Props:
        """The outputs after an update in place: old ones under the new inputs, dropped ones emptied."""
        wanted = shape(new, self.block)
        given = {name: wanted[name] for name in wanted if name in new}
        dropped = {
            name: type(old_outputs[name])()
            for name in self.block.absent
            if name not in new and not self.block.is_computed(name) and old_outputs.get(name) is not None
            and not same(old_outputs[name], self.block.absent[name])
        }  # fmt: skip
        return {**old_outputs, **given, **dropped}


def fill(value: Props, block: Block) -> Props:
    """`value` with defaults, nested ones too, and at each level the list of what was filled in."""
    missing = {name: default for name, default in block.defaults.items() if value.get(name) is None}
    given = {name: _nested(name, item, block, fill) for name, item in value.items() if item is not None}
    return {**given, **missing, "__defaults": sorted(missing)}


def shape(value: Props, block: Block, *, in_order: bool = True) -> Props:
    """`value` in the form of outputs: every property, no bookkeeping, sets sorted unless told not to."""
    shaped = {
        name: _nested(name, value.get(name, absent), block, shape) for name, absent in block.absent.items()
    }
    return {
        name: sorted(item, key=repr) if in_order and name in block.sets and isinstance(item, list) else item
        for name, item in shaped.items()
    }


def _nested(name: str, value: Any, block: Block, change: Any) -> Any:
    inner = block.blocks.get(name)
    if inner is None:
        return value
    if isinstance(value, list):
        return [change(item, inner) if isinstance(item, dict) else item for item in value]
    return change(value, inner) if isinstance(value, dict) else value


def without_unknowns(value: Any) -> Any:
    """`value` with null in the place of what is unknown."""
    if isinstance(value, dict):
        return {key: without_unknowns(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_unknowns(item) for item in value]
    return None if value == UNKNOWN else value


def random_name(call: Call) -> str:
    """The resource's name and seven characters from the engine's seed."""
    return f"{call.name}-{hashlib.sha256(call.seed).hexdigest()[:7]}"


def set_diff(name: str, old: list[Any], new: list[Any]) -> dict[str, str]:
    """Elements that come and go, each under its place in its own list."""
    gone = {f"{name}[{i}]": DELETE for i, item in enumerate(old) if not _contains(new, item)}
    come = {f"{name}[{i}]": ADD for i, item in enumerate(new) if not _contains(old, item)}
    both = dict.fromkeys(gone.keys() & come.keys(), "UPDATE")
    return {**gone, **come, **both}


def _contains(items: list[Any], wanted: Any) -> bool:
    return any(not compare(item, wanted, same=same) for item in items)


def _top(path: str) -> str:
    return path.split("[")[0].split(".")[0]
