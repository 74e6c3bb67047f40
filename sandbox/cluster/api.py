"""The few calls the sandbox itself makes to its API server (a full client takes a second to import)."""

import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from sandbox.cluster.layout import Addresses, Layout
from sandbox.errors import SandboxError

Object = dict[str, Any]


class Api:
    """The API server, asked as the cluster's administrator."""

    def __init__(self, layout: Layout, addresses: Addresses) -> None:
        trust = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        trust.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        self.client = httpx.Client(base_url=addresses.api, verify=trust, timeout=10, trust_env=False)

    def get(self, path: str) -> Object | None:
        """The object at `path`; None when it is not there or nobody answers."""
        with contextlib.suppress(httpx.HTTPError):
            answer = self.client.get(path)
            return answer.json() if answer.status_code == 200 else None
        return None

    def apply(self, manifest: Object) -> None:
        """Server-side apply: the object is made, or made equal in the fields given."""
        parameters = {"fieldManager": "antgent-sandbox", "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = self.client.patch(path_of(manifest), params=parameters, headers=headers, json=manifest)
        if answer.status_code >= 300:
            what = f"{manifest['kind']} {manifest['metadata']['name']}"
            raise SandboxError(f"the cluster refused {what}: {answer.json().get('message', answer.text)}")

    def lets_read(self, user: str, namespace: str, resource: str, name: str) -> bool:
        """Whether the API server would let a user read an object now: a binding counts some time after its making."""
        asked = {"namespace": namespace, "verb": "get", "resource": resource, "name": name}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        spec = {"user": user, "resourceAttributes": asked}
        with contextlib.suppress(httpx.HTTPError):
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            answer = self.client.post(path, json={**review, "spec": spec})
            return answer.status_code == 201 and answer.json()["status"]["allowed"]
        return False


def path_of(manifest: Mapping[str, Any]) -> str:
    """The address of an object of one of the kinds that the sandbox makes."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{base}{namespace}/{kind.lower()}s/{metadata['name']}"
