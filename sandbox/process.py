"""Daemons that outlive the command that started them, and are ended by id, never by name."""

import contextlib
import hashlib
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.errors import SandboxError

PORTS = range(20_000, 30_000)
"""Ours to choose from: below those that the kernel gives to outgoing connections, of which one could take a port
between its choice and its use, and below Kubernetes' node ports."""


def wait_until(ready: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
    """Poll `ready` until it is true or the deadline passes; says which."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """`preferred` when nothing listens there, else one of `PORTS` where nothing does.

    Raises:
        SandboxError: nothing may listen on that host.
    """
    others = random.SystemRandom().sample(PORTS, 100)
    for candidate in (preferred, *others) if preferred else others:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, candidate))
            return candidate
    raise SandboxError(f"no free port on {host}")


def steady_port(remembered: int | None, key: str, host: str = "127.0.0.1") -> int:
    """`remembered` when nothing listens there, else a free port that is worth remembering.

    A server that has just been killed may hold its port a moment longer: that is waited for, 2 s.

    It is one of `PORTS`; where the search starts depends on `key`.
    """
    start = int.from_bytes(hashlib.sha256(key.encode()).digest()[:2])
    if remembered and wait_until(lambda: free_port(remembered, host) == remembered, seconds=2):
        return remembered
    for candidate in (PORTS[(start + step) % len(PORTS)] for step in range(100)):
        if free_port(candidate, host) == candidate:
            return candidate
    return free_port(0, host)


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections on `host:port`."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file; empty when there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


@dataclass(frozen=True)
class Daemon:
    """A background process known by its pid and start time, so that a reused pid is never killed.

    Args:
        name: what the status table and errors call it.
        pid_file: where pid, start time and `facts` (port, version …) are kept.
        log: where its output goes; truncated at each start.
    """

    name: str
    pid_file: Path
    log: Path

    def process(self) -> psutil.Process | None:
        """The running process, or None when it is gone or the pid now belongs to another."""
        with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
            record = json.loads(self.pid_file.read_text())
            process = psutil.Process(record["pid"])
            if process.create_time() == record["created"] and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def facts(self) -> dict[str, object]:
        """What `start` was told to remember (also of a process that has ended since)."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.pid_file.read_text()).get("facts", {})
        return {}

    def start(
        self,
        command: Sequence[str],
        *,
        ready: Callable[[], bool],
        seconds: float = 30,
        env: Mapping[str, str] | None = None,
        facts: Mapping[str, object] = {},
        cwd: Path | None = None,
    ) -> None:
        """Start `command` in a session of its own and wait until `ready`.

        Raises SandboxError with the log's last lines when it ends early or is not ready in time;
        the process is then gone.
        """
        with self.log.open("wb") as out:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None, cwd=cwd, start_new_session=True,
            )  # fmt: skip
        created = psutil.Process(child.pid).create_time()
        record = {"pid": child.pid, "created": created, "facts": dict(facts)}
        try:
            self.pid_file.write_text(json.dumps(record))
        except OSError:  # a process that nobody could end later must not stay
            child.kill()
            child.wait()
            raise
        with self._gone_on_failure():
            came_up = wait_until(lambda: child.poll() is not None or ready(), seconds=seconds)
            if child.poll() is not None or not came_up:
                how = f"ended with exit code {child.poll()}" if came_up else f"was not ready in {seconds:g} s"
                raise SandboxError(f"{self.name} {how}:\n{log_tail(self.log)}", fix=f"see {self.log}")

    @contextlib.contextmanager
    def _gone_on_failure(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self.stop(grace=3)
            raise

    def stop(self, *, grace: float = 10) -> bool:
        """End the process and its children: SIGTERM, then SIGKILL after `grace` seconds.

        Returns whether there was one to end. The pid file goes with it.
        """
        process = self.process()
        if process is not None:
            family = [process]
            with contextlib.suppress(psutil.NoSuchProcess):
                family += process.children(recursive=True)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            # Not psutil's own wait: it lasts until init has reaped the zombie.
            wait_until(lambda: self.process() is None, seconds=grace, every=0.02)
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        self.pid_file.unlink(missing_ok=True)
        return process is not None
