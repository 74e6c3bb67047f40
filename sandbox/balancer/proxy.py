"""The proxy's process: Debian's haproxy, its runtime API, and reloads that drop no connection."""

import csv
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.packages import Package, command, ensure_packages, find_command
from sandbox.paths import runtime_dir, runtime_path
from sandbox.process import Daemon, wait_until

PACKAGE = Package("haproxy", "haproxy", "the load balancer behind the AWS API: routes, checks health, drains")
READY_SECONDS = 20
ANSWER_SECONDS = 5


@dataclass(frozen=True)
class Row:
    """A server of a backend, as the proxy reports it.

    Args:
        status: `UP`, `DOWN`, `DRAIN`, `MAINT` …, with a count while it changes (`DOWN 1/2`).
        check: the last health check's result, such as `L7OK` or `L7STS`.
        code: its HTTP status.
        health: passed checks in a row that count, 0 when it is down.
        sessions: requests that it serves now.
    """

    backend: str
    name: str
    status: str
    check: str
    code: str
    health: int
    sessions: int


def ensure_installed() -> str:
    """Install haproxy where it is missing; the reason when that is impossible, else nothing."""
    try:
        ensure_packages([PACKAGE])
    except SandboxError as error:
        return str(error)
    return ""


class Proxy:
    """One haproxy, known by its pid file.

    Args:
        folder: for its configuration, state, log and pid file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = runtime_path(f"balancer {folder}") / "haproxy.sock"
        self._daemon = Daemon("the load balancer (haproxy)", folder / "haproxy.json", folder / "haproxy.log")

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._daemon.process() is not None

    def use(self, config: str) -> None:
        """Run with `config`: start, or reload without closing a port or a connection.

        Raises:
            SandboxError: haproxy is missing, refuses the configuration, or does not come up; what ran
                before goes on.
        """
        fresh, file = self.folder / "haproxy.cfg.new", self.folder / "haproxy.cfg"
        fresh.write_text(config)
        self._check(fresh)
        if not self.running:
            (self.folder / "state").write_text("")
            fresh.replace(file)
            self._start(file)
            return
        (self.folder / "state").write_text(self.ask("show servers state"))
        fresh.replace(file)
        self._reload()

    def stop(self) -> bool:
        """End it; says whether it ran."""
        stopped = self._daemon.stop(grace=3)
        if self.socket.parent.exists():
            for file in self.socket.parent.iterdir():
                file.unlink()
            self.socket.parent.rmdir()
        return stopped

    def ask(self, *commands: str) -> str:
        """What the runtime API answers.

        Raises:
            OSError: it does not.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(str(self.socket))
            connection.sendall("; ".join(commands).encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def rows(self) -> list[Row]:
        """Every server of every backend."""
        text = self.ask("show stat -1 4 -1").removeprefix("# ")
        return [_row(one) for one in csv.DictReader(text.splitlines())]

    def _start(self, file: Path) -> None:
        runtime_dir(f"balancer {self.folder}")
        self._daemon.start(
            [command("haproxy"), "-W", "-f", str(file)],
            ready=lambda: self._worker() is not None,
            seconds=READY_SECONDS,
        )

    def _reload(self) -> None:
        process, before = self._daemon.process(), self._worker()
        if process is None:
            raise SandboxError("the load balancer ended", fix=f"see {self._daemon.log}")
        os.kill(process.pid, signal.SIGUSR2)
        if not wait_until(lambda: self._worker() not in (None, before), seconds=READY_SECONDS):
            raise SandboxError(
                "the load balancer did not take its new configuration", fix=f"see {self._daemon.log}"
            )

    def _worker(self) -> str | None:
        """The pid of the process that answers; None when none does."""
        try:
            lines = self.ask("show info").splitlines()
        except OSError:
            return None
        return next((line.partition(": ")[2] for line in lines if line.startswith("Pid:")), None)

    def _check(self, file: Path) -> None:
        if find_command("haproxy") is None:
            raise SandboxError("haproxy is missing", fix="apt-get install haproxy")
        done = subprocess.run(
            [command("haproxy"), "-c", "-f", str(file)], capture_output=True, text=True, timeout=30
        )
        if done.returncode:
            raise SandboxError(
                f"haproxy refuses the configuration {file}:\n{done.stderr.strip()}",
                fix="report it: the sandbox generated it from the AWS API's load balancers",
            )


def _row(one: Mapping[str, str]) -> Row:
    return Row(
        one["pxname"],
        one["svname"],
        one["status"],
        one["check_status"].lstrip("* "),
        one["check_code"],
        int(one["check_health"] or 0),
        int(one["scur"] or 0),
    )
