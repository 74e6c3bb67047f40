"""What the engine's backend keeps of this stack and of others, read while the program runs."""

from collections.abc import Mapping
from typing import Any

import pulumi
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_fixed

TORN = r"(?s).*(\bEOF\b|unexpected end of JSON).*"
"""What the engine says of a state file that is being written: a backend that is a folder does not swap
files, it overwrites them."""


@retry(
    retry=retry_if_exception_message(match=TORN),
    stop=stop_after_delay(10),
    wait=wait_fixed(0.1),
    reraise=True,
)
def ask(function: str, **args: Any) -> Mapping[str, Any]:
    """What a function of the engine's own provider answers; a state that is just being written is read again.

    Args:
        function: `readStackOutputs` or `readStackResourceOutputs`.
        args: the function's own.

    Raises:
        Exception: the engine's, in its words.
    """
    return pulumi.runtime.invoke(f"pulumi:pulumi:{function}", args).value or {}


def own_outputs(urn_end: str) -> Mapping[str, Any]:
    """The outputs that this stack's state has of a resource; empty where it has no such resource.

    Args:
        urn_end: the end of its URN, `type::name`.
    """
    answer = ask("readStackResourceOutputs", stackName=pulumi.get_stack())
    for urn, resource in (answer.get("outputs") or {}).items():
        if urn.endswith(urn_end):
            return resource.get("outputs") or {}
    return {}
