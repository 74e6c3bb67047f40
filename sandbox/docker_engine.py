"""The Docker engine: a running one as it is, else one of our own that the user's checkouts share."""

import contextlib
import ipaddress
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.context import ContextAPI
from docker.errors import DockerException
from filelock import FileLock, Timeout
from requests.exceptions import RequestException

from sandbox.console import step
from sandbox.docker_daemon import OwnDocker, answers
from sandbox.docker_leases import Leases
from sandbox.errors import SandboxError
from sandbox.packages import can_install
from sandbox.paths import Home, cache_dir
from sandbox.status import PartStatus

OLDEST = (20, 10)
LOCK_SECONDS = 600


@dataclass(frozen=True)
class DockerEngine:
    """A Docker engine that answers.

    Args:
        host: its address, as in DOCKER_HOST.
        version: the engine's version.
        ours: whether the sandbox started it.
        gateway: the host's address that containers reach (`host-gateway`).
    """

    host: str
    version: str
    ours: bool
    gateway: str

    def client(self, timeout: float = 60) -> docker.DockerClient:
        """A client of the Docker API; close it after use. `timeout` in seconds."""
        return docker.DockerClient(base_url=self.host, timeout=int(timeout), version="auto")


def ensure_docker(home: Home, *, pid: int | None = None) -> DockerEngine:
    """The engine to use: DOCKER_HOST, the running engine, or our own, which is started.

    Our own is held by a lease of `home`, until `release_docker`, or until process `pid` ends when
    one is given. Raises SandboxError when DOCKER_HOST is set but dead, the engine is older than
    20.10, or there is none and we cannot start one.
    """
    theirs = _theirs(home)
    if theirs is not None:
        return theirs
    own = OwnDocker.here()
    with _locked():
        leases = Leases(own.state / "leases")
        leases.sweep()
        if not own.healthy():
            _check_startable()
            with step("starting a Docker engine of our own"):
                own.start()
        leases.take(home, pid)
    return _describe(own.host, ours=True)


def find_docker(home: Home, *, quiet: bool = True) -> DockerEngine | None:
    """The engine `ensure_docker` would use when it is running already; starts nothing.

    `quiet` (the default) turns what `ensure_docker` would raise into None.
    """
    try:
        theirs = _theirs(home)
        if theirs is not None:
            return theirs
        own = OwnDocker.here()
        return _describe(own.host, ours=True) if own.healthy() else None
    except SandboxError:
        if quiet:
            return None
        raise


def release_docker(home: Home) -> bool:
    """Give up the lease of `home`; the last one out stops our own engine.

    Leases of vanished homes and ended processes go too. Returns whether the engine was stopped.
    """
    own = OwnDocker.here()
    with _locked():
        leases = Leases(own.state / "leases")
        leases.drop(home)
        leases.sweep()
        return own.stop() if not leases.holders() else False


def purge_docker() -> None:
    """Remove our engine's images, containers and volumes. Refused while another home uses it."""
    own = OwnDocker.here()
    with _locked():
        leases = Leases(own.state / "leases")
        leases.sweep()
        if holders := leases.holders():
            raise SandboxError(
                f"our Docker engine is still used by {', '.join(map(str, holders))}",
                fix="run `make down` there first",
            )
        own.stop()
        own.purge()


def status(home: Home) -> PartStatus:
    """The engine's row in the status table."""
    own = OwnDocker.here()
    process = own.daemon("dockerd").process()
    try:
        engine = find_docker(home, quiet=False)
    except SandboxError as error:
        return PartStatus("docker", health=f"broken: {error.problem}")
    if engine is not None:
        pid = process.pid if engine.ours and process else None
        return PartStatus("docker", engine.version, engine.host, pid, "healthy")
    if process is not None:
        return PartStatus(
            "docker", address=own.host, pid=process.pid, health="broken: its API does not answer"
        )
    return PartStatus("docker")


def _theirs(home: Home) -> DockerEngine | None:
    """A running engine that is not ours, unless this home's containers already live in ours."""
    own = OwnDocker.here()
    named = os.environ.get("DOCKER_HOST")
    if named and named != own.host:
        return _describe(named, ours=False)
    if named == own.host or Leases(own.state / "leases").held_by(home):
        return None
    usual = ContextAPI.get_current_context().Host
    return _describe(usual, ours=False) if answers(usual) else None


def _describe(host: str, *, ours: bool) -> DockerEngine:
    """The engine at `host`; a SandboxError when it does not answer or is too old."""
    try:
        client = docker.DockerClient(base_url=host, timeout=10, version="auto")
        with contextlib.closing(client):
            version = client.version()["Version"]
            bridge = client.networks.get("bridge").attrs["IPAM"]["Config"]
    except (DockerException, RequestException, OSError) as error:
        raise SandboxError(
            f"no Docker engine answers at {host}{_reason(error)}", fix=_remedy(error)
        ) from error
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise SandboxError(
            f"the Docker engine at {host} is {version}, older than 20.10",
            fix="upgrade Docker, or set DOCKER_HOST to a newer engine",
        )
    gateway = OwnDocker.here().network.gateway() if ours else _gateway(bridge)
    return DockerEngine(host, version, ours, gateway)


def _reason(error: Exception) -> str:
    return ": permission denied" if "PermissionError" in repr(error) else ""


def _remedy(error: Exception) -> str:
    if "PermissionError" in repr(error):
        return "sudo usermod -aG docker $USER, then log in again"
    if "DOCKER_HOST" in os.environ:
        return "start that engine, or `unset DOCKER_HOST` to let the sandbox look for another"
    return "start Docker"


def _gateway(ipam: list[dict[str, str]] | None) -> str:
    """The IPv4 gateway of the default bridge; engines leave it out when it is the first address."""
    for entry in ipam or []:
        if "." in entry.get("Gateway", ""):
            return entry["Gateway"].partition("/")[0]
        if "." in entry.get("Subnet", ""):
            return str(next(ipaddress.ip_network(entry["Subnet"]).hosts()))
    return ""


def _check_startable() -> None:
    if os.geteuid() == 0 and (can_install() or OwnDocker.installed()):
        return
    usual = ContextAPI.get_current_context().Host
    path = Path(usual.removeprefix("unix://"))
    if path.is_socket() and not os.access(path, os.W_OK):
        _describe(usual, ours=False)
    raise SandboxError(
        "no Docker engine is running, and only root on a Debian-like system can start one of its own",
        fix="start Docker (or set DOCKER_HOST), then run again",
    )


@contextlib.contextmanager
def _locked() -> Generator[None]:
    """One command at a time starts or stops our engine."""
    lock = FileLock(cache_dir() / "docker-engine.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise SandboxError(
            f"another command has been busy with our Docker engine for {LOCK_SECONDS // 60} minutes",
            fix="let it end (it may be installing packages), then run again",
        ) from error
    try:
        yield
    finally:
        lock.release()
