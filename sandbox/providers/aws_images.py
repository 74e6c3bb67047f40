"""Images behind ECR: in the sandbox they are in its real registry, under the repository's name."""

import contextlib
import os

REGISTRY, ACCOUNT_REGISTRY = "SANDBOX_REGISTRY", "SANDBOX_ECR"
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)


def registry() -> str:
    """Where the account's repositories are: `host:port` of the sandbox's registry, or a folder in it.

    Empty outside of a sandbox.
    """
    return os.environ.get(ACCOUNT_REGISTRY) or os.environ.get(REGISTRY, "")


def _api(name: str) -> str:
    """The registry's own address of a repository."""
    host, _, folder = registry().partition("/")
    return f"http://{host}/v2/{folder}/{name}" if folder else f"http://{host}/v2/{name}"


def url(uri: str, name: str) -> str:
    """Where a repository's images are: AWS's own answer, or the sandbox's registry."""
    return f"{registry()}/{name}" if registry() else uri


def tags(name: str) -> list[str]:
    """The tags that a repository holds in the sandbox's registry; none when there is no registry."""
    import httpx

    if not registry():
        return []
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(f"{_api(name)}/tags/list", timeout=10, trust_env=False)
        return sorted(answer.json().get("tags") or [])
    return []


def digest(name: str, reference: str) -> str | None:
    """The digest of a tag in the sandbox's registry; None when it has none."""
    import httpx

    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.head(
            f"{_api(name)}/manifests/{reference}",
            headers={"Accept": _MANIFESTS},
            timeout=10,
            trust_env=False,
        )
        return answer.headers.get("Docker-Content-Digest") if answer.is_success else None
    return None


def forget(name: str, held: list[str]) -> None:
    """Remove images of a repository that is gone, where the registry allows it."""
    import httpx

    for found in {digest(name, tag) for tag in held} - {None}:
        with contextlib.suppress(httpx.HTTPError):
            httpx.delete(f"{_api(name)}/manifests/{found}", timeout=10, trust_env=False)
