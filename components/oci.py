"""Reads an OCI registry: which digest a tag has, and the labels of its image. Never writes."""

import ipaddress
import re
from dataclasses import dataclass, field

import httpx

from components.errors import ArgumentError

REVISION_LABEL = "org.opencontainers.image.revision"
"""Where an image says which commit it was built from."""
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_ACCEPT = ", ".join([_MANIFEST, _OCI_MANIFEST, *_LISTS])


@dataclass(frozen=True)
class Release:
    """An image found in a registry.

    Args:
        reference: `repository@sha256:…`.
        labels: of the image's configuration.
    """

    reference: str
    labels: dict[str, str] = field(default_factory=dict)


def find_release(repository: str, tag: str, *, username: str = "", password: str = "") -> Release | None:
    """Look a tag up in its registry.

    Args:
        repository: with its host, `registry.example.com/team/antgent`. A loopback host is asked over
            plain HTTP, as Docker does.
        tag: or a digest, `sha256:…`.
        username, password: sent when the registry asks for them. Default to an anonymous pull.

    Returns:
        None when the registry has no such tag or repository.

    Raises:
        ArgumentError: the registry does not answer, or refuses.
    """
    host, _, name = repository.partition("/")
    try:
        with httpx.Client(base_url=f"{_scheme(host)}://{host}/v2/{name}/", timeout=15) as client:
            return _find(client, repository, tag, username, password)
    except httpx.TransportError as error:
        raise ArgumentError(
            f"the registry {host} does not answer ({error})\n"
            f"  fix: check its address with `pulumi config get --path 'antgent:registry.server'`; "
            f"the sandbox's own is '${{SANDBOX_REGISTRY}}', and starts with `make up`"
        ) from error
    except httpx.HTTPStatusError as error:
        raise ArgumentError(
            f"the registry {host} answered {error.response.status_code} for {name}:{tag}\n"
            f"  fix: log in with an account that may pull {repository}"
        ) from error


def _find(client: httpx.Client, repository: str, tag: str, username: str, password: str) -> Release | None:
    answer = _get(client, f"manifests/{tag}", username, password)
    if answer.status_code == 404:
        return None
    manifest = answer.raise_for_status().json()
    digest = answer.headers["docker-content-digest"]
    if manifest.get("mediaType") in _LISTS:
        first = manifest["manifests"][0]["digest"]
        manifest = _get(client, f"manifests/{first}", username, password).raise_for_status().json()
    config = _get(client, f"blobs/{manifest['config']['digest']}", username, password).raise_for_status()
    labels = config.json().get("config", {}).get("Labels") or {}
    return Release(f"{repository}@{digest}", labels)


def _get(client: httpx.Client, path: str, username: str, password: str) -> httpx.Response:
    headers = {"accept": _ACCEPT}
    basic = (username, password) if username else None
    answer = client.get(path, headers=headers, auth=basic, follow_redirects=True)
    challenge = answer.headers.get("www-authenticate", "")
    if answer.status_code == 401 and challenge.lower().startswith("bearer "):
        query = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        token = httpx.get(query.pop("realm"), params=query, auth=basic, timeout=15).raise_for_status().json()
        headers["authorization"] = f"Bearer {token.get('token') or token['access_token']}"
        answer = client.get(path, headers=headers, follow_redirects=True)
    return answer


def _scheme(host: str) -> str:
    name = host.rsplit(":", 1)[0]
    try:
        return "http" if ipaddress.ip_address(name).is_loopback else "https"
    except ValueError:
        return "http" if name == "localhost" else "https"
