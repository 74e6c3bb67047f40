"""The Docker stand-in answers what the official plugin answered, on a real Docker engine and registry.

`recordings/docker/calls.json` holds every call that the engine made to `pulumi-resource-docker`
5.2.0 in fourteen `pulumi` commands; docker_replay.py says how they are compared, and lists the
exceptions.
"""

import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from sandbox.process import free_port
from sandbox.providers.docker import Docker
from sandbox.providers.serving import start
from tests.engine.docker_replay import Replay, busybox, load, stub

DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
ARG V=none
LABEL version=$V
ENTRYPOINT ["/bin/busybox"]
"""


@pytest.fixture(scope="module")
def replay(
    docker_host: str, registry_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replay]:
    """A stand-in on a real daemon, and a build context like the recorded one."""
    project = tmp_path_factory.mktemp("project")
    (project / "ctx").mkdir()
    shutil.copy(busybox(), project / "ctx" / "busybox")
    (project / "ctx" / "Dockerfile").write_text(DOCKERFILE)
    mark = uuid.uuid4().hex[:8]
    known: dict[Any, Any] = {
        "127.0.0.1:5001": registry_address,
        "unix:///var/run/docker.sock": docker_host,
        "recnet": f"recnet-{mark}",
        "rec-server": f"rec-server-{mark}",
        18080: free_port(),
    }
    daemon = docker.DockerClient(base_url=docker_host)
    server, port = start(Docker())
    with pytest.MonkeyPatch.context() as patch:
        # The stand-in finds relative paths where the engine runs, and the engine is this process.
        patch.chdir(project)
        replay = Replay(stub(port), daemon, known)
        yield replay
    server.stop(grace=0).wait(10)
    _clean_up(daemon, mark, volume=replay.live("vol-cbea857"), repository=f"{registry_address}/rec")


def _clean_up(daemon: docker.DockerClient, mark: str, *, volume: str, repository: str) -> None:
    for container in daemon.containers.list(all=True, filters={"name": mark}):
        container.remove(force=True, v=True)
    for network in daemon.networks.list(filters={"name": mark}):
        network.remove()
    for left in daemon.volumes.list(filters={"name": volume}):
        left.remove(force=True)
    for image in daemon.images.list(repository):
        daemon.images.remove(image.id, force=True)


@pytest.mark.parametrize("step", list(load()))
def test_the_stand_in_answers_as_the_official_plugin(replay: Replay, step: str) -> None:
    """Outputs, diffs, replacements and errors, field by field: a program must not notice which one it has."""
    assert replay.run(step) == []
