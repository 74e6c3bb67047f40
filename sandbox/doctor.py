"""`make doctor`: what this machine has and lacks, and the command that mends it."""

import os
import shutil
from dataclasses import dataclass

import psutil

from sandbox import docker_engine
from sandbox.engine import find_engine
from sandbox.errors import SandboxError
from sandbox.packages import can_install
from sandbox.paths import Home, cache_dir

DISK_GB, MEMORY_GB = 12, 4


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Args:
        what: the finding, with the value found.
        fix: what mends it; empty when it is good.
    """

    what: str
    fix: str = ""

    @property
    def good(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.fix


def examine(home: Home) -> list[Finding]:
    """Look at what the sandbox needs, starting nothing."""
    return [_disk(home), _memory(), _rights(), _docker(home), _engine()]


def _disk(home: Home) -> Finding:
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = min(shutil.disk_usage(folder).free for folder in (place, cache_dir())) / 1e9
    what = f"disk: {free:.0f} GB free for the sandbox and its cache"
    return Finding(
        what, "" if free > DISK_GB else f"free {DISK_GB} GB, or export ANTGENT_CACHE=<a larger disk>"
    )


def _memory() -> Finding:
    size = psutil.virtual_memory().total / 1e9
    return Finding(
        f"memory: {size:.0f} GB", "" if size > MEMORY_GB else f"use a machine with {MEMORY_GB} GB or more"
    )


def _rights() -> Finding:
    if os.geteuid() == 0:
        return Finding("rights: root")
    if can_install():
        return Finding("rights: a user who may install Debian packages by sudo")
    return Finding("rights: neither root nor sudo", "start Docker by hand, or run as root")


def _docker(home: Home) -> Finding:
    try:
        found = docker_engine.find_docker(home)
    except SandboxError as error:
        return Finding(f"docker: {error.problem}", error.fix)
    if found:
        return Finding(
            f"docker: {found.version} at {found.host}{' (started by the sandbox)' if found.ours else ''}"
        )
    if os.environ.get("DOCKER_HOST"):
        return Finding(
            f"docker: nothing answers at DOCKER_HOST={os.environ['DOCKER_HOST']}",
            "start it, or unset DOCKER_HOST",
        )
    if os.geteuid() == 0 and can_install():
        return Finding("docker: none runs; `make up` starts one of its own")
    return Finding("docker: none runs, and none can be started without root", "start Docker")


def _engine() -> Finding:
    found = find_engine()
    return Finding(
        f"pulumi: {found.version} ({found.origin})" if found else "pulumi: none yet; `make up` gets one"
    )
