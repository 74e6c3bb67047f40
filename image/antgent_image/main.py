"""The image's entry point: `server`, `worker`, `version`, `healthcheck`; the first three are antgent's own.

Everything runs in this very process, so that SIGTERM reaches antgent and no shell is needed.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

USAGE = """usage: antgent server [OPTIONS]       the HTTP server (antgent's own `server` and its options)
       antgent worker [OPTIONS]       the Temporal worker (antgent's own `looper` and its options)
       antgent version                antgent's version, as JSON
       antgent healthcheck [URL]      exit 0 when the server answers (default: its /version)
       antgent healthcheck worker     exit 0 when the worker is connected to Temporal"""


def main(argv: list[str]) -> int:
    """Run one command; returns the exit code (64 for a command line that cannot be understood)."""
    command, *options = argv or ["--help"]
    if command in ("--help", "-h", "help"):
        print(USAGE)
        return 0
    if command not in ("server", "worker", "version", "healthcheck"):
        print(f"error: there is no command {command!r}\n{USAGE}", file=sys.stderr)
        return 64
    from antgent_image import secrets

    secrets.load()
    if command == "healthcheck":
        from antgent_image import healthcheck

        return healthcheck.main(options)
    # A process with id 1 ignores SIGTERM until it asks for it, and antgent's imports take seconds.
    # (uvicorn raises the signal again when it has drained: a stop that was asked for is a success.)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    secrets.mask_output()
    return _antgent(command, options)


def _antgent(command: str, options: list[str]) -> int:
    from antgent_image import settings

    found = settings.effective()
    file = settings.publish(found)
    sys.argv = ["antgent", *_arguments(command, found, file), *options]
    from antgent.cmd.main import main as antgent

    if command == "worker":
        _leave(antgent)
    antgent()
    return 0


def _arguments(command: str, settings: dict, file: str) -> list[str]:
    """antgent's command line. Some of its options have defaults that win over the settings: hand those on."""
    if command == "worker":
        return [
            "looper",
            "--config",
            file,
            "--namespace",
            str(settings["temporalio"].get("namespace", "default")),
        ]
    if command == "server":
        return [
            "server",
            "--log-level",
            str(settings["logging"].get("level", "info")).lower(),
            "--no-use-colors",
        ]
    return [command]


def _leave(antgent: Callable[[], None]) -> NoReturn:
    """Run and end the process at once: Temporal's native threads can crash a Python that is closing down."""
    import logging
    import traceback

    code: object = 0
    try:
        antgent()
    except SystemExit as done:
        code = done.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:  # noqa: BLE001  the last frame of the process
        traceback.print_exc()
        code = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)
