"""What the product asks of the Docker stand-in's builds beyond the recording."""

import threading
import time
import uuid
from pathlib import Path

import docker
import pytest
from google.protobuf import empty_pb2

from sandbox.providers.values import from_struct
from tests.engine.docker_client import Client, RpcError


def test_a_build_is_cancelled_at_once(client: Client, context: Path, registry_address: str) -> None:
    """Ctrl-C during a build ends the build in the daemon, too."""
    (context / "Dockerfile").write_text(
        f'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sleep", "60"]\nLABEL x={uuid.uuid4()}\n'
    )
    inputs = {"imageName": f"{registry_address}/{client.mark}:slow", "build": {"context": str(context)}}
    threading.Timer(3, lambda: client.stub.Cancel(empty_pb2.Empty())).start()
    started = time.monotonic()
    with pytest.raises(RpcError, match="cancelled"):
        client.create("Image", inputs)
    assert time.monotonic() - started < 20


def test_a_failing_build_shows_its_last_lines(client: Client, context: Path, registry_address: str) -> None:
    """An exit code alone does not tell what is wrong with a Dockerfile."""
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "ls", "/no/such/folder"]\n'
    )
    inputs = {"imageName": f"{registry_address}/{client.mark}:bad", "build": {"context": str(context)}}
    with pytest.raises(RpcError, match="error building image: ") as failed:
        client.create("Image", inputs)
    assert "/no/such/folder: No such file or directory" in failed.value.details()


def test_a_build_gets_its_arguments_target_and_network(
    client: Client, daemon: docker.DockerClient, context: Path, registry_address: str
) -> None:
    """The product's image needs all three where containers have no way out."""
    (context / "Dockerfile").write_text(
        "FROM scratch AS wanted\nARG V\nCOPY busybox /bin/busybox\n"
        'RUN ["/bin/busybox", "test", "-e", "/sys/class/net/lo"]\n'
        "LABEL version=$V\nFROM scratch\nCOPY nothing /\n"
    )
    name = f"{registry_address}/{client.mark}:full"
    build = {"context": str(context), "args": {"V": "7"}, "target": "wanted", "network": "host"}
    client.create("Image", {"imageName": name, "build": build, "skipPush": True})
    assert daemon.images.get(name).labels == {"version": "7"}


def test_the_context_digest_follows_what_docker_would_copy(client: Client, context: Path) -> None:
    """A change that cannot reach the image must not build it again; one that can must."""

    def digest() -> str:
        inputs = {"imageName": "localhost/x:1", "build": {"context": str(context)}}
        return from_struct(client.check("Image", inputs).inputs)["build"]["contextDigest"]

    (context / ".dockerignore").write_text("*.log\n")
    first = digest()
    (context / "noise.log").write_text("x")
    assert digest() == first
    (context / "new.txt").write_text("x")
    second = digest()
    assert second != first
    (context / "new.txt").chmod(0o755)
    assert digest() != second


def test_a_missing_dockerfile_is_found_for_the_user(client: Client, context: Path) -> None:
    """The error of the official plugin names the path to set."""
    build = {"context": str(context), "dockerfile": f"{context}/Other"}
    with pytest.raises(RpcError, match=r"could not open dockerfile at absolute path .*/Other: stat"):
        client.check("Image", {"imageName": "localhost/x:1", "build": build})
