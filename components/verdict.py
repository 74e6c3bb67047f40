"""What the dynamic resources that judge a deployment share: an error that reaches a person as it is."""

import sys
import traceback
from typing import Any


class VerdictError(Exception):
    """A deployed release is not what it must be; the message is the whole story."""


def say_only_the_verdict() -> None:
    """Replace the traceback that the SDK's provider process sends for every error by the message.

    The SDK hands `traceback.format_exc()` to the engine, which shows it to the operator as it is.
    """
    original = traceback.format_exc

    def message_or_traceback(*args: Any, **kwargs: Any) -> str:
        error = sys.exc_info()[1]
        return str(error) if isinstance(error, VerdictError) else original(*args, **kwargs)

    setattr(traceback, "format_exc", message_or_traceback)  # noqa: B010 — its type is a stranger's
