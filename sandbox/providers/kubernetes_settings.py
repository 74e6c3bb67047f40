"""The provider's own configuration, and the cluster it leads to."""

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sandbox.providers.diffs import ADD, DELETE, UPDATE, Diff
from sandbox.providers.kubernetes_api import Client, UnreachableError
from sandbox.providers.kubernetes_config import Access, load
from sandbox.providers.session import ProviderError
from sandbox.providers.values import UNKNOWN

_USED = {
    "kubeconfig", "context", "cluster", "clusterIdentifier", "namespace", "enableServerSideApply",
    "enableConfigMapMutable", "enableSecretMutable", "deleteUnreachable", "upsertExistingObjects",
}  # fmt: skip
# About warnings of charts and old API versions, the official client's request rate, the SDK's own version.
_WITHOUT_EFFECT = {"suppressDeprecationWarnings", "suppressHelmHookWarnings", "kubeClientSettings", "version"}
_WHICH_CLUSTER = ("clusterIdentifier", "kubeconfig", "context", "cluster")


def is_true(value: Any) -> bool:
    """A flag, which may come as text."""
    return value is True or value == "true"


def problems(config: dict[str, Any]) -> dict[str, str]:
    """What the stand-in cannot do, property to reason: never silently another behaviour."""
    found = {
        key: "is not supported by the Kubernetes stand-in; use the official plugin (SANDBOX_PROVIDERS=plugin)"
        for key, value in config.items()
        if key not in _USED | _WITHOUT_EFFECT and value not in (None, "", "false", False)
    }
    if config.get("enableServerSideApply") in ("false", False):
        found["enableServerSideApply"] = "must not be false: the stand-in only knows server-side apply"
    return found


def config_diff(old: dict[str, Any], new: dict[str, Any]) -> Diff:
    """What a change of the configuration means: another cluster replaces every resource on it."""
    changed = [key for key in sorted({*old, *new}) if key != "version" and old.get(key) != new.get(key)]
    if not changed:
        return Diff(changed=False, has_detailed=False)
    moved = any(key in _WHICH_CLUSTER for key in changed) and _target(old) != _target(new)
    replaces = [key for key in changed if key in _WHICH_CLUSTER] if moved else []
    kinds = {
        key: ADD if old.get(key) is None else DELETE if new.get(key) is None else UPDATE for key in changed
    }
    detailed = {key: f"{kind}_REPLACE" if key in replaces else kind for key, kind in kinds.items()}
    return Diff(detailed, diffs=changed, replaces=replaces)


def _target(config: dict[str, Any]) -> str:
    """Which cluster a configuration leads to; empty while that is not known, which is no reason to replace."""
    if config.get("clusterIdentifier"):
        return config["clusterIdentifier"]
    if UNKNOWN in config.values():
        return ""
    try:
        return load(*(config.get(key) or "" for key in ("kubeconfig", "context", "cluster"))).server
    except ProviderError:
        return ""


@lru_cache(maxsize=8)
def _client(access: Access, namespace: str) -> Client:
    """One client for all engines that go to the same server as the same user: its connections stay warm."""
    return Client(access, namespace)


@dataclass(frozen=True)
class Cluster:
    """What handlers find as `call.client`.

    Args:
        config: the provider's configuration.
        api: the API client, or None when there is no kubeconfig (a preview can do without).
        reason: why there is none.
    """

    config: dict[str, Any]
    api: Client | None
    reason: str = ""

    @classmethod
    def connect(cls, config: dict[str, Any]) -> "Cluster":
        if UNKNOWN in (config.get(key) for key in ("kubeconfig", "context", "cluster")):
            return cls(config, None, "the kubeconfig is not known yet")
        try:
            access = load(*(config.get(key) or "" for key in ("kubeconfig", "context", "cluster")))
        except ProviderError as error:
            return cls(config, None, str(error))
        return cls(config, _client(access, config.get("namespace") or ""))

    @property
    def client(self) -> Client:
        """The API client; raises UnreachableError when there is none."""
        if self.api is None:
            raise UnreachableError(self.reason)
        return self.api

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace, when the provider says so."""
        return self.config.get("namespace") or ""

    @cached_property
    def mutable_kinds(self) -> tuple[str, ...]:
        """Kinds whose data changes in place instead of replacing the object."""
        flags = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        return tuple(kind for kind, flag in flags.items() if is_true(self.config.get(flag)))

    @property
    def upserts(self) -> bool:
        """Whether a create takes over an object of that name."""
        return is_true(self.config.get("upsertExistingObjects"))

    @property
    def forgets_unreachable(self) -> bool:
        """Whether resources of a cluster that does not answer are dropped from state."""
        return is_true(
            self.config.get("deleteUnreachable") or os.environ.get("PULUMI_K8S_DELETE_UNREACHABLE")
        )
