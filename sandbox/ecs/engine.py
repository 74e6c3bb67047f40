"""The Docker engine as what runs tasks: pull, create, stop, and nothing left behind."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.images import Image

from sandbox.ecs import wording
from sandbox.ecs.containers import LABEL
from sandbox.ecs.references import pulled, split
from sandbox.ecs.settings import Settings


class PullError(Exception):
    """An image that cannot be had; the message is the task's stopped reason."""


@dataclass(frozen=True)
class Pulled:
    """An image on the engine.

    Args:
        declared: the paths that it declares with VOLUME.
    """

    id: str
    digest: str | None
    declared: list[str]


class Engine:
    """One Docker engine, for the tasks of one sandbox.

    `closing` is true once no task may begin any more.

    Raises:
        DockerException: it does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.closing = settings, False
        with contextlib.closing(docker.DockerClient(base_url=settings.docker_host)) as client:
            self._version = str(client.api.api_version)
            self.processors = int(client.info()["NCPU"])

    def client(self) -> docker.DockerClient:
        """A client of the caller's own, to be closed."""
        return docker.DockerClient(base_url=self.settings.docker_host, version=self._version, timeout=60)

    def pull(self, client: docker.DockerClient, image: str, credentials: Mapping[str, str] | None) -> Pulled:
        """Ask the registry, also when the image is there already, as Fargate does.

        Raises:
            PullError: the registry has no such image, or does not answer.
        """
        repository, tag = split(pulled(image, self.settings.registry))
        try:
            found: Image = client.images.pull(repository, tag=tag, auth_config=credentials)
        except NotFound as error:
            raise PullError(wording.cannot_pull(image, f"{image}: not found")) from error
        except APIError as error:
            raise PullError(wording.cannot_pull(image, str(error.explanation or error))) from error
        facts: dict[str, Any] = found.attrs or {}
        digests = (one.partition("@") for one in facts.get("RepoDigests") or [])
        digest = next((last for name, _, last in digests if name == repository), None)
        declared = (facts.get("Config") or {}).get("Volumes") or {}
        return Pulled(str(found.id), digest, list(declared))

    def volume(self, client: docker.DockerClient, name: str) -> str:
        """A volume of one task; returns its name."""
        return str(client.volumes.create(name, labels={LABEL: self.settings.home}).name)

    def healths(self) -> dict[str, str]:
        """Container id → HEALTHY, UNHEALTHY or UNKNOWN, of all that run for this sandbox."""
        with contextlib.closing(self.client()) as client:
            found = client.api.containers(filters={"label": f"{LABEL}={self.settings.home}"})
        return {one["Id"]: _health(one["Status"]) for one in found}

    def close(self) -> None:
        """Remove everything, also what is being made at this moment; from now on nothing is made."""
        self.closing = True
        while self.sweep():
            pass

    def sweep(self) -> int:
        """Remove every container and volume of this sandbox; returns how many containers there were."""
        label = {"label": f"{LABEL}={self.settings.home}"}
        with contextlib.closing(self.client()) as client:
            ids = [one["Id"] for one in client.api.containers(all=True, filters=label)]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda one: self.remove(client, one), ids))
            for volume in client.volumes.list(filters=label):
                with contextlib.suppress(APIError):
                    volume.remove(force=True)
        return len(ids)

    def remove(self, client: docker.DockerClient, container: str) -> None:
        """Remove one container, running or not; nothing happens when it is gone."""
        with contextlib.suppress(NotFound, APIError):
            client.api.remove_container(container, force=True, v=True)


def address(container: Container) -> str:
    """The container's own IP address, after its start."""
    container.reload()
    facts: dict[str, Any] = container.attrs or {}
    networks = facts["NetworkSettings"]
    own = (one.get("IPAddress") for one in (networks.get("Networks") or {}).values())
    return str(networks.get("IPAddress") or next((one for one in own if one), ""))


def ending(container: Container) -> tuple[int | None, bool]:
    """Exit code, and whether the kernel killed it for its memory; no code when it is gone."""
    try:
        container.wait(timeout=None)
        container.reload()
    except (DockerException, OSError):
        return None, False
    facts: dict[str, Any] = container.attrs or {}
    state = facts["State"]
    return int(state["ExitCode"]), bool(state.get("OOMKilled"))


def follow(container: Container) -> Iterator[bytes]:
    """What it writes, with Docker's timestamps, until it has ended."""
    with contextlib.suppress(DockerException, OSError):
        yield from container.logs(stream=True, follow=True, timestamps=True)


def _health(status: str) -> str:
    if "(healthy)" in status:
        return "HEALTHY"
    return "UNHEALTHY" if "(unhealthy)" in status else "UNKNOWN"
