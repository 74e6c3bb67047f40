"""What the Docker stand-in asks registries: pulls by the daemon, and `getRegistryImage`."""

import contextlib
from typing import Any

from sandbox.providers.docker_errors import listed, said
from sandbox.providers.resource import Props
from sandbox.providers.session import Call, ProviderError

GET_REGISTRY_IMAGE = "docker:index/getRegistryImage:getRegistryImage"
MANIFESTS = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]
)


def credentials(call: Call, server: str) -> dict[str, str] | None:
    """What the provider's `registryAuth` says about `server`; None when nothing."""
    for entry in call.config.get("registryAuth") or []:
        if (
            isinstance(entry, dict)
            and _host(entry.get("address", "")) == _host(server)
            and entry.get("username")
        ):
            return {"username": entry["username"], "password": entry.get("password", "")}
    return None


def pull(call: Call, image: str) -> None:
    """Have the daemon fetch `image` when it does not hold it yet."""
    import docker.errors
    import requests

    api = call.client.api
    problem = f"Unable to create container with image {image}"
    try:
        with contextlib.suppress(docker.errors.ImageNotFound):
            api.inspect_image(image)
            return
        call.status(f"Pulling {image}")
        server = image.split("/")[0]
        for line in api.pull(image, auth_config=credentials(call, server), stream=True, decode=True):
            call.check_cancelled()
            if "error" in line:
                raise ProviderError(f"{problem}: unable to pull image {image}: {line['error']}")
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise ProviderError(f"{problem}: unable to pull image {image}: {said(error)}") from error


def get_registry_image(call: Call, args: Props) -> Props:
    """The digest of an image in a registry, over HTTPS only, as the official plugin does it."""
    name = args["name"]
    server, _, rest = name.partition("/")
    separator = "@" if "@" in rest else ":"
    repository, _, tag = rest.partition(separator)
    tag = tag or "latest"
    url = f"https://{server}/v2/{repository}/manifests/{tag}"
    try:
        digest = _digest(url, credentials(call, server), verify=not args.get("insecureSkipVerify"))
    except ProviderError as error:
        problem = (
            f"Got error when attempting to fetch image version {repository}:{tag} from registry: {error}"
        )
        raise ProviderError(listed(f"invoking {GET_REGISTRY_IMAGE}", problem)) from error
    return {**args, "id": digest, "sha256Digest": digest}


def _digest(url: str, auth: dict[str, str] | None, *, verify: bool) -> str:
    import requests

    pair = (auth["username"], auth["password"]) if auth else None
    try:
        answer = requests.head(url, headers={"Accept": MANIFESTS}, auth=pair, verify=verify, timeout=30)
    except requests.RequestException as error:
        raise ProviderError(f'Error during registry request: Head "{url}": {_cause(error)}') from error
    if answer.status_code != requests.codes.ok:
        raise ProviderError(f"Got bad response from registry: {answer.status_code} {answer.reason}")
    return answer.headers["Docker-Content-Digest"]


def _cause(error: Any) -> str:
    text = str(error)
    # What OpenSSL calls a server that answers a TLS greeting in plain text, by version.
    if any(hint in text for hint in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure")):
        return "http: server gave HTTP response to HTTPS client"
    return "connect: connection refused" if "Connection refused" in text else text


def _host(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
