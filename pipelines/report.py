"""What a preview found, read from the engine's JSON: counts, changes by resource, images, problems."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.errors import PipelineError
from policies import UNKNOWN, Violation, violations
from policies.preview import resources_of

QUIET = frozenset({"same", "read", "refresh", "read-replacement"})
REPLACES = frozenset({"create-replacement", "delete-replaced", "discard-replaced", "remove-pending-replace"})
DIGEST = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
INTERNAL = frozenset({"__defaults", "__provider", "__internal"})
LONG_HEX = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
LONGEST = 160
"""Characters of a value that are shown."""
NOISE = re.compile(r"^(error: )?(an unhandled error occurred|preview failed)")


@dataclass(frozen=True)
class Change:
    """What would happen to one resource.

    Args:
        op: the engine's word: `create`, `update`, `replace`, `delete`.
        type: the resource's token.
        name: its logical name.
        details: a line for each property that differs.
    """

    op: str
    type: str
    name: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A preview, ready to be shown.

    Args:
        stack: its name.
        counts: resources by operation, as the engine counts them.
        changes: the resources that would not stay as they are.
        images: digest references that would run.
        problems: why the preview failed; empty when it did not.
        warnings: what the program warns of.
        broken: policies that are broken.
        judged: how many resources the policies have seen.
    """

    stack: str
    counts: Mapping[str, int]
    changes: tuple[Change, ...]
    images: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    broken: tuple[Violation, ...]
    judged: int

    @property
    def good(self) -> bool:
        """Whether the preview succeeded and keeps every policy."""
        return not self.problems and not self.broken


def read(stack: str, text: str) -> Report:
    """Read the output of `pulumi preview --json`, of a failed one as well.

    Raises:
        PipelineError: the engine said something else, which is shown.
    """
    preview = _json(stack, text)
    steps = preview.get("steps") or []
    said = preview.get("diagnostics") or []
    judged = resources_of(preview)
    return Report(
        stack=stack,
        counts=preview.get("changeSummary") or {},
        changes=tuple(_change(step) for step in steps if step["op"] not in QUIET | REPLACES),
        images=tuple(sorted({image for one in judged for image in _images(one.inputs)})),
        problems=_told(said, "error"),
        warnings=_told(said, "warning"),
        broken=tuple(violations(judged)),
        judged=len(judged),
    )


def _json(stack: str, text: str) -> dict[str, Any]:
    start = text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:]) if start >= 0 else (None, 0)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"steps", "diagnostics", "changeSummary"} & found.keys():
        last = "\n".join(text.strip().splitlines()[-10:]) or "(nothing)"
        raise PipelineError(f"the preview of {stack} gave no result; the engine said:\n{last}")
    return found


def _told(diagnostics: list[Mapping[str, Any]], severity: str) -> tuple[str, ...]:
    told = [one["message"].strip() for one in diagnostics if one.get("severity") == severity]
    telling = [re.sub(r"^(error|warning): ", "", one) for one in told if not NOISE.match(one)]
    return tuple(dict.fromkeys(telling or told))


def _change(step: Mapping[str, Any]) -> Change:
    state = step.get("newState") or step.get("oldState") or {}
    old, new = ((step.get(key) or {}).get("inputs") or {} for key in ("oldState", "newState"))
    name = step["urn"].rpartition("::")[2]
    return Change(step["op"], state.get("type", ""), name, tuple(_details(step, old, new)))


def _details(step: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """A line for each property that differs; of a new resource, for each that it is given."""
    if step["op"] == "delete":
        return
    before, after = dict(_leaves(old)), dict(_leaves(new))
    # An operation can have other reasons than inputs: what a refresh found, or what a provider says.
    reasons = step.get("detailedDiff") or {}
    for path in sorted({*before, *after}):
        was, will = before.get(path), after.get(path)
        if was == will:
            continue
        if path not in before:
            yield f"+ {path}: {_show(will)}"
        elif path not in after:
            yield f"- {path}: {_show(was)}"
        else:
            yield f"~ {path}: {_show(was)} → {_show(will)}"
    hidden = {root for root in map(_root, reasons) if before.get(root) == after.get(root) == "[secret]"}
    yield from (f"~ {root}: [secret] → [secret]" for root in sorted(hidden))
    if before == after and not hidden:
        yield from (f"~ {path}: not as it was deployed" for path in sorted(reasons))


def _root(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            if key not in INTERNAL:
                yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _leaves(each, f"{path}[{number}]")
    elif path and value != {} and value != []:
        yield path, value


def _show(value: Any) -> str:
    if value == UNKNOWN:
        return "(known after the deployment)"
    # Ids and digests are told apart by their first characters, and make lines unreadable.
    text = LONG_HEX.sub(r"\1…", json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _images(inputs: Any) -> set[str]:
    """Digest references in what a resource is given: an image, or a document that holds one."""
    if isinstance(inputs, Mapping):
        return {image for key, each in inputs.items() if key not in INTERNAL for image in _images(each)}
    if isinstance(inputs, list):
        return {image for each in inputs for image in _images(each)}
    return set(DIGEST.findall(inputs)) if isinstance(inputs, str) else set()
