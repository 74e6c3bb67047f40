"""The conditions of `pulumi.com/waitFor`: `condition=Ready`, `jsonpath={.status.phase}=Bound`, or a list of them."""

import json
import re
from typing import Any

from sandbox.providers.kubernetes_objects import Object, at
from sandbox.providers.session import ProviderError


def wait_for(text: str, live: Object) -> bool:
    """Whether everything that `text` asks for is true of the live object."""
    wanted = json.loads(text) if text.lstrip().startswith("[") else [text]
    return all(_holds(one, live) for one in wanted)


def _holds(text: str, live: Object) -> bool:
    how, _, rest = text.partition("=")
    if how == "condition":
        kind, _, status = rest.partition("=")
        found = [one for one in at(live, "status", "conditions") or [] if one.get("type") == kind]
        return bool(found) and found[0].get("status", "").lower() == (status or "true").lower()
    match = re.fullmatch(r"\{?\.?([^{}=]+?)\}?(?:=(.*))?", rest)
    if how != "jsonpath" or match is None:
        raise ProviderError(
            f"pulumi.com/waitFor does not understand {text!r}\n"
            "  fix: write condition=TYPE, condition=TYPE=STATUS, jsonpath={.a.b} or jsonpath={.a.b}=VALUE"
        )
    value = _below(live, match[1])
    return value is not None if match[2] is None else str(value) == match[2]


def _below(value: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list):
            value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
        else:
            value = at(value, step)
    return value
