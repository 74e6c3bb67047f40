"""One AWS resource type of the stand-in: the bridge's rules around four short handlers.

A type says its facts in a `Block` (what replaces it, defaults, what AWS decides) and writes

    make(aws, inputs) -> id             create it
    find(aws, id, inputs) -> props      what AWS says of it; None when it is gone
    settle(aws, id, seen, inputs)       bring it in line: after `make` (`seen` is {}) and on every update
    remove(aws, id, inputs, outputs)    delete it

`settle` sets everything it is responsible for again, so that an `up` which broke off is mended by the
next one. Tags, names, words of errors, and `tagsAll` are done here.
"""

# An interface names arguments that its defaults do not use.
# ruff: noqa: ARG002

from typing import Any, ClassVar

from sandbox.providers.aws_client import AwsClients, is_gone, said
from sandbox.providers.aws_tags import TAGGING, merged, retag
from sandbox.providers.aws_values import as_far_as, in_order, noted, plain, same_document, top, words
from sandbox.providers.bridge import Block, Bridged, random_name, same, set_diff
from sandbox.providers.diffs import ADD, DELETE, UPDATE, Diff, compare
from sandbox.providers.resource import CheckError, PartlyCreatedError, Props
from sandbox.providers.session import Call, ProviderError
from sandbox.providers.values import UNKNOWN

TAGS = {"tags": {}, "tagsAll": {}}
# Properties whose keys are the user's.
MAPS = words("dimensions tags tagsAll triggers")
# In the outputs of what was made and not set up: they say what was asked for, not what there is.
UNFINISHED = "__unfinished"


class AwsResource(Bridged):
    """See the module's docstring.

    Class attributes:
        service: boto3's name of the service.
        label: what AWS's errors call such a thing.
        tagging: row of `TAGGING`; empty when it has no tags.
        longest: the longest name that may be made up.
        documents: properties that are JSON, equal when they say the same.
        meta: the bridge's own note; empty when the official plugin keeps none.
        deleted_first: whether a replacement cannot exist beside the old one.
    """

    service: ClassVar[str]
    label: ClassVar[str]
    tagging: ClassVar[str] = ""
    longest: ClassVar[int] = 255
    documents: ClassVar[frozenset[str]] = frozenset()
    meta: ClassVar[str] = ""
    autoname: ClassVar[bool] = False
    deleted_first: ClassVar[bool] = False
    block: ClassVar[Block]

    # What a type writes.

    def make(self, aws: AwsClients, inputs: Props) -> str:
        raise NotImplementedError

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        raise NotImplementedError

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        """Default: nothing can be changed in place but tags."""

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        raise NotImplementedError

    def tag_target(self, id: str, outputs: Props) -> str:
        return outputs.get("arn") or id

    def retag(self, aws: AwsClients, target: str, seen: Props, inputs: Props) -> None:
        if self.tagging:
            before, after = seen.get("tagsAll") or {}, inputs.get("tagsAll") or {}
            retag(aws.of(self.service), TAGGING[self.tagging], target, before, after)

    # The engine's calls.

    def check(self, call: Call, old: Props, new: Props) -> Props:
        given = {name: value for name, value in new.items() if value is not None}
        if "namePrefix" in given:
            raise CheckError({"namePrefix": "is not supported by the stand-in; give `name`, or neither"})
        filled = noted(super().check(call, old, given), MAPS)
        if self.tagging:
            tags = merged(call.client.default_tags if call.client else {}, given.get("tags"))
            filled.pop("tagsAll", None)
            filled |= {"tagsAll": tags} if tags else {}
        if "name" in filled["__defaults"] and len(filled["name"]) > self.longest:
            filled["name"] = self._short(call)
        if found := self.problems(filled):
            raise CheckError(found)
        return filled

    def problems(self, inputs: Props) -> dict[str, str]:
        """What the types cannot say about the inputs: property to reason. Default: nothing."""
        return {}

    def _short(self, call: Call) -> str:
        suffix = random_name(call)[-8:]
        return call.name[: self.longest - len(suffix)] + suffix

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        wanted, aws = plain(inputs), self._aws(call, inputs)
        with self._said("creating", wanted):
            id = self.make(aws, wanted)
        try:
            with self._said("setting up", wanted):
                self.settle(aws, id, {}, wanted)
                found = self.find(aws, id, wanted) or {}
        except ProviderError as error:
            unfinished = {**self.created(id, inputs, {}), UNFINISHED: True}
            raise PartlyCreatedError(id, unfinished, [str(error)]) from error
        return id, self.created(id, inputs, self._with_tags(aws, found, wanted))

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        wanted, aws = plain(inputs), self._aws(call, inputs)
        with self._said("reading", {"name": id}):
            found = self._found(aws, id, {**outputs, **wanted})
        if found is None:
            return None
        return id, inputs, _tidy({**outputs, **self._with_tags(aws, found, wanted), "id": id})

    def update(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:
        wanted, aws = plain(new), self._aws(call, new)
        with self._said("updating", {"name": id}):
            old_outputs = self._true(aws, id, old_outputs, plain(old_inputs))
            self.settle(aws, id, old_outputs, wanted)
            self.retag(aws, self.tag_target(id, old_outputs), old_outputs, wanted)
            found = self._found(aws, id, wanted)
        if found is None:
            raise ProviderError(
                f"updating {self.label} ({id}): it is gone from AWS\n  fix: pulumi refresh, then pulumi up"
            )
        updated = {**self.updated(old_outputs, new), **self._with_tags(aws, found, wanted), "id": id}
        return _tidy(updated)

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:
        wanted, aws = plain(inputs), self._aws(call, inputs)
        with self._said("deleting", {"name": id}):
            try:
                self.remove(aws, id, wanted, outputs)
            except Exception as error:
                if not is_gone(error):
                    raise

    def created(self, id: str, inputs: Props, found: Props) -> Props:
        outputs = super().created(id, inputs, found)
        if not self.meta:
            del outputs["__meta"]
        return _tidy(outputs)

    def planned(self, inputs: Props) -> Props:
        wanted = plain(inputs)
        shaped = {name: wanted.get(name, absent) for name, absent in self.block.absent.items()}
        return _tidy({name: self._in_order(name, value) for name, value in shaped.items()})

    def updated(self, old_outputs: Props, new: Props) -> Props:
        given = {name: value for name, value in self.planned(new).items() if name in new}
        dropped = {
            name: absent
            for name, absent in self.block.absent.items()
            if name not in new and absent != UNKNOWN and name in old_outputs
        }
        return _tidy({**old_outputs, **given, **dropped})

    # How it is compared: with what AWS says, of nested objects only what the program says.

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:
        before, wanted = plain(old_inputs), plain(new)
        detailed: dict[str, str] = {}
        for name in self.block.absent:
            change = self._changes(name, before.get(name), old_outputs.get(name), wanted)
            suffix = "_REPLACE" if name in self.block.replaces else ""
            detailed |= {path: f"{kind}{suffix}" for path, kind in change.items()}
        replaces = sorted({top(path) for path, kind in detailed.items() if kind.endswith("_REPLACE")})
        # A name that was given cannot belong to two at once.
        held = self.autoname and "name" not in new.get("__defaults", [])
        held = held and old_outputs.get("name") == wanted.get("name")
        return Diff(
            detailed=detailed,
            diffs=sorted({top(path) for path in detailed}),
            replaces=replaces,
            stables=sorted(self.block.replaces - {top(path) for path in detailed}),
            delete_before_replace=bool(replaces) and (held or self.deleted_first),
        )

    def _changes(self, name: str, before: Any, old: Any, wanted: Props) -> dict[str, str]:
        """What `wanted` changes of a property whose last input was `before` and whose output is `old`."""
        absent = self.block.absent[name]
        if name not in wanted:
            return {} if absent == UNKNOWN or same(old, absent) else {name: DELETE}
        new = wanted[name]
        if name in self.documents:
            return {} if same_document(old, new) else {name: UPDATE if old else ADD}
        if name in MAPS:
            return compare(old or {}, new, name) if isinstance(new, dict) else compare(old, new, name)
        if name in self.block.sets and isinstance(new, list):
            return set_diff(name, [as_far_as(item, new) for item in old or []], in_order(new))
        dropped = {path: kind for path, kind in compare(before, new, name).items() if kind == DELETE}
        return dropped | compare(as_far_as(old, new), in_order(new), name, same=same)

    # Small parts.

    def _in_order(self, name: str, value: Any) -> Any:
        return sorted(value, key=repr) if name in self.block.sets and isinstance(value, list) else value

    def _aws(self, call: Call, inputs: Props) -> AwsClients:
        return call.client.in_region(inputs.get("region"))

    def _found(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        try:
            return self.find(aws, id, inputs)
        except Exception as error:
            if is_gone(error):
                return None
            raise

    def _true(self, aws: AwsClients, id: str, outputs: Props, inputs: Props) -> Props:
        """Outputs without what a creation that broke off had promised in them."""
        if UNFINISHED not in outputs:
            return outputs
        found = self._with_tags(aws, self._found(aws, id, inputs) or {}, inputs)
        return {name: value for name, value in outputs.items() if name != UNFINISHED} | found

    def _with_tags(self, aws: AwsClients, found: Props, inputs: Props) -> Props:
        """What was found, with `region`, and of all tags those apart that the program gave itself."""
        known = {name: value for name, value in found.items() if name in self.block.absent}
        known |= {"region": aws.region} if "region" in self.block.absent else {}
        if "tagsAll" not in found:
            return known
        own = inputs.get("tags") or {}
        all_tags = found["tagsAll"]
        tags = {name: text for name, text in all_tags.items() if name in own or name not in aws.default_tags}
        return {**known, "tags": tags}

    def _said(self, doing: str, inputs: Props) -> Any:
        name = inputs.get("name") or inputs.get("family") or inputs.get("repository") or ""
        return said(self.service, f"{doing} {self.label}" + (f" ({name})" if name else ""))


def _tidy(outputs: Props) -> Props:
    """Without empty tags, as the official plugin records an untagged resource."""
    return {name: value for name, value in outputs.items() if name not in TAGS or value}
