"""A small Debian with Python, made by debootstrap from the machine's own mirror and kept as tar files."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from sandbox.console import say, step
from sandbox.docker_leftovers import remove_folder
from sandbox.errors import SandboxError
from sandbox.packages import SYSTEM_PATH, Package, command, ensure_packages
from sandbox.paths import cache_dir

SUITE = "trixie"
RUNTIME = ("python3", "ca-certificates")
BUILDER = ("python3-venv",)
# Gone from the runtime: what only the builder needs, and the package manager with all that only it uses.
PURGE = (
    "python3-venv",
    "python3.13-venv",
    "python3-pip-whl",
    "python3-setuptools-whl",
    "apt",
    "libapt-pkg7.0",
    "sqv",
    "debian-archive-keyring",
    "debconf",
    "perl-base",
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

PACKAGES = (
    Package("debootstrap", "debootstrap", "makes the base image, since no image can be pulled here"),
    Package("debian-archive-keyring", str(KEYRING), "Debian's keys, to check what debootstrap downloads"),
)

# What nothing reads at run time. Licences (usr/share/doc/*/copyright) stay.
STRIP = (
    "etc/apt/sources.list",
    "etc/hostname",
    "etc/resolv.conf",
    "usr/lib/*/gconv",
    "usr/share/bash-completion",
    "usr/share/groff",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*",
)


@dataclass(frozen=True)
class Trees:
    """The two tar files of one recipe.

    Args:
        runtime: Debian with Python and nothing to build with.
        builder: the same with `python3 -m venv` and pip.
        key: of the recipe: suite, packages, what is stripped, machine type.
    """

    runtime: Path
    builder: Path
    key: str


def recipe_key() -> str:
    """Eight characters that change when the recipe of the trees does."""
    recipe = [SUITE, RUNTIME, BUILDER, PURGE, STRIP, os.uname().machine]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:8]


def ensure_trees() -> Trees:
    """The two tar files from the cache, or made now (about two minutes); safe when two ask at once.

    Raises SandboxError when the machine is not Debian-like, we are not root, apt names no Debian
    mirror, or debootstrap fails.
    """
    key = recipe_key()
    folder = cache_dir() / "base" / key
    trees = Trees(folder / "runtime.tar", folder / "builder.tar", key)
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.parent / "lock"):
        if not folder.is_dir():
            _check_root()
            ensure_packages(PACKAGES)
            _make(folder, debian_mirror())
    return trees


def debian_mirror() -> str:
    """The Debian mirror in this machine's own apt configuration."""
    for update_first in (False, True):
        if update_first:
            subprocess.run([command("apt-get"), "-q", "update"], capture_output=True)
        done = subprocess.run(
            [
                command("apt-get"),
                "indextargets",
                "--format",
                "$(LABEL)|$(COMPONENT)|$(REPO_URI)",
                "Created-By: Packages",
            ],
            capture_output=True,
            text=True,
        )
        for line in done.stdout.splitlines():
            label, component, uri = line.split("|", 2)
            if (label, component) == ("Debian", "main") and uri.startswith(("http://", "https://")):
                return uri.rstrip("/")
    raise SandboxError(
        "apt's sources here name no Debian mirror to make the base image from",
        fix="let Docker pull images, or add a Debian mirror to /etc/apt/sources.list.d",
    )


def _check_root() -> None:
    if os.geteuid() != 0:
        raise SandboxError(
            "no image can be pulled, and making a base image with debootstrap needs root",
            fix="let Docker pull images, or run as root (sudo)",
        )


def _make(folder: Path, mirror: str) -> None:
    for killed in folder.parent.glob("tmp-*"):
        remove_folder(killed)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="tmp-"))
    tree, out = temporary / "tree", temporary / "out"
    out.mkdir()
    try:
        with step(f"making a base image: Debian {SUITE} with Python (about 2 minutes)"):
            _debootstrap(tree, mirror)
        with step("stripping and packing it"):
            removed = _strip(tree)
            _pack(tree, out / "builder.tar")
            _purge(tree)
            _pack(tree, out / "runtime.tar")
        out.rename(folder)
    finally:
        remove_folder(temporary)
    say(f"  removed {removed / 1e6:.0f} MB of documentation, translations, package lists, caches and logs")


def _debootstrap(tree: Path, mirror: str) -> None:
    include = ",".join((*RUNTIME, *BUILDER))
    done = subprocess.run(
        [
            command("debootstrap"),
            "--variant=minbase",
            f"--keyring={KEYRING}",
            "--force-check-gpg",
            f"--include={include}",
            SUITE,
            str(tree),
            mirror,
        ],
        env=os.environ | {"PATH": SYSTEM_PATH, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        log = tree / "debootstrap" / "debootstrap.log"
        detail = log.read_text(errors="replace") if log.exists() else ""
        said = (done.stdout + detail).strip()
        last = "\n".join(said.splitlines()[-4:])
        fix = "free some space: df -h" if "No space left" in said else "check Debian's mirror: apt-get update"
        raise SandboxError(f"debootstrap failed:\n{last}", fix=fix)


def _strip(tree: Path) -> int:
    """Remove what nothing reads at run time; returns the bytes freed.

    A path through a symbolic link is left alone: it could lead out of the tree.
    """
    freed = 0
    documents = (path for path in tree.glob("usr/share/doc/*/*") if path.name != "copyright")
    named = (path for pattern in STRIP for path in tree.glob(pattern))
    for path in [one for one in (*documents, *named) if one.parent.resolve() == one.parent]:
        freed += _size(path)
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return freed


def _size(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(one.lstat().st_size for one in path.rglob("*"))


def _purge(tree: Path) -> None:
    """Remove `PURGE` through dpkg, so that its database still tells the truth to scanners."""
    forced = ["--force-depends", "--force-remove-essential", "--force-remove-protected"]
    done = subprocess.run(
        [command("chroot"), str(tree), "dpkg", "--purge", *forced, *PURGE],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SandboxError(f"dpkg could not remove packages from the base image:\n{done.stderr[-800:]}")
    _strip(tree)


def _pack(tree: Path, archive: Path) -> None:
    done = subprocess.run(
        [
            command("tar"),
            "--create",
            "--numeric-owner",
            "--sort=name",
            "--file",
            str(archive),
            "--directory",
            str(tree),
            ".",
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SandboxError(
            f"packing the base image failed: {done.stderr.strip()[-300:]}", fix="look at `df -h`"
        )
