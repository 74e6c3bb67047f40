"""Whether an environment answers now, and which version it says it is."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx

from ship.environment import Environment

SECONDS = 5
DEFAULT_PATH = "/metrics"
NAME = "antgent"
"""The Service's name, and the namespace where config names none."""


@dataclass(frozen=True)
class Health:
    """One look at an environment.

    Args:
        state: `healthy`, `unhealthy` (it answers with an error), `no answer`, or `none` (nothing to ask).
        detail: status, or why there is no answer.
        seconds: how long the answer took.
        version: what the server calls itself; None where it does not say.
    """

    state: str
    detail: str = ""
    seconds: float = 0.0
    version: str | None = None

    def __str__(self) -> str:
        told = f"{self.state} ({self.detail})" if self.detail else self.state
        return f"{told}, version {self.version}" if self.version else told


def check(environment: Environment) -> Health:
    """Ask the path of the environment's own health check, and `/version`."""
    if not environment.url:
        return Health("none")
    probe, reasons = _probe(environment), list[str]()
    try:
        with (
            _way(environment, reasons) as address,
            httpx.Client(base_url=address, timeout=SECONDS) as client,
        ):
            answer = client.get(probe.get("path", DEFAULT_PATH), headers=probe.get("headers") or {})
            version = _version(client)
    except (httpx.HTTPError, OSError) as error:
        reasons.append(str(error) or type(error).__name__)
        return Health("no answer", f"{environment.url}: {reasons[0]}")
    # Without the way there: an import and a tunnel take a second, the answer some milliseconds.
    seconds = answer.elapsed.total_seconds()
    state = "healthy" if answer.status_code < 400 else "unhealthy"
    return Health(state, f"{answer.status_code} in {seconds * 1000:.0f} ms", seconds, version)


@contextlib.contextmanager
def _way(environment: Environment, reasons: list[str]) -> Generator[str]:
    """The URL; of a Kubernetes Service that nothing leads to from outside, a way through the cluster's API."""
    service = environment.config.get("service") or {}
    options = service.get("kubernetes") or {}
    if service.get("runtime") != "kubernetes" or options.get("ingress") or options.get("gateway"):
        yield environment.url or ""
        return
    from components.checks import Cluster
    from components.checks_cluster import tunnel  # the cluster's client takes most of a second to import

    cluster = Cluster(
        namespace=options.get("namespace") or NAME,
        service=NAME,
        kubeconfig=options.get("kubeconfig") or "",
        context=options.get("context") or "",
    )
    with tunnel(cluster, reasons.append) as address:
        yield address


def _probe(environment: Environment) -> dict[str, Any]:
    server = (environment.config.get("service") or {}).get("server") or {}
    return server.get("health") or {}


def _version(client: httpx.Client) -> str | None:
    """What the server says; a token that it wants is none of our business."""
    try:
        found = client.get("/version").raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    return str(found["version"]) if isinstance(found, dict) and "version" in found else None
