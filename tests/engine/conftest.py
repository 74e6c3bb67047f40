"""A Docker stand-in on a real Docker engine, and a small image for it."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from sandbox import aws
from sandbox.paths import Home
from sandbox.providers.aws import Aws
from sandbox.providers.docker import Docker
from sandbox.providers.serving import start
from tests.engine.docker_client import Client
from tests.engine.docker_replay import busybox


@pytest.fixture
def daemon(docker_host: str) -> docker.DockerClient:
    return docker.DockerClient(base_url=docker_host)


@pytest.fixture
def client(docker_host: str, daemon: docker.DockerClient) -> Iterator[Client]:
    server, port = start(Docker())
    client = Client(port, docker_host, f"standin-{uuid.uuid4().hex[:8]}")
    yield client
    server.stop(grace=0).wait(10)
    for container in daemon.containers.list(all=True, filters={"name": client.mark}):
        container.remove(force=True, v=True)
    for network in daemon.networks.list(filters={"name": client.mark}):
        network.remove()
    for volume in daemon.volumes.list(filters={"name": client.mark}):
        volume.remove(force=True)
    for one in daemon.api.images():  # not one by one: other tests remove theirs meanwhile
        if any(client.mark in name for name in [*(one["RepoTags"] or ()), *(one["RepoDigests"] or ())]):
            daemon.images.remove(one["Id"], force=True)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build context with busybox in it."""
    shutil.copy(busybox(), tmp_path / "busybox")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/busybox\nUSER 10001\n")
    return tmp_path


@pytest.fixture
def image(client: Client, context: Path, registry_address: str) -> str:
    """The digest reference of a pushed image without an entry point."""
    name = f"{registry_address}/{client.mark}:1"
    return client.create("Image", {"imageName": name, "build": {"context": str(context)}})[2]["repoDigest"]


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An AWS API of this session's own."""
    home = Home(tmp_path_factory.mktemp("aws"))
    try:
        yield aws.ensure_aws(home).endpoint
    finally:
        aws.stop_aws(home)


@pytest.fixture(scope="session")
def standin_port() -> Iterator[int]:
    """The stand-in, served in this process as `python -m sandbox.providers aws` serves it."""
    server, port = start(Aws())
    yield port
    server.stop(grace=0).wait(10)
