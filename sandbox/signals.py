"""Waiting for a long command in a way that lets it end gracefully, and never leaves it behind."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Generator

GRACE_SECONDS = 30


def finish(process: subprocess.Popen[str], stdin: str = "", timeout: float | None = None) -> str:
    """Feed a process that leads its own group, and wait until it ends, whatever signals come meanwhile.

    Each SIGINT, SIGTERM or SIGHUP of ours is passed on as one SIGINT: the Pulumi engine cancels at the first
    one and stops at once at the second. When the process has ended, ours takes effect: KeyboardInterrupt, or
    SystemExit.

    Returns what it wrote to a stdout that is a pipe.
    Raises TimeoutError when it had to be ended because `timeout` seconds were over.
    """
    with _passed_on(process):
        try:
            return process.communicate(stdin, timeout=timeout)[0] or ""
        except subprocess.TimeoutExpired:
            _end(process)
            raise TimeoutError(f"not done within {timeout:g} s, so it was told to end") from None


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[str]) -> Generator[None]:
    got: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        got.append(number)
        _signal(process, signal.SIGINT)

    # Only the main thread may handle signals.
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, pass_on) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in got:
        raise KeyboardInterrupt
    if got:
        raise SystemExit(128 + got[0])


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        _signal(process, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
            return


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
