"""The engine's form of what handlers answer."""

from typing import Any

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.providers.diffs import Diff
from sandbox.providers.resource import CheckError, PartlyCreatedError


def check_failures(failed: CheckError) -> list[Any]:
    """One protocol failure a property."""
    return [provider_pb2.CheckFailure(property=path, reason=why) for path, why in failed.failures.items()]


def diff_response(diff: Diff) -> Any:
    """The protocol's diff, all of its lists included."""
    response, change = provider_pb2.DiffResponse, provider_pb2.PropertyDiff
    return response(
        changes=response.DIFF_SOME if diff.is_change else response.DIFF_NONE,
        detailedDiff={
            path: change(kind=change.Kind.Value(kind), inputDiff=diff.is_input_diff(path))
            for path, kind in diff.detailed.items()
        },
        hasDetailedDiff=diff.has_detailed,
        diffs=diff.diffs,
        replaces=diff.replaces,
        stables=diff.stables,
        deleteBeforeReplace=diff.delete_before_replace,
    )


def abort_partly(
    context: grpc.ServicerContext, partly: PartlyCreatedError, outputs: Any, inputs: Any = None
) -> None:
    """Fail in the way that lets the engine keep the resource: details beside the status."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=partly.id, properties=outputs, reasons=partly.reasons, inputs=inputs
        )
    )
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=str(partly), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, str(partly))
