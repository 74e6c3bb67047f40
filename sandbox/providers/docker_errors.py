"""The Docker client's failures in the words of the official plugin."""

import contextlib
from collections.abc import Generator

from sandbox.providers.session import Call, ProviderError


def said(error: Exception) -> str:
    """What the daemon said, as Docker's own command line puts it."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return f"Error response from daemon: {explanation}"
    return f"Cannot connect to the Docker daemon: {error}" if isinstance(error, OSError) else str(error)


def listed(doing: str, problem: str) -> str:
    """`problem` as the bridge's list of one: `creating urn:…: 1 error occurred: …`."""
    return f"{doing}: 1 error occurred:\n\t* {problem}\n\n"


@contextlib.contextmanager
def failing(what: str) -> Generator[None]:
    """Turn a failure of the Docker client into `what: <the daemon's words>`."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise ProviderError(f"{what}: {said(error)}") from error


@contextlib.contextmanager
def bridged(doing: str, call: Call) -> Generator[None]:
    """Word every failure inside as the bridge does."""
    try:
        yield
    except ProviderError as error:
        call.check_cancelled()
        raise ProviderError(listed(f"{doing} {call.urn}", str(error))) from error
