"""What the product asks of the Docker stand-in's containers beyond the recording."""

import socket
import threading
import time
from pathlib import Path

import docker
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from sandbox.process import free_port, wait_until
from sandbox.providers.docker import UNREACHABLE
from sandbox.providers.values import from_struct, to_struct
from tests.engine.docker_client import Client, Props, RpcError, sleeper


def test_a_container_of_few_words_shows_no_change_afterwards(client: Client, image: str) -> None:
    """No change, no diff: what the daemon fills in by itself must not look like drift."""
    inputs = sleeper(client, image)
    id, checked, outputs = client.create("Container", inputs)
    assert client.diff("Container", id, checked, outputs, inputs) == {}


def test_everything_the_product_sets_reaches_the_daemon(
    client: Client, daemon: docker.DockerClient, image: str
) -> None:
    """Limits and hardening that only state knows about would be worse than none."""
    port = free_port()
    volume, _, _ = client.create("Volume", {"name": client.mark})
    client.create("Network", {"name": client.mark, "labels": [{"label": "app", "value": "x"}]})
    inputs = sleeper(
        client, image,
        envs=["A=1"], user="10001:10001", workingDir="/tmp", readOnly=True, tmpfs={"/tmp": "rw,size=16m"},
        memory=64, memorySwap=64, cpus="0.25", restart="no", networkMode="bridge", stopSignal="SIGTERM",
        stopTimeout=2, destroyGraceSeconds=1, capabilities={"drops": ["ALL"]}, logDriver="json-file",
        securityOpts=["no-new-privileges:true"], logOpts={"max-size": "1m"}, start=True, wait=False,
        networksAdvanced=[{"name": client.mark, "aliases": ["server"]}],
        hosts=[{"host": "host.docker.internal", "ip": "host-gateway"}],
        ports=[{"internal": 8080, "external": port, "ip": "127.0.0.1"}],
        volumes=[{"volumeName": volume, "containerPath": "/data"}],
        mounts=[{"type": "tmpfs", "target": "/cache", "tmpfsOptions": {"sizeBytes": 1048576}}],
        labels=[{"label": "app", "value": "antgent"}], healthcheck={"tests": ["CMD", "/bin/busybox", "true"], "interval": "1m30s"},
    )  # fmt: skip
    id, checked, outputs = client.create("Container", inputs)
    attrs = daemon.api.inspect_container(id)
    host, config = attrs["HostConfig"], attrs["Config"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 << 20, 64 << 20, 250_000_000)
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Init"]) == (True, ["ALL"], True)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Tmpfs"] == {"/tmp": "rw,size=16m"}
    assert (host["LogConfig"]["Type"], host["LogConfig"]["Config"]["max-size"]) == ("json-file", "1m")
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    assert (config["User"], config["WorkingDir"], config["StopTimeout"]) == ("10001:10001", "/tmp", 2)
    assert config["Image"] == image
    assert config["Healthcheck"]["Interval"] == 90 * 10**9
    assert list(attrs["NetworkSettings"]["Networks"]) == [client.mark]

    assert client.diff("Container", id, checked, outputs, inputs) == {}
    assert client.diff("Container", id, checked, outputs, {**inputs, "cpus": "0.5"}) == {
        "cpus": "UPDATE_REPLACE"
    }


def test_a_limit_is_changed_in_place(client: Client, daemon: docker.DockerClient, image: str) -> None:
    """What Docker can change while a container runs is changed so, as by the official plugin."""
    inputs = sleeper(client, image, memory=64, memorySwap=64)
    id, checked, outputs = client.create("Container", inputs)
    wanted = {**inputs, "memory": 128, "memorySwap": 128}
    changes = client.diff("Container", id, checked, outputs, wanted)
    assert changes == {"memory": "UPDATE", "memorySwap": "UPDATE"}
    after = client.update("Container", id, checked, outputs, wanted)
    assert daemon.api.inspect_container(id)["HostConfig"]["Memory"] == 128 << 20
    assert client.diff("Container", id, checked, after, wanted) == {}


def test_a_container_that_may_end_is_kept_when_it_ends(client: Client, image: str) -> None:
    """With `must_run` off the verdict is the rollout's, which needs the dead container's logs."""
    inputs = sleeper(client, image) | {"command": ["/bin/busybox", "false"]}
    id, checked, outputs = client.create("Container", inputs)
    request = provider_pb2.ReadRequest(
        urn=client.urn("Container"), id=id, properties=to_struct(outputs), inputs=to_struct(checked)
    )
    assert wait_until(lambda: from_struct(client.stub.Read(request).properties)["exitCode"] == 1, seconds=10)


def test_a_container_that_must_run_but_does_not_is_made_anew(
    client: Client, daemon: docker.DockerClient, image: str
) -> None:
    """As the official plugin does: a refresh removes it and reports it gone, the next `up` makes another."""
    id, checked, outputs = client.create("Container", sleeper(client, image, mustRun=True))
    daemon.api.stop(id, timeout=0)
    request = provider_pb2.ReadRequest(
        urn=client.urn("Container"), id=id, properties=to_struct(outputs), inputs=to_struct(checked)
    )
    assert client.stub.Read(request, timeout=30).id == ""
    assert daemon.containers.list(all=True, filters={"name": client.mark}) == []


def test_an_uploaded_file_is_there_with_its_mode(
    client: Client, daemon: docker.DockerClient, image: str
) -> None:
    """Settings and secrets may come as files (not into a read-only root: Docker refuses that)."""
    files = [{"file": "/run/secret", "content": "s3cr3t", "permissions": "0400"}]
    id, checked, outputs = client.create("Container", sleeper(client, image, uploads=files))
    container = daemon.containers.get(id)
    assert container.exec_run(["/bin/busybox", "cat", "/run/secret"]).exit_code == 1
    assert container.exec_run(["/bin/busybox", "cat", "/run/secret"], user="0").output == b"s3cr3t"
    assert client.diff("Container", id, checked, outputs, sleeper(client, image, uploads=files)) == {}


def test_a_taken_port_fails_with_the_daemons_words_and_is_known(client: Client, image: str) -> None:
    """The half-made container is in state, or the next attempt would trip over its name."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [{"internal": 80, "external": taken.getsockname()[1], "ip": "127.0.0.1"}]
        with pytest.raises(RpcError, match="address already in use") as failed:
            client.create("Container", sleeper(client, image, ports=ports))
    assert "Unable to start container: Error response from daemon: " in failed.value.details()
    assert "grpc-status-details-bin" in dict(failed.value.trailing_metadata())


def test_an_absent_image_is_named(client: Client, registry_address: str) -> None:
    """A digest that no registry has must not end in a stack trace."""
    absent = f"{registry_address}/nothing@sha256:{'0' * 64}"
    with pytest.raises(RpcError, match="Unable to create container with image") as failed:
        client.create("Container", sleeper(client, absent))
    assert absent in failed.value.details()


def test_an_image_is_pulled_when_the_daemon_has_lost_it(
    client: Client, daemon: docker.DockerClient, image: str
) -> None:
    """Environments run digests that another machine has pushed."""
    daemon.images.remove(image, force=True)
    daemon.images.remove(image.split("@")[0] + ":1", force=True)
    id, _, _ = client.create("Container", sleeper(client, image))
    assert daemon.api.inspect_container(id)["Config"]["Image"] == image


def test_a_wait_is_cancelled_at_once(client: Client, image: str) -> None:
    """Ctrl-C during a rollout must not take as long as the rollout."""
    healthcheck = {"tests": ["CMD", "/bin/busybox", "false"], "interval": "1s"}
    inputs = sleeper(client, image, wait=True, waitTimeout=60, healthcheck=healthcheck)
    threading.Timer(2, lambda: client.stub.Cancel(empty_pb2.Empty())).start()
    started = time.monotonic()
    with pytest.raises(RpcError, match="cancelled") as failed:
        client.create("Container", inputs)
    assert time.monotonic() - started < 10
    assert "grpc-status-details-bin" in dict(failed.value.trailing_metadata()), "the container is in state"


def test_no_daemon_is_one_line(client: Client, tmp_path: Path) -> None:
    """A preview without Docker says so in the official words."""
    request = provider_pb2.ConfigureRequest(args=to_struct({"host": f"unix://{tmp_path}/none.sock"}))
    with pytest.raises(RpcError) as failed:
        client.stub.Configure(request, timeout=30)
    assert failed.value.details() == UNREACHABLE


@pytest.mark.parametrize(
    ("inputs", "failures"),
    [
        ({"gpus": "all"}, {"gpus": "is not supported by the stand-in"}),
        ({"wait": True}, {"wait": "needs a `healthcheck`: it waits for the container to be healthy"}),
        (
            {"healthcheck": {"tests": ["NONE"], "interval": "soon"}},
            {"healthcheck.interval": "'soon' is not a duration such as 500ms, 30s or 1m30s"},
        ),
        ({"portz": []}, {"portz": "is not a property of Container; did you mean `ports`?"}),
    ],
)
def test_what_it_cannot_do_is_refused(client: Client, inputs: Props, failures: dict[str, str]) -> None:
    """Silently ignoring a property would be a promise broken in production."""
    answer = client.check("Container", {"image": "x", **inputs})
    assert {one.property: one.reason for one in answer.failures} == failures
