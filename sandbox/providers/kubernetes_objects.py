"""Kubernetes objects as plain dicts: their names, annotations, the shape of inputs and of state."""

import base64
import hashlib
from typing import Any

from sandbox.providers.values import UNKNOWN, Secret, conceal, has_unknown, reveal

Object = dict[str, Any]

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
PATCH_FORCE = "pulumi.com/patchForce"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
TIMEOUT = "pulumi.com/timeoutSeconds"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
WAIT_FOR = "pulumi.com/waitFor"
REPLACE_UNREADY = "pulumi.com/replaceUnready"

MANAGER_PREFIX = "pulumi-kubernetes"

# What only the server sets; an input that holds one was copied from a live object.
_READ_ONLY = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
    "generation", "managedFields", "resourceVersion", "uid",
)  # fmt: skip


def at(obj: Any, *path: str) -> Any:
    """The value below `path`, or None when a step is missing or leads through something else."""
    for step in path:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def annotation(obj: Object, key: str) -> str:
    """An annotation's value; empty when there is none or it is not known yet."""
    value = at(obj, "metadata", "annotations", key)
    return value if isinstance(value, str) and value != UNKNOWN else ""


def has_flag(obj: Object, key: str) -> bool:
    return annotation(obj, key) == "true"


def name_of(obj: Object) -> str:
    return at(obj, "metadata", "name") or ""


def namespace_of(obj: Object) -> str:
    return at(obj, "metadata", "namespace") or ""


def id_of(obj: Object) -> str:
    """`namespace/name`, or the bare name of what has no namespace."""
    return "/".join(part for part in (namespace_of(obj), name_of(obj)) if part)


def split_id(id: str) -> tuple[str, str]:
    """Namespace (or "") and name."""
    namespace, _, name = id.rpartition("/")
    return namespace, name


def kind_of(obj: Object) -> tuple[str, str]:
    """The API group ("" for the core group) and the kind."""
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    return (group if slash and group != "core" else ""), str(obj.get("kind", ""))


def with_namespace(obj: Object, namespace: str) -> Object:
    """A copy that lives in `namespace`, or in none when it is empty."""
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "namespace"}
    return {**obj, "metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}


# The SDKs cannot say `x-kubernetes-…` (a schema's extensions), so Pulumi writes them with underscores.
def for_server(value: Any) -> Any:
    """Inputs as the API server wants them: no nulls, the schema extensions' own spelling."""
    if isinstance(value, dict):
        return {_dashed(key): for_server(item) for key, item in value.items() if item is not None}
    return [for_server(item) for item in value] if isinstance(value, list) else value


def for_state(value: Any) -> Any:
    """A live object as Pulumi's state wants it."""
    if isinstance(value, dict):
        return {_underscored(key): for_state(item) for key, item in value.items()}
    return [for_state(item) for item in value] if isinstance(value, list) else value


def _dashed(key: str) -> str:
    return key.replace("_", "-") if key.startswith("x_kubernetes_") else key


def _underscored(key: str) -> str:
    return key.replace("-", "_") if key.startswith("x-kubernetes-") else key


def normalized(inputs: Object) -> Object:
    """Inputs in the one form that is compared, sent and stored.

    Read-only metadata goes; a Secret's `stringData` becomes `data`, as the server does it too.
    """
    inputs = for_server(inputs)
    if isinstance(inputs.get("metadata"), dict):
        metadata = {key: value for key, value in inputs["metadata"].items() if key not in _READ_ONLY}
        inputs = {**inputs, "metadata": metadata}
    plain = inputs.get("stringData")
    if kind_of(inputs) == ("", "Secret") and isinstance(plain, dict) and not has_unknown(inputs):
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()}
        inputs = {key: value for key, value in inputs.items() if key != "stringData"}
        inputs["data"] = {**inputs.get("data", {}), **encoded}
    return inputs


def named(new: Object, old: Object, *, name: str, seed: bytes, proposed: str = "") -> Object:
    """`new` with a name: its own, the one made up last time, or a fresh one.

    Args:
        old: the last inputs, {} before the first create and for a replacement.
        name: the resource's logical name, which a fresh name starts with.
        seed: the engine's random bytes; the same seed gives the same name.
        proposed: the name that the engine's autonaming settings want, if any.
    """
    metadata = new.get("metadata", {})
    if not isinstance(metadata, dict) or metadata.get("name") or metadata.get("generateName"):
        return new
    if old and not has_flag(old, AUTONAMED):
        return new
    fresh = proposed or f"{name}-{hashlib.sha256(seed).hexdigest()[:8]}"
    chosen = name_of(old) if old else fresh
    notes = {**metadata.get("annotations", {}), AUTONAMED: "true"}
    return {**new, "metadata": {**metadata, "name": chosen, "annotations": notes}}


def pruned(live: Any, shape: Any, before: Any = None) -> Any:
    """`live` cut down to the fields that `shape` (the inputs) has.

    An empty value (`0`, `false`, `""`, `{}`, `[]`) that the server leaves out counts as still being
    there, unless `before` (the live object known last) had it: then somebody has removed it.

    Args:
        before: defaults to `live`.
    """
    before = live if before is None else before
    if isinstance(live, dict) and isinstance(shape, dict):
        result = {}
        for key, wanted in shape.items():
            if key in live:
                result[key] = pruned(live[key], wanted, before.get(key) if isinstance(before, dict) else None)
            elif not wanted and not (isinstance(before, dict) and key in before):
                result[key] = wanted
        return result
    if isinstance(live, list) and isinstance(shape, list):
        return _pruned_list(live, shape, before if isinstance(before, list) else [])
    return live


def _pruned_list(live: list[Any], shape: list[Any], before: list[Any]) -> list[Any]:
    """Named items (containers, ports, variables) are found by name, so that an injected one is no drift."""
    if _all_named(live) and _all_named(shape):
        there = {item["name"]: item for item in live}
        then = {item["name"]: item for item in before} if _all_named(before) else {}
        return [
            pruned(there[one["name"]], one, then.get(one["name"])) for one in shape if one["name"] in there
        ]
    padded = [*shape, *live[len(shape) :]]
    return [pruned(item, padded[index], _item(before, index)) for index, item in enumerate(live)]


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _all_named(items: list[Any]) -> bool:
    names = [item.get("name") for item in items if isinstance(item, dict)]
    return len(names) == len(items) == len({*names}) and None not in names


def closed(obj: Object, secrets: set[tuple[str | int, ...]]) -> Object:
    """`obj` with its secrets closed: the data of a Secret always, elsewhere what was secret in the inputs."""
    if kind_of(obj) == ("", "Secret"):
        return {
            key: Secret(reveal(value)[0]) if key in ("data", "stringData") else value
            for key, value in obj.items()
        }
    return conceal(obj, secrets)


def checkpoint(
    inputs: Object, live: Object, secrets: set[tuple[str | int, ...]], *, api_version: str, manager: str
) -> Object:
    """What state keeps: the live object, the inputs it came from, and how it is managed."""
    return {
        **closed(for_state(live), secrets),
        "__inputs": closed(for_state(inputs), secrets),
        "__initialApiVersion": api_version,
        "__fieldManager": manager,
    }


def live_in(outputs: Object) -> Object:
    """The live object inside the state's outputs."""
    return for_server_keys({key: value for key, value in outputs.items() if not key.startswith("__")})


def for_server_keys(value: Any) -> Any:
    """State back in the server's spelling, nulls kept."""
    if isinstance(value, dict):
        return {_dashed(key): for_server_keys(item) for key, item in value.items()}
    return [for_server_keys(item) for item in value] if isinstance(value, list) else value
