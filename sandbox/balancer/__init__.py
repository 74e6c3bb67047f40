"""A real load balancer behind moto's ELBv2: Debian's haproxy, as README.md of this folder describes."""

import logging
import os
from pathlib import Path

from sandbox.balancer import certificates, targets
from sandbox.balancer.names import HOSTS
from sandbox.balancer.proxy import ensure_installed
from sandbox.balancer.targets import Health
from sandbox.balancer.watcher import Watcher
from sandbox.balancer.watcher import clean as _clean

_running: list[Watcher] = []
NOT_ROOT = "the ports of load balancers (80, 443) and the hosts file need root"


def start(folder: Path, *, hosts: Path = HOSTS) -> None:
    """Serve the load balancers of this process's moto, until `stop`.

    What a killed predecessor left is removed first. Where haproxy cannot be had, or without root, the
    API still answers: targets stay `initial`, with the reason as their description.

    Args:
        folder: for configuration, certificates (`ca.pem` is the authority's), log and pid file.
        hosts: the hosts file. Defaults to the machine's.
    """
    stop()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _clean(folder, hosts)
    certificates.ensure_authority(folder)
    problem = ensure_installed() if os.geteuid() == 0 else NOT_ROOT
    if problem:
        logging.getLogger("sandbox.balancer").warning("no load balancer runs: %s", problem)
    watcher = Watcher(folder, hosts, problem)
    targets.install(watcher.health)
    _running.append(watcher)
    watcher.start()


def stop() -> None:
    """End the proxy and take the names out of the hosts file; nothing when there is nothing."""
    while _running:
        _running.pop().stop()


def clean(folder: Path, *, hosts: Path = HOSTS) -> None:
    """What `stop` does, from another process, for a server that was killed."""
    if folder.exists():
        _clean(folder, hosts)


def health(target_group_arn: str, id_: str, port: int) -> tuple[str, str | None]:
    """A target's state and AWS's reason code: `("unhealthy", "Target.Timeout")`; healthy ones have none.

    Raises:
        LookupError: no load balancer was started in this process.
    """
    if not _running:
        raise LookupError("no load balancer was started in this process: call sandbox.balancer.start")
    found: Health = _running[-1].health(target_group_arn, id_, port)
    return found.state, found.reason
