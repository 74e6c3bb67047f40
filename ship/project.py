"""A project folder and its stacks, through the engine that the operator's own environment names."""

import getpass
import os
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sandbox.pulumi_cli import Pulumi, PulumiError
from sandbox.pulumi_locks import Lock
from settings.report import PROJECT
from settings.stackfile import StackFileError
from settings.stackfile import read as read_config
from ship.environment import Environment
from ship.errors import Exit, ShipError

NOT_THERE = ("no stack named", "does not exist")
CI_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME")


@dataclass(frozen=True)
class Project:
    """A folder with a Pulumi.yaml.

    Args:
        folder: that folder.
        env: added to this process's environment. Defaults to nothing: the operator's own.
    """

    folder: Path
    env: Mapping[str, str]

    @classmethod
    def at(cls, folder: Path, env: Mapping[str, str] | None = None) -> "Project":
        """The project of a folder: the nearest Pulumi.yaml upwards, as `pulumi` looks for it.

        Raises:
            ShipError: there is none.
        """
        here = folder.resolve()
        for candidate in (here, *here.parents):
            if (candidate / "Pulumi.yaml").is_file():
                return cls(candidate, dict(env or {}))
        raise ShipError(
            f"there is no Pulumi.yaml in {here} or above it",
            fix="go to the project's folder, or name it: ship --cwd FOLDER …",
            code=Exit.USAGE,
        )

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What Pulumi.yaml says."""
        try:
            found = yaml.safe_load((self.folder / "Pulumi.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise ShipError(f"Pulumi.yaml cannot be read: {str(error).splitlines()[0]}") from None
        return found if isinstance(found, dict) else {}

    def file(self, stack: str) -> Path:
        """The file of a stack's config."""
        folder = self.settings.get("stackConfigDir") or ""
        return self.folder / folder / f"Pulumi.{stack.rpartition('/')[2]}.yaml"

    def stacks(self) -> list[str]:
        """The stacks that have a file, by name."""
        files = self.file("*").parent.glob("Pulumi.*.yaml")
        return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files)

    def need(self, stack: str) -> str:
        """The stack's name.

        Raises:
            ShipError: it has no file here.
        """
        if self.file(stack).is_file():
            return stack
        names = ", ".join(self.stacks()) or "none"
        raise ShipError(
            f"there is no stack {stack!r} in {self.folder}; there are: {names}",
            fix=f"name one of them, or make it: pulumi stack init {stack}",
            code=Exit.USAGE,
        )

    def config(self, stack: str) -> dict[str, Any]:
        """What a stack's file says, by key without namespace; encrypted values stay encrypted.

        Raises:
            ShipError: the file is broken.
        """
        path = self.file(stack)
        try:
            found = read_config(path) if path.exists() else {}
        except StackFileError as error:
            raise ShipError(
                str(error), fix=f"mend it; `python -m settings --check {stack}` checks it"
            ) from None
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in found.items()}

    def pulumi(self, stack: str) -> Pulumi:
        """The engine, on one stack."""
        return Pulumi(self.folder, stack, self.env)

    def environment(self, stack: str, *, history: int = 50) -> Environment:
        """A stack as it is now. What cannot be told is named in its `problem`, not raised.

        Args:
            history: how many past operations to ask for, 0 for none. Defaults to 50.
        """
        config, engine = self.config(stack), self.pulumi(stack)
        try:
            with ThreadPoolExecutor(2) as pool:
                past = pool.submit(engine.history, history) if history else None
                outputs = engine.outputs()
                updates = tuple(past.result()) if past else ()
        except PulumiError as error:
            if any(words in str(error) for words in NOT_THERE):
                return Environment(stack, config, problem="not deployed yet")
            return Environment(stack, config, problem=error.errors[0] if error.errors else str(error))
        return Environment(stack, config, outputs or None, updates, "" if outputs else "not deployed yet")

    def expand(self, text: str) -> str:
        """A text of the config with each `${NAME}` from the environment."""
        for name, value in {**os.environ, **self.env}.items():
            text = text.replace("${" + name + "}", value)
        return text

    def operator(self) -> str:
        """Who is at work: CI's actor, else git's user, else the account on this machine."""
        for name in CI_ACTORS:
            if os.environ.get(name):
                return os.environ[name]
        done = subprocess.run(
            ["git", "-C", str(self.folder), "config", "user.email"], capture_output=True, text=True
        )
        return done.stdout.strip() or f"{getpass.getuser()}@{socket.gethostname()}"


def busy(locks: list[Lock], stack: str) -> ShipError | None:
    """The answer for who finds a stack locked by somebody who may be alive; None where nobody holds it."""
    for lock in locks:
        if not lock.stale:
            here = lock.host == socket.gethostname()
            way_out = f"wait for it, or end it gracefully: kill -INT {lock.pid}" if here else "wait for it"
            return ShipError(
                f"somebody else is at work on {stack}: {describe(lock)}",
                fix=way_out if here else f"{way_out}; if it is dead for sure: ship unlock {stack}",
                code=Exit.BUSY,
            )
    return None


def describe(lock: Lock) -> str:
    """Who holds a lock, and since when."""
    return f"pid {lock.pid} of {lock.user} on {lock.host}, since {lock.since[:19].replace('T', ' ')}"
