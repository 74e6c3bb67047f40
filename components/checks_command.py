"""The command check: a command of the user's own, judged by its exit code.

`python -m components.checks_command SECONDS COMMAND` runs it and ends it, with all it started, when the
time is up or whoever asked for it is gone. The check is that command, in a process of its own, so that a
killed `up` leaves nothing running.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import psutil

from components.checks import Deadline, Say, failed

LAST_LINES = 20
"""Lines of output that an error shows."""
GRACE_SECONDS = 2
"""Between SIGTERM and SIGKILL."""
LOOK_SECONDS = 0.1
LATE = 124
"""The exit code of a command whose time was up, as `timeout` has it."""
FOLDER = Path(__file__).parents[1]
"""Commands run in the project's folder."""


def check_command(command: str, environment: Mapping[str, str], deadline: Deadline, say: Say) -> None:
    """Run a command by the shell, and judge its exit code.

    Args:
        environment: added to this process's.
        say: takes each line that it prints.

    Raises:
        VerificationError: it exited with another code than 0, or had not ended by the deadline; it and
            its children are gone then.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    added = [f"{name}={value}" for name, value in environment.items()]
    process = subprocess.Popen(
        ["env", *added, sys.executable, "-m", "components.checks_command", str(deadline.left), command],
        cwd=FOLDER, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    with process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            say(line.rstrip())
    if process.returncode == 0:
        return
    late = process.returncode == LATE and deadline.passed
    ending = f"still running after the {deadline.seconds:g} s of all checks" if late else "exit code"
    raise failed(
        command,
        request=f"{' '.join(added)} sh -c '{command}'",
        expected="exit code 0",
        answer=f"{ending}, so it was killed" if late else f"{ending} {process.returncode}",
        output="\n".join(last) or "(it printed nothing)",
    )


def _run(seconds: float, command: str) -> int:
    """Run the command; its exit code, or `LATE`."""
    asker, end = os.getppid(), time.monotonic() + seconds
    running = subprocess.Popen(command, shell=True, start_new_session=True)
    family: dict[int, psutil.Process] = {}
    try:
        while running.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                family |= {one.pid: one for one in psutil.Process(running.pid).children(recursive=True)}
            if time.monotonic() >= end or os.getppid() != asker:
                return LATE
            time.sleep(LOOK_SECONDS)
    finally:
        _end(running, [*family.values()])
    return running.returncode if running.returncode >= 0 else 128 - running.returncode


def _end(running: subprocess.Popen[bytes], family: list[psutil.Process]) -> None:
    """End what is left of it: its session's process group, and every child that was seen."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, number)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(GRACE_SECONDS)
        if not psutil.wait_procs(family, timeout=GRACE_SECONDS)[1] and not _group_lives(running.pid):
            return


def _group_lives(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


if __name__ == "__main__":
    sys.exit(_run(float(sys.argv[1]), sys.argv[2]))
