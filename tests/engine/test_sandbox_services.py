"""The sandbox's services with real servers: a Docker engine of the tests' own, registry, Temporal, base images."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import docker as docker_sdk
import httpx
import psutil
import pytest
from docker.models.containers import Container
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from sandbox import docker_engine, registry, temporal
from sandbox.base_image import BaseImages, ensure_base_images, find_base_images
from sandbox.docker_daemon import OwnDocker
from sandbox.docker_engine import DockerEngine, ensure_docker, find_docker, purge_docker, release_docker
from sandbox.errors import SandboxError
from sandbox.packages import can_install
from sandbox.paths import Home, cache_dir
from sandbox.process import free_port, wait_until

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or not can_install(), reason="starts a dockerd of its own: root, Debian"
    ),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Machine:
    """An engine that nobody else uses, its home, and the images that containers start from."""

    home: Home
    engine: DockerEngine
    images: BaseImages
    client: docker_sdk.DockerClient

    def run(self, *command: str, image: str = "", **options: object) -> Container:
        """Start a container that ends at once when it is stopped; the module's end removes it."""
        return self.client.containers.run(
            image or self.images.runtime, list(command), detach=True, stop_signal="SIGKILL", **options
        )

    def output(self, *command: str, image: str = "", **options: object) -> str:
        """What a command in a container prints; fails when it fails."""
        return self.client.containers.run(
            image or self.images.runtime, list(command), remove=True, stderr=True, **options
        ).decode()  # fmt: skip


@contextlib.contextmanager
def own_cache(cache: Path) -> Generator[None]:
    """A cache with an engine of its own; the base images' tar files are the person's."""
    with pytest.MonkeyPatch.context() as patch:
        base = cache_dir() / "base"
        base.mkdir(exist_ok=True)
        (cache / "base").symlink_to(base)
        patch.setenv("ANTGENT_CACHE", str(cache))
        patch.setenv("DOCKER_HOST", OwnDocker.here().host)
        try:
            yield
        finally:
            OwnDocker.here().stop()
            OwnDocker.here().purge()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A started engine with the base images in it."""
    home = Home(tmp_path_factory.mktemp("home"))
    with own_cache(tmp_path_factory.mktemp("cache")):
        engine = ensure_docker(home, pid=os.getpid())
        with contextlib.closing(engine.client()) as client:
            yield Machine(home, engine, ensure_base_images(engine), client)
        registry.stop_registry(home)
        temporal.stop_temporal(home)
        release_docker(home)


def traces(own: OwnDocker) -> list[str]:
    """Everything outside the cache that belongs to this engine."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout.splitlines()
    processes = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    pool = own.network.pool().rpartition(".0.0/")[0]
    links = subprocess.run(
        ["ip", "-o", "address"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = [line for line in processes if str(own.run) in line]
    found += [line for line in mounts if str(own.run) in line or str(own.data) in line]
    found += [line for line in rules if own.key in line or (pool and f"{pool}." in line)]
    found += [line for line in links if pool and f" {pool}." in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/antgent-{own.key}")]
    return found + [str(path) for path in [own.run] if path.exists()]


class TestEngine:
    def test_is_shared_and_leaves_nothing_when_the_last_home_goes(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        """`make down` in one checkout must not stop another's engine; the last one cleans up."""
        own, other = OwnDocker.here(), Home(tmp_path)
        machine.client.networks.create("left-behind", driver="bridge")
        machine.run("sleep", "600", network="left-behind")
        assert ensure_docker(other, pid=os.getpid()) == machine.engine
        assert release_docker(machine.home) is False
        assert find_docker(other) == machine.engine
        assert release_docker(other) is True
        assert traces(own) == []
        assert find_docker(other) is None
        assert release_docker(other) is False
        assert ensure_docker(machine.home, pid=os.getpid()) == machine.engine, "address and gateway changed"

    def test_is_repaired_after_it_was_killed(self, machine: Machine) -> None:
        """A crash leaves shims, containers, mounts and stale pid files; the next start goes on from there."""
        own = OwnDocker.here()
        survivor = machine.run("sleep", "600", restart_policy={"Name": "unless-stopped"})
        for name in ("dockerd", "containerd"):
            process = own.daemon(name).process()
            assert process is not None
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert docker_engine.status(machine.home).health == "down"
        assert ensure_docker(machine.home, pid=os.getpid()) == machine.engine
        assert wait_until(lambda: running(survivor), seconds=20)
        shims = [line for line in traces(own) if "containerd-shim" in line]
        assert len(shims) == 1, "the dead engine's shim still runs"
        survivor.remove(force=True)

    def test_says_so_when_it_hangs(self, machine: Machine) -> None:
        """An engine that does not answer is broken, not healthy; starting it again mends it."""
        process = OwnDocker.here().daemon("containerd").process()
        assert process is not None
        process.kill()
        process.wait(10)
        assert docker_engine.status(machine.home).health.startswith("broken")
        ensure_docker(machine.home, pid=os.getpid())
        assert docker_engine.status(machine.home).health == "healthy"

    def test_runs_beside_another(
        self, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two caches, two engines: neither takes the other's network, rules or published ports."""
        port = free_port()
        server = machine.run("python3", "-m", "http.server", "80", ports={"80/tcp": ("127.0.0.1", port)})
        assert wait_until(lambda: answers_http(port), seconds=20)
        monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path / "cache"))
        second = OwnDocker.here()
        monkeypatch.setenv("DOCKER_HOST", second.host)
        home = Home(tmp_path / "home")
        try:
            other = ensure_docker(home, pid=os.getpid())
            assert other.gateway != machine.engine.gateway
            assert answers_http(port)
        finally:
            release_docker(home)
        assert traces(second) == []
        assert answers_http(port)
        server.remove(force=True)
        purge_docker()
        assert not second.data.exists()

    def test_is_not_purged_under_another_home(self, machine: Machine, tmp_path: Path) -> None:
        """Its images and containers are not ours alone to remove."""
        assert find_docker(Home(tmp_path)) == machine.engine
        with pytest.raises(SandboxError, match=str(machine.home.root)):
            purge_docker()

    def test_reports_a_data_folder_it_cannot_use(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One line with the fix instead of a traceback."""
        (tmp_path / "docker").write_text("in the way")
        monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path))
        monkeypatch.setenv("DOCKER_HOST", OwnDocker.here().host)
        with pytest.raises(SandboxError, match="cannot write to") as caught:
            ensure_docker(Home(tmp_path / "home"), pid=os.getpid())
        assert "ANTGENT_CACHE" in caught.value.fix
        assert traces(OwnDocker.here()) == []


def running(container: Container) -> bool:
    container.reload()
    return container.status == "running"


def answers_http(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False).status_code == 200
    return False


class TestContainers:
    def test_find_each_other_by_name_and_reach_the_host(self, machine: Machine) -> None:
        """With packet rules of our own, Docker's names, networks and `host-gateway` must still work."""
        network = machine.client.networks.create(f"test-{uuid.uuid4().hex[:8]}", driver="bridge")
        try:
            server = machine.run(
                "python3", "-m", "http.server", "80", name="the-server", network=network.name
            )
            with socket.create_server((machine.engine.gateway, 0)) as host:
                port = host.getsockname()[1]
                said = machine.output(
                    "python3", "-c", CLIENT, machine.engine.gateway, str(port), network=network.name,
                    extra_hosts={"host.docker.internal": "host-gateway"},
                )  # fmt: skip
            assert said.split() == ["200", "host.docker.internal", machine.engine.gateway]
            server.remove(force=True)
        finally:
            network.remove()


CLIENT = """
import socket, sys, time, urllib.error, urllib.request
deadline = time.monotonic() + 20
while True:
    try:
        print(urllib.request.urlopen("http://the-server/", timeout=5).status)
        break
    except urllib.error.URLError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.2)
for host in ("host.docker.internal", sys.argv[1]):
    socket.create_connection((host, int(sys.argv[2])), timeout=5)
    print(host)
"""


class TestRegistry:
    def test_keeps_address_and_digests_over_restarts(self, machine: Machine) -> None:
        """Deployed references stay valid after `make down` and `make up`."""
        first = registry.ensure_registry(machine.home, machine.engine)
        digest = push(machine, first.address)
        assert registry.stop_registry(machine.home) is True
        assert registry.find_registry(machine.home) is None
        second = registry.ensure_registry(machine.home, machine.engine)
        assert second.address == first.address
        machine.client.images.pull(f"{second.address}/probe@{digest}")
        assert registry.ensure_registry(machine.home, machine.engine) == second, "a healthy one was restarted"

    def test_is_repaired_after_it_was_killed(self, machine: Machine) -> None:
        """A stale pid file does not keep it down."""
        before = registry.ensure_registry(machine.home, machine.engine)
        assert before.pid
        psutil.Process(before.pid).kill()
        assert wait_until(lambda: registry.find_registry(machine.home) is None, seconds=5)
        assert registry.status(machine.home).health == "down"
        assert registry.ensure_registry(machine.home, machine.engine).address == before.address

    def test_moves_when_its_port_is_taken(self, machine: Machine) -> None:
        """It comes up all the same; the unit tests hold what it says."""
        before = registry.ensure_registry(machine.home, machine.engine)
        registry.stop_registry(machine.home)
        port = int(before.address.rpartition(":")[2])
        assert wait_until(lambda: free_port(port) == port, seconds=10), "a killed server lets its port go"
        with socket.create_server(("127.0.0.1", port)):
            after = registry.ensure_registry(machine.home, machine.engine)
        assert after.address != before.address

    def test_listens_on_loopback_only(self, machine: Machine) -> None:
        """It has no password."""
        found = registry.ensure_registry(machine.home, machine.engine)
        assert found.pid
        assert {
            one.laddr.ip for one in psutil.Process(found.pid).net_connections() if one.status == "LISTEN"
        } == {"127.0.0.1"}


def push(machine: Machine, address: str) -> str:
    image = machine.client.images.get(machine.images.runtime)
    assert image.tag(f"{address}/probe", "1")
    for line in machine.client.images.push(f"{address}/probe", "1", stream=True, decode=True):
        assert "error" not in line, line
        if "Digest" in line.get("aux", {}):
            return line["aux"]["Digest"]
    raise AssertionError("the push told no digest")


@workflow.defn(sandboxed=False)
class Greet:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"hello {name}"


class TestTemporal:
    def test_runs_a_workflow_through_the_bridge(self, machine: Machine) -> None:
        """The worker's way: from a container's network, through all inner services, to a result."""
        server = temporal.ensure_temporal(machine.home, machine.engine)
        assert server.address.startswith(machine.engine.gateway)
        assert asyncio.run(greet(server.address, f"greet-{uuid.uuid4()}")) == "hello you"

    def test_is_reached_from_a_container_on_any_network(self, machine: Machine) -> None:
        """antgent's containers are on a network of their own."""
        host, port = temporal.ensure_temporal(machine.home, machine.engine).address.split(":")
        network = machine.client.networks.create(f"test-{uuid.uuid4().hex[:8]}", driver="bridge")
        try:
            script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); print('in')"
            assert machine.output("python3", "-c", script, host, port, network=network.name).strip() == "in"
        finally:
            network.remove()

    def test_keeps_workflows_and_address_over_a_crash(self, machine: Machine) -> None:
        """Work in progress survives; so does what the stack file's settings say."""
        before = temporal.ensure_temporal(machine.home, machine.engine)
        name = f"kept-{uuid.uuid4()}"
        asyncio.run(greet(before.address, name))
        psutil.Process(before.pid).kill()
        assert temporal.find_temporal(machine.home) is None
        after = temporal.ensure_temporal(machine.home, machine.engine)
        assert (after.address, after.pid == before.pid) == (before.address, False)
        assert asyncio.run(result(after.address, name)) == "hello you"

    def test_follows_a_changed_bridge_and_stops_wholly(self, machine: Machine) -> None:
        """Another engine, another gateway: the server stays, only the way to it is made anew."""
        before = temporal.ensure_temporal(machine.home, machine.engine)
        moved = DockerEngine(machine.engine.host, machine.engine.version, ours=True, gateway="127.0.0.2")
        with contextlib.suppress(psutil.Error):
            subprocess.run(["ip", "address", "add", "127.0.0.2/32", "dev", "lo"], check=True)
        try:
            after = temporal.ensure_temporal(machine.home, moved)
            assert after.pid == before.pid
            assert after.address.startswith("127.0.0.2:")
            assert temporal.status(machine.home).health == "healthy"
        finally:
            temporal.stop_temporal(machine.home)
            subprocess.run(["ip", "address", "delete", "127.0.0.2/32", "dev", "lo"], check=True)
        assert temporal.find_temporal(machine.home) is None
        assert temporal.status(machine.home).health == "down"


async def greet(address: str, name: str) -> str:
    client = await Client.connect(address)
    async with Worker(client, task_queue="greet", workflows=[Greet]):
        return await client.execute_workflow(
            Greet.run, "you", id=name, task_queue="greet", execution_timeout=timedelta(seconds=30)
        )


async def result(address: str, name: str) -> str:
    client = await Client.connect(address)
    return await client.get_workflow_handle(name).result(rpc_timeout=timedelta(seconds=10))


class TestBaseImages:
    def test_are_found_again_under_the_same_names(self, machine: Machine) -> None:
        """Otherwise every `up` would see a changed build argument."""
        assert find_base_images(machine.engine) == machine.images
        assert ensure_base_images(machine.engine) == machine.images

    def test_runtime_starts_locked_down(self, machine: Machine) -> None:
        """As antgent's containers do: not root, nothing writable, no capabilities."""
        script = "import ssl, sqlite3, ctypes, zoneinfo, sys; print(sys.version_info >= (3, 12))"
        said = machine.output("python3", "-c", script, user="10001", read_only=True, cap_drop=["ALL"])
        assert said.strip() == "True"

    def test_runtime_carries_nothing_of_this_machine(self, machine: Machine) -> None:
        """No index, no mirror, no certificate of a proxy, and no pip to use them."""
        if machine.images.runtime.startswith("python:"):
            pytest.skip("the official image is used as it is")
        script = (
            "ls /etc/pip.conf /etc/apt /usr/bin/apt-get /usr/lib/python3/dist-packages/pip 2>/dev/null; true"
        )
        assert machine.output("sh", "-c", script) == ""
        assert "deb " not in machine.output(
            "sh", "-c", "cat /etc/resolv.conf; ls -R /var/lib/apt 2>/dev/null; true"
        )

    def test_builder_makes_an_environment_with_pip(self, machine: Machine) -> None:
        """What antgent's Dockerfile does first."""
        script = "python3 -m venv /v && /v/bin/pip --version && /v/bin/pip config list"
        assert "pip " in machine.output("sh", "-c", script, image=machine.images.builder)
