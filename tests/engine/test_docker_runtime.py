"""The Docker runtime through the real engine: promises 1 to 4, 7 and 10 of the design."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import docker
import httpx
import pytest
from docker.models.containers import Container

from components.oci import find_release
from sandbox.process import free_port, wait_until
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture
def client(docker_host: str) -> docker.DockerClient:
    """The Docker engine's own word on what runs."""
    return docker.DockerClient(base_url=docker_host)


def containers(client: docker.DockerClient, stack: Stack) -> dict[str, Container]:
    """The stack's containers by workload, found by their published port's network, not by outputs."""
    port = stack.config["service"]["docker"]["publish"]["port"]
    everything = client.containers.list(all=True, filters={"label": "antgent.workload"})
    servers = [one for one in everything if f"{port}" in str(one.attrs["HostConfig"]["PortBindings"])]
    assert len(servers) == 1, f"one server publishes port {port}, not {len(servers)}"
    networks = set(servers[0].attrs["NetworkSettings"]["Networks"])
    mine = [one for one in everything if networks & set(one.attrs["NetworkSettings"]["Networks"])]
    return {one.labels["antgent.workload"]: one for one in mine}


def test_both_workloads_run_the_pushed_digest_confined(
    docker_stack: MakeStack, client: docker.DockerClient
) -> None:
    """Promises 1 and 3: a digest, never a tag, and the same one; least privilege besides."""
    stack = docker_stack()
    stack.pulumi.up()
    release = find_release(
        f"{stack.env['SANDBOX_REGISTRY']}/{stack.config['registry']['repository']}", "v1.0.0"
    )
    running = containers(client, stack)
    assert running.keys() == {"server", "worker"}
    for container in running.values():
        host = container.attrs["HostConfig"]
        assert container.attrs["Config"]["Image"] == release.reference
        assert container.attrs["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] == host["MemorySwap"] == 64 * 1024 * 1024
        assert host["NanoCpus"] == 250_000_000
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert stack.version() == "1.0.0"


def test_a_second_up_changes_nothing(docker_stack: MakeStack) -> None:
    """Promise 10, with a refresh as well."""
    stack = docker_stack()
    stack.pulumi.up()
    assert stack.pulumi.up().changes.total == 0
    assert stack.pulumi.up("--refresh").changes.total == 0


def test_a_release_replaces_both_containers_and_an_old_tag_is_not_built_again(
    docker_stack: MakeStack, client: docker.DockerClient
) -> None:
    """Promise 2: going back to a tag in the registry runs its digest, without a build."""
    stack = docker_stack()
    stack.pulumi.up()
    first = {role: one.attrs["Config"]["Image"] for role, one in containers(client, stack).items()}
    stack.build("good", "v1.1.0")
    stack.pulumi.up()
    second = {role: one.attrs["Config"]["Image"] for role, one in containers(client, stack).items()}
    assert first["server"] != second["server"] == second["worker"]
    assert stack.version() == "1.1.0"
    stack.build("good", "v1.0.0")
    back = stack.pulumi.up()
    assert "building" not in back.output.lower()
    assert {role: one.attrs["Config"]["Image"] for role, one in containers(client, stack).items()} == first
    assert stack.pulumi.up().changes.total == 0


def test_a_tag_with_other_content_is_refused_in_preview(docker_stack: MakeStack) -> None:
    """Promise 2: never an overwrite."""
    stack = docker_stack()
    stack.pulumi.up()
    stack.build("slow-start", "v1.0.0")
    with pytest.raises(PulumiError, match="is in the registry with other content"):
        stack.pulumi.preview()


def test_a_preview_builds_pushes_and_starts_nothing(
    docker_stack: MakeStack, client: docker.DockerClient
) -> None:
    """Promise 7."""
    stack = docker_stack()
    stack.pulumi.preview()
    repository = f"{stack.env['SANDBOX_REGISTRY']}/{stack.config['registry']['repository']}"
    assert find_release(repository, "v1.0.0") is None
    # Only this stack's: other tests use the same engine.
    containers = client.api.containers(all=True)
    assert [one for one in containers if repository in one["Image"]] == []


def test_a_crash_at_start_fails_the_up_with_exit_code_and_log_line_and_is_repaired(
    docker_stack: MakeStack,
) -> None:
    """Promise 4, and the next good `up` needs no hands."""
    stack = docker_stack()
    stack.pulumi.up()
    stack.build("crash", "v1.1.0")
    with pytest.raises(PulumiError) as failed:
        stack.pulumi.up()
    assert "exited with code 3" in str(failed.value)
    assert "the database password is missing" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    stack.build("good", "v1.2.0")
    stack.pulumi.up()
    assert stack.version() == "1.2.0"


def test_a_server_that_never_gets_healthy_fails_the_up_with_its_last_probe(docker_stack: MakeStack) -> None:
    """Promise 4, where the process runs but does not serve."""
    stack = docker_stack(mode="never-ready")
    with pytest.raises(PulumiError, match="server: unhealthy") as failed:
        stack.pulumi.up()
    assert "503 Service Unavailable" in str(failed.value)


def test_an_interrupted_up_is_finished_by_the_next(docker_stack: MakeStack) -> None:
    """A Ctrl-C while a release comes up leaves nothing that needs hands."""
    stack = docker_stack()
    stack.pulumi.up()
    stack.build("slow-start", "v1.1.0")
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
        cwd=stack.folder, env=stack.env, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in running.stdout:
        if "antgent-rollout" in line:
            os.killpg(running.pid, signal.SIGINT)
            break
    output = running.communicate(timeout=60)[0]
    assert running.returncode != 0, output
    stack.build("good", "v1.2.0")
    stack.pulumi.up()
    assert stack.version() == "1.2.0"


def test_a_port_of_another_program_is_named_with_the_fix(docker_stack: MakeStack) -> None:
    """The most usual trouble on a developer's machine is one clear error, in preview already."""
    stack = docker_stack()
    with _listener() as port:
        service = stack.config["service"] | {"docker": {"publish": {"port": port}}}
        stack.change(service=service)
        with pytest.raises(PulumiError, match=f"port {port} of 127.0.0.1 is taken") as failed:
            stack.pulumi.preview()
    assert "pulumi config set --path 'antgent:service.docker.publish.port'" in str(failed.value)


def test_a_preview_without_docker_says_so_in_one_line_with_the_fix(docker_stack: MakeStack) -> None:
    """Promise 7: a stack that builds needs a Docker engine even to preview, and says so."""
    stack = docker_stack()
    stack.env["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    stack.pulumi.env = stack.env
    with pytest.raises(
        PulumiError, match=r"no Docker engine answers at unix:///nowhere/docker\.sock"
    ) as failed:
        stack.pulumi.preview()
    assert "fix: start Docker" in str(failed.value)


def test_a_registry_that_is_down_is_named_with_the_fix(docker_stack: MakeStack) -> None:
    """The registry is asked before anything is built."""
    stack = docker_stack()
    stack.change(registry=stack.config["registry"] | {"server": f"127.0.0.1:{free_port()}"})
    with pytest.raises(PulumiError, match=r"the registry 127\.0\.0\.1:[0-9]+ does not answer"):
        stack.pulumi.preview()


def test_secrets_reach_the_containers_and_stay_out_of_state_and_output(
    docker_stack: MakeStack, client: docker.DockerClient
) -> None:
    """Promise 6."""
    secret = "correct-horse-battery-staple"
    stack = docker_stack()
    stack.pulumi.config_set("antgent:secrets.ANTGENT_SERVER__TOKEN", secret, secret=True, path=True)
    shown = stack.pulumi.up().output
    environment = containers(client, stack)["server"].attrs["Config"]["Env"]
    assert f"ANTGENT_SERVER__TOKEN={secret}" in environment
    assert secret not in shown
    assert secret not in str(stack.pulumi.export())
    assert secret not in stack.file.read_text()


def test_the_gap_of_a_replacement_is_seconds(docker_stack: MakeStack, record_property: Callable) -> None:
    """The Docker runtime may drop requests while it replaces the container, but not for long."""
    stack = docker_stack()
    stack.pulumi.up()
    stack.build("good", "v1.1.0")
    misses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.1):
            misses.append(not _answers(stack))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        stack.pulumi.up()
        assert wait_until(lambda: _answers(stack), seconds=10)
    finally:
        done.set()
        asking.join()
    gap = sum(misses) * 0.1
    record_property("gap_seconds", gap)
    assert gap < 10


def _answers(stack: Stack) -> bool:
    port = stack.config["service"]["docker"]["publish"]["port"]
    try:
        return httpx.get(f"http://127.0.0.1:{port}/version", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
