"""The error a component raises for arguments it cannot accept."""

import pulumi


class ArgumentError(pulumi.RunError):
    """Wrong arguments: the message states the rule, the value and the remedy.

    A `RunError`, because the engine shows those without a traceback.
    """
