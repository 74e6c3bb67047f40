"""A container registry on a loopback port, whose address and content stay the same between runs."""

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from sandbox import registry_container as container
from sandbox.console import say, step
from sandbox.docker_engine import DockerEngine, find_docker
from sandbox.errors import SandboxError
from sandbox.packages import Package, can_install, command, ensure_packages
from sandbox.paths import Home
from sandbox.process import Daemon, steady_port
from sandbox.status import PartStatus

PACKAGE = Package("docker-registry", "docker-registry", "the registry that antgent's image is pushed to")
LOOPBACK = "127.0.0.1"
READY_SECONDS = 20


@dataclass(frozen=True)
class Registry:
    """A registry that answers.

    Args:
        address: `127.0.0.1:PORT`, the first part of image references.
        pid: of our process; None when it runs as a container.
    """

    address: str
    pid: int | None


def ensure_registry(home: Home, docker: DockerEngine) -> Registry:
    """The home's registry, started when it is not running.

    Debian's docker-registry where it is installed or can be; else the `registry` image in `docker`.
    The port is chosen free once and remembered, because image references contain it; when another
    program has taken it since, another is chosen and the consequence said. Raises SandboxError when
    it does not come up.
    """
    found = find_registry(home)
    if found is not None:
        return found
    stop_registry(home, docker)
    port = _port(home)
    with step(f"starting the registry at {LOOPBACK}:{port}"):
        if not PACKAGE.missing or can_install():
            ensure_packages([PACKAGE])
            _start_process(home, port)
        else:
            container.start(docker, home, port, ready=lambda: _healthy(port))
    started = find_registry(home)
    if started is None:
        raise SandboxError("the registry ended right after its start", fix=f"see {home.log('registry')}")
    return started


def find_registry(home: Home) -> Registry | None:
    """The home's registry when it runs and answers; starts nothing."""
    port = _remembered(home)
    process = _daemon(home).process()
    if port is None or not _healthy(port) or (process is None and not container.marker(home).exists()):
        return None
    return Registry(f"{LOOPBACK}:{port}", process.pid if process else None)


def stop_registry(home: Home, docker: DockerEngine | None = None) -> bool:
    """End the home's registry; its content and port stay. Returns whether one was running."""
    ended = _daemon(home).stop()
    if container.marker(home).exists():
        ended |= container.remove(docker or find_docker(home), home)
    return ended


def status(home: Home) -> PartStatus:
    """The registry's row in the status table."""
    found = find_registry(home)
    process = _daemon(home).process()
    if found is not None:
        version = str(_daemon(home).facts().get("version", "")) if process else container.IMAGE
        return PartStatus("registry", version, found.address, found.pid, "healthy")
    if process is not None:
        why = f"broken: GET /v2/ does not answer 200, see {home.log('registry')}"
        return PartStatus("registry", address=f"{LOOPBACK}:{_remembered(home)}", pid=process.pid, health=why)
    return PartStatus("registry")


def _daemon(home: Home) -> Daemon:
    return Daemon("registry", home.pid_file("registry"), home.log("registry"))


def _port_file(home: Home) -> Path:
    return home.folder("registry") / "port"


def _remembered(home: Home) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(_port_file(home).read_text())
    return None


def _port(home: Home) -> int:
    """The remembered port when it is free, else a new one."""
    before = _remembered(home)
    port = steady_port(before, f"registry {home.id}", LOOPBACK)
    if before and port != before:
        say(f"  another program listens on {LOOPBACK}:{before}: the registry moves to port {port}")
        say("  references contain the port, so the next deployment replaces the containers")
    _port_file(home).write_text(str(port))
    return port


def _healthy(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{LOOPBACK}:{port}/v2/", timeout=2, trust_env=False).status_code == 200
    return False


def _start_process(home: Home, port: int) -> None:
    folder = home.folder("registry")
    config = folder / "config.json"  # JSON is YAML, and needs no escaping of paths
    config.write_text(json.dumps(_settings(folder / "data", port), indent=1))
    daemon = _daemon(home)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY_", "OTEL_"))}
    daemon.start(
        [command("docker-registry"), "serve", str(config)],
        ready=lambda: _healthy(port),
        seconds=READY_SECONDS,
        env=env,
        facts={"version": _version()},
    )


def _settings(storage: Path, port: int) -> dict[str, object]:
    storage.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"{LOOPBACK}:{port}", "secret": os.urandom(16).hex()},
    }


def _version() -> str:
    done = subprocess.run([command("docker-registry"), "--version"], capture_output=True, text=True)
    return done.stdout.split()[-1] if done.stdout else ""
