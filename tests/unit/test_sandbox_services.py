"""The sandbox's services as far as they need no server: leases, settings, packages, networks, forwarding."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox import debian_tree, docker_engine, forward, packages, registry
from sandbox.docker_leases import Leases
from sandbox.docker_network import CANDIDATES, choose_pool
from sandbox.errors import SandboxError
from sandbox.packages import Package
from sandbox.paths import Home
from sandbox.pip_settings import BUNDLE, PipSettings, read_options
from sandbox.process import free_port, listening, steady_port, wait_until


@pytest.fixture(autouse=True)
def a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The person's cache and engine stay untouched."""
    monkeypatch.setenv("ANTGENT_CACHE", str(tmp_path / "cache"))


def a_home(folder: Path) -> Home:
    folder.mkdir(parents=True)
    return Home(folder)


class TestLeases:
    def test_last_until_they_are_dropped(self, tmp_path: Path) -> None:
        """A checkout keeps the shared engine between commands."""
        leases, home = Leases(tmp_path / "leases"), a_home(tmp_path / "home")
        leases.take(home)
        leases.sweep()
        assert leases.holders() == [home.root]
        leases.drop(home)
        assert leases.holders() == []

    def test_end_with_the_home(self, tmp_path: Path) -> None:
        """A deleted checkout does not keep the engine running for ever."""
        leases, home = Leases(tmp_path / "leases"), a_home(tmp_path / "home")
        leases.take(home)
        home.root.rmdir()
        leases.sweep()
        assert leases.holders() == []

    def test_end_with_the_process_when_they_have_one(self, tmp_path: Path) -> None:
        """A killed test session does not keep the engine running for ever."""
        leases, home = Leases(tmp_path / "leases"), a_home(tmp_path / "home")
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        leases.take(home, process.pid)
        leases.sweep()
        assert leases.holders() == [home.root]
        process.communicate()
        leases.sweep()
        assert leases.holders() == []

    def test_survive_a_damaged_file(self, tmp_path: Path) -> None:
        """A half-written lease is swept, not a traceback."""
        leases = Leases(tmp_path)
        (tmp_path / "damaged.json").write_text("{")
        leases.sweep()
        assert leases.holders() == []


class TestPipSettings:
    LISTING = "\n".join(
        [
            "global.index-url='https://files.example/simple'",
            "global.find-links='/opt/wheels'",
            "install.trusted-host='files.example'",
            ":env:.timeout='5'",
        ]
    )

    def test_keep_how_to_reach_the_index_and_drop_folders_of_this_machine(self) -> None:
        """The build stage must use the machine's index; a local folder does not exist there."""
        options = read_options(self.LISTING, {})
        assert options == {"index-url": "https://files.example/simple", "trusted-host": "files.example"}

    def test_variables_win_over_files(self) -> None:
        """As with pip itself."""
        options = read_options(
            self.LISTING, {"PIP_INDEX_URL": "https://other.example/simple", "PIP_CERT": "/ca"}
        )
        assert (options["index-url"], options["cert"]) == ("https://other.example/simple", "/ca")

    def test_become_a_pip_conf_that_pip_reads(self, tmp_path: Path) -> None:
        """Also values of several lines; the certificate path is the one inside the image."""
        settings = PipSettings((("extra-index-url", "https://a.example\nhttps://b.example"),), b"certificate")
        files = settings.files()
        assert files[BUNDLE] == b"certificate"
        conf = tmp_path / "pip.conf"
        conf.write_bytes(files["/etc/pip.conf"])
        listing = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"],
            env={**os.environ, "PIP_CONFIG_FILE": str(conf)}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert f"global.cert='{BUNDLE}'" in listing
        assert "https://a.example\\nhttps://b.example" in listing

    def test_are_empty_on_an_ordinary_machine(self) -> None:
        """Then the builder is the base itself, without a layer."""
        assert PipSettings(()).empty

    def test_are_described_without_values(self) -> None:
        """An index address may hold a password, and the summary is printed."""
        assert "secret" not in PipSettings((("index-url", "https://me:secret@files.example"),)).summary


class TestPackages:
    PACKAGE = Package("no-such-package", "no-such-command", "a test")

    def test_that_are_there_are_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is installed, or even asked, when the command exists."""
        monkeypatch.setattr(packages, "_prefix", lambda: pytest.fail("asked for root"))
        packages.ensure_packages([Package("coreutils", "ls", "a test")])

    def test_are_named_where_there_is_no_apt(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """On another system the person installs them, and is told which."""
        monkeypatch.setattr(packages, "SYSTEM_PATH", str(tmp_path))
        with pytest.raises(SandboxError, match=r"no-such-package.*no apt-get"):
            packages.ensure_packages([self.PACKAGE])

    def test_need_root_or_sudo(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The fix is the very command to type."""
        script(tmp_path / "apt-get", "exit 0")
        monkeypatch.setattr(packages, "SYSTEM_PATH", str(tmp_path))
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(SandboxError) as caught:
            packages.ensure_packages([self.PACKAGE])
        assert caught.value.fix == "sudo apt-get install -y --no-install-recommends no-such-package"

    def test_failing_shows_apts_last_lines(self, apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What apt said is what helps."""
        script(apt, 'case "$*" in *install*) echo E: Unable to locate package; exit 100;; esac')
        monkeypatch.setattr(packages, "_prefix", list)
        with pytest.raises(SandboxError, match="Unable to locate package"):
            packages.ensure_packages([self.PACKAGE])

    def test_start_no_service_and_leave_no_policy(
        self, apt: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Debian's docker.io would start a daemon of its own; the policy that stops it is gone after."""
        policy, seen = tmp_path / "policy-rc.d", tmp_path / "seen"
        script(apt, f'case "$*" in *install*) cp {policy} {seen}; exit 1;; esac')
        monkeypatch.setattr(
            packages, "INSTALL", packages.INSTALL.replace("/usr/sbin/policy-rc.d", str(policy))
        )
        monkeypatch.setattr(packages, "_prefix", list)
        with pytest.raises(SandboxError):
            packages.ensure_packages([self.PACKAGE])
        assert subprocess.run([seen]).returncode == 101
        assert not policy.exists()

    def test_respect_a_policy_that_was_there(
        self, apt: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The machine's owner wrote it."""
        policy = tmp_path / "policy-rc.d"
        script(policy, "exit 104")
        script(apt, "exit 1")
        monkeypatch.setattr(
            packages, "INSTALL", packages.INSTALL.replace("/usr/sbin/policy-rc.d", str(policy))
        )
        monkeypatch.setattr(packages, "_prefix", list)
        with pytest.raises(SandboxError):
            packages.ensure_packages([self.PACKAGE])
        assert subprocess.run([policy]).returncode == 104

    @pytest.fixture
    def apt(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """An apt-get of the test's own, first on PATH."""
        folder = tmp_path / "bin"
        folder.mkdir()
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        script(folder / "apt-get", "exit 0")
        return folder / "apt-get"


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


class TestNetworkChoice:
    def test_stays_the_same_when_nothing_is_in_the_way(self) -> None:
        """Addresses that stack files and containers know do not change at a restart."""
        assert choose_pool(CANDIDATES[7], []) == CANDIDATES[7]

    def test_avoids_what_is_routed_or_resolves_names(self) -> None:
        """A VPN or another engine keeps its addresses."""
        used = [ipaddress.IPv4Network("10.200.3.0/24"), ipaddress.IPv4Network("10.201.0.9/32")]
        assert choose_pool(CANDIDATES[0], used) == CANDIDATES[2]

    def test_is_an_error_when_all_is_taken(self) -> None:
        """With a hint where to look."""
        with pytest.raises(SandboxError, match="no free network") as caught:
            choose_pool("", [ipaddress.IPv4Network("10.0.0.0/8")])
        assert "ip route" in caught.value.fix


class TestDebianTree:
    def test_key_follows_the_recipe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A changed recipe is a new image, the same recipe the cached one."""
        before = debian_tree.recipe_key()
        assert before == debian_tree.recipe_key()
        monkeypatch.setattr(debian_tree, "RUNTIME", ("python3",))
        assert debian_tree.recipe_key() != before

    def test_stripping_keeps_licences_and_stays_inside(self, tmp_path: Path) -> None:
        """A link in the tree must never lead to files of the machine."""
        outside, tree = tmp_path / "outside", tmp_path / "tree"
        for folder in (outside, tree / "usr/share/doc/a", tree / "usr/share/man/man1"):
            folder.mkdir(parents=True)
        for file in (
            outside / "precious",
            tree / "usr/share/doc/a/copyright",
            tree / "usr/share/doc/a/changelog",
        ):
            file.write_text("x")
        (tree / "usr/share/doc/b").symlink_to(outside)
        assert debian_tree._strip(tree) > 0
        left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        assert left == {"outside/precious", "tree/usr/share/doc/a/copyright"}
        assert not (tree / "usr/share/man").exists()


class TestRegistryPort:
    def test_stays_the_same(self, tmp_path: Path) -> None:
        """References to images contain it."""
        home = a_home(tmp_path / "home")
        assert registry._port(home) == registry._port(home)

    def test_moves_when_another_program_took_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And the person learns what that means."""
        home = a_home(tmp_path / "home")
        before = registry._port(home)
        with socket.create_server(("127.0.0.1", before)):
            assert registry._port(home) != before
        said = capsys.readouterr().err
        assert str(before) in said
        assert "replaces the containers" in said


def test_a_port_is_none_that_outgoing_connections_take() -> None:
    """Else any program's connection may hold it when what it was chosen for starts, first or again."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < min(first_outgoing, 30_000)
    port = steady_port(None, "a home")
    assert port < min(first_outgoing, 30_000)
    assert steady_port(port, "another home") == port
    with socket.create_server(("127.0.0.1", port)):
        assert steady_port(port, "a home") != port


class TestDockerHost:
    def test_that_is_dead_is_an_error_with_its_fix(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """We never start another engine behind the back of one who named theirs."""
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        with pytest.raises(SandboxError, match="no Docker engine answers") as caught:
            docker_engine.ensure_docker(Home(tmp_path))
        assert "unset DOCKER_HOST" in caught.value.fix
        assert docker_engine.find_docker(Home(tmp_path)) is None
        assert docker_engine.status(Home(tmp_path)).health.startswith("broken: no Docker engine answers")

    def test_that_is_too_old_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str
    ) -> None:
        """BuildKit and host-gateway need 20.10."""
        monkeypatch.setenv("DOCKER_HOST", old)
        with pytest.raises(SandboxError, match=r"19\.03\.1, older than 20\.10"):
            docker_engine.ensure_docker(Home(tmp_path))

    @pytest.fixture
    def old(self) -> Iterator[str]:
        """Something that answers like an engine of 2019."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), OldEngine)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()


class OldEngine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = {
            "Version": "19.03.1",
            "ApiVersion": "1.40",
            "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_gateway_is_told_or_the_first_address() -> None:
    """Some engines leave the gateway of their default bridge out."""
    assert docker_engine._gateway([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}]) == "172.17.0.9"
    assert docker_engine._gateway([{"Subnet": "172.17.0.0/16"}]) == "172.17.0.1"
    assert docker_engine._gateway(None) == ""


class TestForwarding:
    def test_carries_both_ways_and_ends_when_asked(self, forwarder: int, target: socket.socket) -> None:
        """A half-closed connection still delivers its answer, as HTTP/1.0 clients expect."""
        with socket.create_connection(("127.0.0.1", forwarder), timeout=5) as near:
            far, _ = target.accept()
            with far:
                near.sendall(b"question")
                near.shutdown(socket.SHUT_WR)
                assert read_all(far) == b"question"
                far.sendall(b"answer")
                far.shutdown(socket.SHUT_WR)
            assert read_all(near) == b"answer"

    def test_refuses_when_the_target_is_gone(self, forwarder: int, target: socket.socket) -> None:
        """The client learns it at once instead of waiting, and the forwarder lives on."""
        target.close()
        assert hung_up(forwarder)
        assert hung_up(forwarder)

    @pytest.fixture
    def target(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(5)
            yield server

    @pytest.fixture
    def forwarder(self, target: socket.socket) -> Iterator[int]:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, forward.__file__, f"127.0.0.1:{port}", f"127.0.0.1:{target.getsockname()[1]}"]
        )
        try:
            assert wait_until(lambda: listening(port), seconds=10)
            target.accept()[0].close()  # the one that `listening` made
            yield port
        finally:
            process.terminate()
            process.wait(10)


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    return b"".join(iter(lambda: connection.recv(1024), b""))


def hung_up(port: int) -> bool:
    """Whether a connection to `port` is ended by the other side without a byte."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as near:
        try:
            return near.recv(1) == b""
        except ConnectionResetError:
            return True
