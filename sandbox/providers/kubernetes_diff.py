"""Which fields a change touches, and which of them an object cannot take without being replaced."""

import re
from collections.abc import Collection
from fractions import Fraction
from typing import Any

from sandbox.providers.diffs import ADD, DELETE, UPDATE, Diff
from sandbox.providers.kubernetes_objects import AUTONAMED, Object, has_flag, kind_of, name_of, namespace_of
from sandbox.providers.values import UNKNOWN

Path = tuple[str | int, ...]

_IDENTITY = ("metadata.name", "metadata.namespace")

# The official plugin's rule per group and kind. It is a rule, not only the server's immutable
# fields: a ConfigMap's data could change in place, but its readers would not notice.
_REPLACED_BY: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "ConfigMap"): ("binaryData", "data"),
    ("", "Secret"): ("type", "stringData", "data"),
    ("", "Service"): ("spec.clusterIP",),
    ("", "PersistentVolumeClaim"): ("spec",),
    ("", "Pod"): ("spec",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector",
        "spec.serviceName", "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}  # fmt: skip


def replacing_fields(obj: Object, *, mutable: tuple[str, ...] = (), patch: bool = False) -> tuple[Path, ...]:
    """The fields whose change replaces `obj`.

    Args:
        mutable: kinds (`ConfigMap`, `Secret`) that the provider's settings let change in place.
        patch: whether the resource only patches an object that somebody else owns.
    """
    group, kind = kind_of(obj)
    own = () if patch else _REPLACED_BY.get((group, kind), ())
    if kind in mutable and not obj.get("immutable"):
        own = tuple(field for field in own if field == "type")
    return tuple(tuple(field.split(".")) for field in (*_IDENTITY, *own))


def diff(base: Object, new: Object, replacing: tuple[Path, ...], ignored: Collection[str] = ()) -> Diff:
    """What turns `base` (the live object, cut down to the old inputs) into `new`.

    Args:
        replacing: the fields whose change replaces the object.
        ignored: property paths whose changes do not count.
    """
    detailed: dict[str, str] = {}
    deleted: set[str] = set()
    replaces: list[str] = []
    for path, (kind, value) in _changes((), base, new):
        text = path_text(path)
        if any(text == one or text.startswith((f"{one}.", f"{one}[")) for one in ignored):
            continue
        replaced = any(_touches(path, value, field) for field in replacing)
        detailed[text] = f"{kind}_REPLACE" if replaced else kind
        deleted |= {text} if kind == DELETE else set()
        replaces += [text] if replaced else []
    return Diff(
        detailed,
        replaces=sorted(replaces),
        input_diff=deleted,
        # A fixed name can be taken only once; a made-up name leaves room for both.
        delete_before_replace=bool(replaces)
        and not has_flag(new, AUTONAMED)
        and (name_of(new), namespace_of(new)) == (name_of(base), namespace_of(base)),
    )


def _changes(path: Path, old: Any, new: Any) -> list[tuple[Path, tuple[str, Any]]]:
    if isinstance(old, dict) and isinstance(new, dict):
        steps = [((*path, key), old.get(key), new.get(key), key in old, key in new) for key in {**old, **new}]
    elif isinstance(old, list) and isinstance(new, list):
        size = range(max(len(old), len(new)))
        both = [[*side, *[None] * (len(size) - len(side))] for side in (old, new)]
        steps = [((*path, i), both[0][i], both[1][i], i < len(old), i < len(new)) for i in size]
    else:
        return [] if same(path, old, new) else [(path, (UPDATE, new))]
    found: list[tuple[Path, tuple[str, Any]]] = []
    for step, before, after, was, is_now in steps:
        if was and is_now:
            found += _changes(step, before, after)
        else:
            found.append((step, (DELETE if was else ADD, after)))
    return found


def _touches(path: Path, value: Any, field: Path) -> bool:
    """Whether a change at `path` to `value` reaches `field`: above it, in it, or below it."""
    if path[: len(field)] == field:
        return True
    if field[: len(path)] != path:
        return False
    for step in field[len(path) :]:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def path_text(path: Path) -> str:
    """A property path as the engine writes it: `spec.ports[0].name`, `metadata.labels["a.b/c"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.search(r'[."\[\]]', step):
            text += '["{}"]'.format(step.replace('"', r"\""))
        else:
            text += f".{step}" if text else step
    return text


# Below these keys the server rewrites quantities (`0.5` becomes `500m`); elsewhere `1` and `1000m` differ.
_QUANTITIES = {"averageValue", "capacity", "hard", "limits", "overhead", "requests", "sizeLimit"}
_SUFFIXES = {
    **{suffix: Fraction(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    **{suffix: Fraction(1000) ** power for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)},
}  # fmt: skip


def same(path: Path, old: Any, new: Any) -> bool:
    """Whether two plain values mean the same to the server."""
    if new == UNKNOWN or isinstance(old, bool) != isinstance(new, bool):
        return False
    if old == new:
        return True
    if "metadata" in path or not _QUANTITIES & {*path}:
        return False
    amounts = [quantity(value) for value in (old, new)]
    return amounts[0] is not None and amounts[0] == amounts[1]


def quantity(value: Any) -> Fraction | None:
    """The amount a Kubernetes quantity stands for, or None when it is not one."""
    match = re.fullmatch(
        r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:e([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)", str(value)
    )
    if isinstance(value, bool) or match is None:
        return None
    number, exponent, suffix = match.groups()
    return Fraction(number) * (Fraction(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""])
