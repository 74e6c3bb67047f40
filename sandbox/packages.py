"""Debian packages the sandbox needs, installed only where a command is missing."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from filelock import FileLock

from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.paths import cache_dir

SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))

# A package's script would start its service at once: the policy forbids it while we install, and a
# policy that was there before us stays. The traps also remove ours when apt fails or is interrupted.
INSTALL = """
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] || grep -q 'antgent sandbox' "$policy"; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\n# antgent sandbox: start no service\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
apt-get -q -o DPkg::Lock::Timeout=120 update || echo 'going on with the package lists there are'
apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
  --no-install-recommends install "$@"
"""


@dataclass(frozen=True)
class Package:
    """A Debian package, asked for only when `command` is not there.

    Args:
        name: the package.
        command: what we run from it (a bare name is looked up on PATH and in the sbin folders), or
            the absolute path of a file it brings.
        why: the reason shown to the person whose machine is changed.
    """

    name: str
    command: str
    why: str

    @property
    def missing(self) -> bool:
        return find_command(self.command) is None and not os.path.isfile(self.command)  # noqa: PTH113


def find_command(name: str) -> str | None:
    """The absolute path of a command, also in the sbin folders that an ordinary PATH lacks."""
    return shutil.which(name, path=SYSTEM_PATH)


def command(name: str) -> str:
    """Like `find_command`, but a missing command is a SandboxError."""
    found = find_command(name)
    if found is None:
        raise SandboxError(f"the command {name} is missing", fix=f"install the package that carries {name}")
    return found


def can_install() -> bool:
    """Whether this is a Debian-like system on which we may install (root, or sudo without a password)."""
    return find_command("apt-get") is not None and _prefix() is not None


def ensure_packages(packages: Sequence[Package]) -> None:
    """Install those of `packages` whose command is missing; says each and why.

    No service is started by the installation. Raises SandboxError when the system is not
    Debian-like, we may not install, or apt fails (with its last lines).
    """
    missing = [package for package in packages if package.missing]
    if not missing:
        return
    names = " ".join(package.name for package in missing)
    if find_command("apt-get") is None:
        raise SandboxError(
            f"missing here: {names} (Debian's names), and this system has no apt-get",
            fix="install them with this system's package manager and run again",
        )
    prefix = _prefix()
    if prefix is None:
        raise SandboxError(
            f"missing here: {names}; we are not root and sudo asks for a password",
            fix=f"sudo apt-get install -y --no-install-recommends {names}",
        )
    for package in missing:
        say(f"  installing Debian's {package.name}: {package.why}")
    with FileLock(cache_dir() / "apt.lock"), step(f"apt-get install {names}"):
        _install(prefix, missing)


def _prefix() -> list[str] | None:
    """What makes a command run as root: nothing, `sudo -n`, or None when there is no way."""
    if os.geteuid() == 0:
        return []
    sudo = find_command("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def _install(prefix: Sequence[str], missing: Sequence[Package]) -> None:
    names = [package.name for package in missing]
    done = subprocess.run(
        [*prefix, "sh", "-c", INSTALL, "install", *names],
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )
    absent = [package.name for package in missing if package.missing]
    if done.returncode == 0 and not absent:
        return
    last = "\n".join(done.stdout.splitlines()[-8:])
    if "No space left" in done.stdout or "enough free space" in done.stdout:
        raise SandboxError(f"apt-get has no space left on the disk:\n{last}", fix="free some space: df -h /")
    raise SandboxError(
        f"apt-get could not install {' '.join(absent or names)}:\n{last}",
        fix="run `apt-get update` and look at its errors, then run again",
    )
