"""One `ship` at a time changes a project folder: a lock of the kernel's, without a file, gone with its holder."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import psutil

from ship.errors import Exit, ShipError

LOCKS = Path("/proc/locks")


@contextlib.contextmanager
def turn(folder: Path) -> Generator[None]:
    """Hold the folder for the block.

    Raises:
        ShipError: another `ship` holds it; the message names that one.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(folder, _holder(descriptor)) from None
        yield
    finally:
        os.close(descriptor)


def _busy(folder: Path, holder: psutil.Process | None) -> ShipError:
    problem = f"another ship is at work in {folder}"
    if holder is None:
        return ShipError(problem, fix="wait for it to end", code=Exit.BUSY)
    with contextlib.suppress(psutil.Error):
        since = datetime.fromtimestamp(holder.create_time(), UTC)
        what = " ".join(word for word in holder.cmdline()[1:] if "/" not in word)
        problem += f": `{what}`, pid {holder.pid} of {holder.username()}, since {since:%Y-%m-%d %H:%M:%S} UTC"
    return ShipError(
        problem,
        fix=f"wait for it, or end it gracefully: kill -INT {holder.pid}",
        code=Exit.BUSY,
    )


def _holder(descriptor: int) -> psutil.Process | None:
    """Who holds the lock, as the kernel lists it; None where it does not."""
    about = os.fstat(descriptor)
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    with contextlib.suppress(OSError, psutil.Error):
        for line in LOCKS.read_text().splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and place in words:
                return psutil.Process(int(words[4]))
    return None
