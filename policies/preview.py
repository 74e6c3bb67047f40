"""The resources of a stack, from what the engine prints about them."""

import json
from collections.abc import Mapping
from typing import Any

from policies.rules import Resource


class PreviewError(Exception):
    """A text that is not what the engine prints; says what it should be."""


def resources(text: str) -> list[Resource]:
    """The resources that would be there after an `up`.

    Args:
        text: the output of `pulumi preview --json`, or of `pulumi stack export`.

    Raises:
        PreviewError: it is neither, or the preview itself failed.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise PreviewError(
            f"this is no JSON ({error})\n  fix: pulumi preview --json --stack staging | python -m policies"
        ) from None
    if not isinstance(content, dict) or not ({"steps", "deployment", "changeSummary"} & content.keys()):
        raise PreviewError("this is neither `pulumi preview --json` nor `pulumi stack export`")
    if "deployment" in content:
        return [_resource(one) for one in content["deployment"].get("resources") or ()]
    failed = [one["message"].strip() for one in content.get("diagnostics", ()) if one["severity"] == "error"]
    if failed:
        raise PreviewError("the preview failed, so that there is nothing to judge:\n" + "\n".join(failed))
    return resources_of(content)


def resources_of(preview: Mapping[str, Any]) -> list[Resource]:
    """The resources that a preview's steps leave behind, also of one that failed on its way."""
    states = [step.get("newState") for step in preview.get("steps") or ()]
    return [_resource(state) for state in states if state]


def _resource(state: Mapping[str, Any]) -> Resource:
    return Resource(state["type"], state["urn"].rpartition("::")[2], state.get("inputs") or {})
