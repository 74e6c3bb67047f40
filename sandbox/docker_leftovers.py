"""What a killed dockerd leaves behind, found by the places that only our engine uses, and removed."""

import contextlib
import shutil
import subprocess
from pathlib import Path

import psutil

from sandbox.errors import SandboxError
from sandbox.packages import command


def end_shims(containerd_socket: Path) -> None:
    """Kill the container shims that were started for our containerd, with their containers."""
    for process in psutil.process_iter(["name", "cmdline"]):
        line, name = process.info["cmdline"] or [], process.info["name"] or ""
        if not name.startswith("containerd-shim") or str(containerd_socket) not in line:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [*process.children(recursive=True), process]
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family, timeout=5)


def remove_folder(folder: Path) -> None:
    """Remove a folder, but never what is mounted in it: that could be the machine's own /dev."""
    unmount_below(folder)
    if points := _mounted_below(folder):
        raise SandboxError(f"{points[-1]} is still mounted", fix=f"umount {points[-1]}, then run again")
    shutil.rmtree(folder, ignore_errors=True)


def unmount_below(folder: Path) -> None:
    """Unmount everything mounted at or under `folder`, the innermost first."""
    for point in reversed(_mounted_below(folder)):
        subprocess.run([command("umount"), "--lazy", point], capture_output=True)


def _mounted_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if Path(point).is_relative_to(folder)]


def remove_cgroups(name: str) -> None:
    """Remove the empty cgroups under `name` in every hierarchy."""
    root = Path("/sys/fs/cgroup")
    for top in [*root.glob(f"*/{name}"), root / name]:
        inner = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*inner, top]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def remove_run_files(run: Path) -> None:
    """Remove our runtime folder, and the shims' sockets, which containerd keeps in a fixed place."""
    for address in run.glob("containerd/io.containerd.runtime.v2.task/*/*/address"):
        with contextlib.suppress(OSError):
            Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    remove_folder(run)
    for folder in map(Path, ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker")):
        with contextlib.suppress(OSError):
            folder.rmdir()
