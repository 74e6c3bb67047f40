"""The locks of Pulumi's file backend: who holds one, and what to do when its holder is dead."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Lock:
    """A lock on a stack.

    Args:
        file: where the backend keeps it.
        pid, host, user: the process that holds it.
        since: when it was taken, as the backend wrote it.
    """

    file: Path
    pid: int
    host: str
    user: str
    since: str

    @property
    def holder(self) -> psutil.Process | None:
        """The living process that holds it; None when it is dead, or its pid is another's by now."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            # A start time is known to a hundredth of a second only.
            started_before = process.create_time() <= datetime.fromisoformat(self.since).timestamp() + 1
            if started_before and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    @property
    def stale(self) -> bool:
        """Whether its holder, a process of this machine, is dead."""
        return self.host == socket.gethostname() and self.holder is None


def locks(state: Path, project: str, stack: str) -> list[Lock]:
    """The locks that the file backend in the folder `state` has on a stack."""
    found = []
    for file in sorted(state.glob(f".pulumi/locks/*/{project}/{stack}/*.json")):
        # One that is just being taken or released is no lock to explain.
        with contextlib.suppress(OSError, ValueError, KeyError):
            held = json.loads(file.read_text())
            user, since = held.get("username", "?"), held["timestamp"]
            found.append(Lock(file, held["pid"], held["hostname"], user, since))
    return found


def free_stale_locks(state: Path, project: str, stack: str) -> list[Lock]:
    """Remove the locks whose holders are dead, and end what those left running; returns them.

    Raises SandboxError that says who holds the stack when somebody alive does.
    """
    freed = []
    for lock in locks(state, project, stack):
        if not lock.stale:
            raise SandboxError(_explained(lock, stack), fix=_way_out(lock, stack))
        # Only this one, not `pulumi cancel`: that would also take a lock somebody takes at this moment.
        lock.file.unlink(missing_ok=True)
        freed.append(lock)
    if freed:
        end_orphans(state)
    return freed


def end_orphans(state: Path) -> None:
    """End the language hosts and plugins that a killed engine on this state left running."""
    for process in list(_orphans(state)):
        with contextlib.suppress(psutil.Error):
            for one in [*process.children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


def _orphans(state: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            started_as = " ".join(process.cmdline()[:2])
            if not any(kind in started_as for kind in ("pulumi-language-", "pulumi-resource-")):
                continue
            if _abandoned(process) and process.environ().get("PULUMI_BACKEND_URL") == state.as_uri():
                yield process


def _abandoned(process: psutil.Process) -> bool:
    parent = process.parent()
    if parent is None or "pulumi" not in parent.name():
        return True
    # The engine has threads: between the end of its first and its last one it is a zombie with children.
    return parent.status() == psutil.STATUS_ZOMBIE


def _explained(lock: Lock, stack: str) -> str:
    process = lock.holder
    command = ""
    with contextlib.suppress(psutil.Error):
        command = f", `{' '.join(process.cmdline()[:3])}`" if process else ""
    where = f"pid {lock.pid} of {lock.user} on {lock.host}"
    return f"stack {stack} is locked by another pulumi ({where}{command}) since {lock.since[:19]}"


def _way_out(lock: Lock, stack: str) -> str:
    if lock.host != socket.gethostname():
        return f"wait for it; if it is dead for sure: pulumi cancel --stack {stack}"
    return f"wait for it, or end it gracefully: kill -INT {lock.pid}"
