"""The API server, for any kind it knows: discovery, and the five verbs a provider needs."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.providers.kubernetes_config import Access
from sandbox.providers.kubernetes_objects import Object, at, name_of, namespace_of
from sandbox.providers.session import ProviderError

# Long enough for a slow admission webhook (30 s at most), short enough to notice a lost server.
TIMEOUT = httpx.Timeout(35, connect=5)
# After a failed connection, previews do not try again at once for each of their resources.
RETRY_AFTER_SECONDS = 10

# A field that the server does not know is an error; its default is to drop it and go on.
_STRICT = {"fieldValidation": "Strict"}
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"


class ApiError(ProviderError):
    """What the API server refused, in its own words.

    Args:
        http: the HTTP status.
        status: the server's `Status` object.
    """

    def __init__(self, http: int, status: Object) -> None:
        super().__init__(status.get("message") or f"the API server answered {http}")
        self.http = http
        self.reason: str = status.get("reason") or ""
        self.details: Object = status.get("details") or {}

    @property
    def namespace_is_missing(self) -> bool:
        return self.http == 404 and self.details.get("kind") == "namespaces"


class UnknownKindError(ProviderError):
    """The server has no such kind in that API version (say, a CRD that is not installed)."""


class UnreachableError(ProviderError):
    """No API server answered."""


@dataclass(frozen=True)
class Kind:
    """How one kind is reached: `/api/v1/namespaces/…/pods`."""

    base: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        parts = [
            self.base,
            *(["namespaces", namespace] if self.namespaced and namespace else []),
            self.plural,
        ]
        return "/".join([*parts, *([name] if name else [])])


class Client:
    """One API server and one identity; safe to share between threads.

    Args:
        access: where it is and who we are.
        namespace: where objects go that name none.
    """

    def __init__(self, access: Access, namespace: str = "") -> None:
        self.server = access.server
        self.namespace = namespace or access.namespace
        self._http = httpx.Client(
            base_url=access.server,
            verify=access.tls,
            auth=access.auth,
            timeout=TIMEOUT,
            # The server calls whoever created an object by the first word of this.
            headers={"User-Agent": "pulumi-kubernetes/stand-in", "Accept": "application/json"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=12),
            # A proxy for the outside world must not be asked for a server on this machine.
            trust_env=False,
        )
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()
        self._down: tuple[float, str] | None = None

    def close(self) -> None:
        self._http.close()

    def kind(self, api_version: str, kind: str) -> Kind:
        """How to reach a kind; asks the server once per API version, again when a kind is new.

        Raises UnknownKindError.
        """
        group = api_version.removeprefix("core/")
        with self._lock:
            if kind not in self._kinds.get(group, {}):
                self._kinds[group] = self._discover(group)
            found = self._kinds[group].get(kind)
        if found is None:
            raise UnknownKindError(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def _discover(self, group: str) -> dict[str, Kind]:
        base = f"/apis/{group}" if "/" in group else f"/api/{group}"
        try:
            listed = self.request("GET", base)["resources"]
        except ApiError as error:
            if error.http == 404:
                return {}
            raise
        return {
            one["kind"]: Kind(base, one["name"], one["namespaced"])
            for one in listed
            if "/" not in one["name"]
        }

    def path(self, obj: Object, name: str | None = None) -> str:
        """The path of an object (or, with an empty `name`, of where its kind is created)."""
        kind = self.kind(obj["apiVersion"], obj["kind"])
        return kind.path(namespace_of(obj) or self.namespace, name_of(obj) if name is None else name)

    def get(self, obj: Object) -> Object:
        """The live form of `obj`."""
        return self.request("GET", self.path(obj))

    def find(self, obj: Object) -> Object | None:
        """The live form of `obj`, or None when it is gone."""
        try:
            return self.get(obj)
        except ApiError as error:
            if error.http == 404:
                return None
            raise

    def latest(self, obj: Object) -> Object:
        """The live form of `obj`, or `obj` itself when nobody can say."""
        try:
            return self.get(obj)
        except ProviderError:
            return obj

    def forget_kinds(self) -> None:
        """Ask the server anew about every kind."""
        with self._lock:
            self._kinds.clear()

    def select(self, api_version: str, kind: str, namespace: str, **query: str) -> list[Object]:
        """The objects of a kind in a namespace. `query` is, say, `labelSelector="a=b"`."""
        found = self.request("GET", self.kind(api_version, kind).path(namespace), query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in found.get("items") or []]

    def create(self, obj: Object, *, manager: str, preview: bool = False) -> Object:
        """Make `obj`; fails when it is there already."""
        query = {"fieldManager": manager, **_STRICT, **_dry(preview)}
        try:
            return self.request("POST", self.path(obj, name=""), query, obj)
        except ApiError as error:
            if error.http == 404 and not error.reason:
                # No `Status`: the path itself is gone, and what discovery said with it.
                self.forget_kinds()
                self.kind(obj["apiVersion"], obj["kind"])
            raise

    def apply(self, obj: Object, *, manager: str, force: bool, preview: bool = False) -> Object:
        """Server-side apply: `manager` then owns the fields of `obj`, and no others.

        Args:
            force: take fields that others own, instead of failing with a conflict.
        """
        query = {"fieldManager": manager, "force": str(force).lower(), **_STRICT, **_dry(preview)}
        return self.request("PATCH", self.path(obj), query, obj, APPLY)

    def patch(self, obj: Object, operations: list[Object]) -> Object:
        """Change a live object by JSON patch."""
        return self.request("PATCH", self.path(obj), {}, operations, JSON_PATCH)

    def delete(self, obj: Object, propagation: str) -> None:
        """Ask for an object's deletion; `propagation` is `Foreground`, `Background` or `Orphan`."""
        self.request("DELETE", self.path(obj), {}, {"propagationPolicy": propagation})

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """One call. Raises ApiError, or UnreachableError when nothing answers."""
        if self._down and time.monotonic() < self._down[0]:
            raise UnreachableError(self._down[1])
        content = None if body is None else json.dumps(body)
        try:
            answer = self._http.request(
                method, path, params=query, content=content, headers={"Content-Type": content_type}
            )
        except httpx.HTTPError as error:
            reason = f"{self.server}: {error or type(error).__name__}"
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                self._down = (time.monotonic() + RETRY_AFTER_SECONDS, reason)
            raise UnreachableError(reason) from None
        self._down = None
        if answer.is_success:
            return answer.json()
        raise ApiError(answer.status_code, _status(answer))


def _dry(preview: bool) -> dict[str, str]:
    return {"dryRun": "All"} if preview else {}


def _status(answer: httpx.Response) -> Object:
    try:
        status = answer.json()
        return status if at(status, "kind") == "Status" else {"message": answer.text}
    except ValueError:
        return {"message": answer.text.strip()}
