"""What the sandbox says while it works: one line a step, with the time each took."""

import contextlib
import threading
import time
from collections.abc import Generator

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)

SILENCE_SECONDS = 30
INTERRUPTED = 130
"""Exit code of a command that a Ctrl-C ended, as shells give it (128 + SIGINT)."""


def say(text: str) -> None:
    """Print one line of progress (to stderr, so that stdout stays for results)."""
    console.print(text, markup=False)


@contextlib.contextmanager
def step(what: str) -> Generator[None]:
    """Announce long work, show that it still runs, and say how long it took.

    On a terminal a spinner counts the seconds; in a log a line every 30 seconds does.
    """
    started = time.monotonic()
    done = threading.Event()
    say(f"· {what} …")
    ticker = threading.Thread(target=_tick, args=(what, started, done), daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        say(f"✗ {what}: failed after {time.monotonic() - started:.0f} s")
        raise
    else:
        say(f"✓ {what} ({time.monotonic() - started:.1f} s)")
    finally:
        done.set()
        ticker.join()


def _tick(what: str, started: float, done: threading.Event) -> None:
    if console.is_terminal:
        with console.status("") as status:
            while not done.wait(1):
                status.update(f"{what}: {time.monotonic() - started:.0f} s")
        return
    while not done.wait(SILENCE_SECONDS):
        say(f"  … {what}: {time.monotonic() - started:.0f} s so far")


@contextlib.contextmanager
def told_when_interrupted(words: str) -> Generator[None]:
    """Around a command: say `words` when a Ctrl-C ends it, and end with exit code 130.

    typer makes that code of a KeyboardInterrupt by itself, and says nothing.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        say(words)
        raise SystemExit(INTERRUPTED) from None
