"""A stack that a whole file of rollout tests releases to, whatever its runtime."""

import itertools
from typing import Any

import httpx

from tests.conftest import Stack


class Releases:
    """One stack that every test of a file releases to, as a real one is; each release has a new tag."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.usual, self._numbers = stack, stack.config, itertools.count(1)

    def ask_for(self, mode: str) -> str:
        """Ask for the app in `mode` as the next release; returns the version it will report."""
        number = f"1.{next(self._numbers)}.0"
        self.stack.build(mode, f"v{number}")
        return number

    def service(self, **keys: Any) -> None:
        """Set keys of the service."""
        self.stack.change(service=self.stack.config["service"] | keys)

    def up(self, mode: str = "good") -> str:
        """Release the app in `mode`, and see it answer; returns its version."""
        wanted = self.ask_for(mode)
        self.stack.pulumi.up()
        assert self.version() == wanted
        return wanted

    def version(self) -> str:
        """What answers at the stack's URL."""
        return httpx.get(f"{self.stack.url}/version", timeout=5).json()["version"]
