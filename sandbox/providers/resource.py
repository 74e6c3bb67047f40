"""What a stand-in says about one resource type; base.py has the whole picture."""

# An interface names arguments that its defaults do not use.
# ruff: noqa: ARG002

from collections.abc import Sequence
from typing import Any, ClassVar

from sandbox.providers.diffs import Diff, compare
from sandbox.providers.session import Call, ProviderError

Props = dict[str, Any]


class CheckError(Exception):
    """Inputs that cannot be right; all of them at once: property path to reason."""

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {reason}" for path, reason in failures.items()))
        self.failures = failures


class PartlyCreatedError(Exception):
    """The resource exists but is not right; it goes to state, and the command fails.

    Args:
        inputs: what a refresh found; None leaves the inputs in state as they are.
    """

    def __init__(
        self,
        id: str,
        outputs: Props,
        reasons: Sequence[str],
        message: str = "",
        *,
        inputs: Props | None = None,
    ) -> None:
        super().__init__(message or "\n".join(reasons))
        self.id = id
        self.inputs = inputs
        self.outputs = outputs
        self.reasons = list(reasons)


class Resource:
    """One resource type. Override what differs; the defaults suit a type that changes in place.

    Class attributes:
        token: the type, `package:module/name:Name`.
        args: `module:Class` of the SDK's input class, or "" to take anything.
    """

    token: ClassVar[str] = ""
    args: ClassVar[str] = ""

    def check(self, call: Call, old: Props, new: Props) -> Props:
        """The inputs with defaults filled in. `old` are the last inputs, {} before the first create."""
        return new

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:
        """What `new` would change. Default: every differing input is an update in place."""
        return Diff(compare(old_inputs, new), input_diff=True)

    def preview_create(self, call: Call, inputs: Props) -> Props:
        """The outputs as far as they can be known. Default: the inputs."""
        return inputs

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        """Make it; returns id and outputs."""
        raise ProviderError(f"{self.token} cannot be created by this stand-in")

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        """What is there now: id, inputs, outputs; None when it is gone. Default: what state says."""
        return id, inputs, outputs

    def preview_update(self, call: Call, id: str, old_outputs: Props, new: Props) -> Props:
        """The outputs after an update, as far as they can be known. Default: old ones under new inputs."""
        return {**old_outputs, **new}

    def update(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:
        """Change it in place; returns the new outputs."""
        raise ProviderError(f"{self.token} cannot be updated by this stand-in")

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:
        """Remove it; quietly when it is already gone."""
