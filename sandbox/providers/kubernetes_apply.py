"""Creating and changing objects: who owns which field, and what the server's refusals mean."""

import os
from typing import Any

from sandbox.providers.kubernetes_api import ApiError, Client, UnknownKindError
from sandbox.providers.kubernetes_objects import (
    FIELD_MANAGER,
    MANAGER_PREFIX,
    PATCH_FORCE,
    Object,
    annotation,
    at,
    has_flag,
)
from sandbox.providers.session import Call, ProviderError

# Whose fields an update takes over: what `kubectl apply` wrote, and what a create wrote (it is no apply).
_TAKEN_OVER = {
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (MANAGER_PREFIX, "Update"),
}
_GUIDE = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)
RETRIES = 5


def field_manager(state: Object, inputs: Object) -> str:
    """The name under which an object's fields are owned: asked for, known, or new."""
    fresh = f"{MANAGER_PREFIX}-{os.urandom(4).hex()}"
    return annotation(inputs, FIELD_MANAGER) or state.get("__fieldManager") or fresh


def create(call: Call, client: Client, inputs: Object, *, manager: str, upsert: bool) -> Object:
    """Make an object; retried a little while its namespace or its kind is still on its way.

    Args:
        upsert: take over an object of that name instead of failing.
    """
    for attempt in range(RETRIES + 1):
        try:
            if upsert:
                return client.apply(
                    inputs, manager=manager, force=forced(inputs, None, call), preview=call.preview
                )
            return client.create(inputs, manager=MANAGER_PREFIX, preview=call.preview)
        except (ApiError, UnknownKindError) as error:
            on_its_way = isinstance(error, UnknownKindError) or error.http == 404
            if call.preview or not on_its_way or attempt == RETRIES:
                raise explained(error, manager) from None
            call.status(f"Retry #{attempt}; creation failed: {error}")
            client.forget_kinds()
        call.sleep(0.5 * 2**attempt)
    raise AssertionError("unreachable")


def update(call: Call, client: Client, inputs: Object, live: Object, *, manager: str, patch: bool) -> Object:
    """Bring a live object to `inputs` by server-side apply.

    Args:
        patch: whether the resource only patches an object of somebody else, whose fields stay theirs.
    """
    if not (patch or call.preview):
        live = _take_over(client, live, manager)
    inputs = _without_ignored(inputs, live, manager, call.ignore_changes)
    try:
        return client.apply(inputs, manager=manager, force=forced(inputs, live, call), preview=call.preview)
    except ApiError as error:
        raise explained(error, manager) from None


def relinquish(client: Client, inputs: Object, manager: str) -> None:
    """Give up every field that `manager` owns; the object stays."""
    identity = {key: at(inputs, "metadata", key) for key in ("name", "namespace")}
    bare = {
        "apiVersion": inputs["apiVersion"],
        "kind": inputs["kind"],
        "metadata": {key: value for key, value in identity.items() if value},
    }
    client.apply(bare, manager=manager, force=False)


def forced(inputs: Object, live: Object | None, call: Call) -> bool:
    """Whether fields that others own are taken from them."""
    if has_flag(inputs, PATCH_FORCE):
        return True
    if (wish := os.environ.get("PULUMI_K8S_ENABLE_PATCH_FORCE")) is not None:
        return wish == "true"
    # The real update takes these fields over first; a preview can only step over them.
    return call.preview and (live is None or any(_manager(one) in _TAKEN_OVER for one in _entries(live)))


def explained(error: ProviderError, manager: str) -> ProviderError:
    """A field conflict gets the way out beside it; other refusals speak for themselves."""
    if not (isinstance(error, ApiError) and error.http == 409 and error.reason == "Conflict"):
        return error
    text = (
        f"server-side apply field conflict detected, see {_GUIDE} for troubleshooting help\n"
        f'The resource managed by field manager "{manager}" had an apply conflict: {error}'
    )
    return ApiError(error.http, {"message": text, "reason": error.reason, "details": error.details})


def _entries(live: Object) -> list[Object]:
    return at(live, "metadata", "managedFields") or []


def _manager(entry: Object) -> tuple[str, str]:
    """Name and operation; what was written through `scale` or `status` is nobody's to take over."""
    return ("", "") if entry.get("subresource") else (entry.get("manager", ""), entry.get("operation", ""))


def _take_over(client: Client, live: Object, manager: str) -> Object:
    """Make the fields of create and of `kubectl apply` ours, so that leaving one out removes it."""
    theirs = [entry for entry in _entries(live) if _manager(entry) in _TAKEN_OVER]
    if not theirs:
        return live
    ours = [entry for entry in _entries(live) if _manager(entry) == (manager, "Apply")]
    merged: Object = {**theirs[0], "manager": manager, "operation": "Apply"}
    for entry in [*theirs, *ours]:
        merged["fieldsV1"] = _merged(merged.get("fieldsV1", {}), entry.get("fieldsV1", {}))
    others = [entry for entry in _entries(live) if entry not in theirs and entry not in ours]
    version = {
        "op": "replace",
        "path": "/metadata/resourceVersion",
        "value": live["metadata"]["resourceVersion"],
    }
    return client.patch(
        live, [{"op": "replace", "path": "/metadata/managedFields", "value": [merged, *others]}, version]
    )


def _merged(one: Object, other: Object) -> Object:
    return {key: _merged(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}


def _without_ignored(inputs: Object, live: Object, manager: str, ignored: list[str]) -> Object:
    """Leave ignored fields to whoever owns them, and keep the live value of those that are ours."""
    for dotted in ignored:
        path = dotted.split(".")
        owners = {entry.get("manager") for entry in _entries(live) if _owns(entry.get("fieldsV1", {}), path)}
        value = at(live, *path)
        if owners and manager not in owners:
            inputs = _changed(inputs, path, None)
        elif value is not None:
            inputs = _changed(inputs, path, value)
    return inputs


def _owns(fields: Any, path: list[str]) -> bool:
    for step in path:
        fields = fields.get(f"f:{step}") if isinstance(fields, dict) else None
    return fields is not None


def _changed(obj: Any, path: list[str], value: Any) -> Any:
    """A copy with `value` at `path`; None removes what is there."""
    if not isinstance(obj, dict):
        return obj
    first, *rest = path
    rest_of_it = {key: item for key, item in obj.items() if key != first}
    below = _changed(obj.get(first, {}), rest, value) if rest else value
    return rest_of_it if below is None else {**rest_of_it, first: below}
