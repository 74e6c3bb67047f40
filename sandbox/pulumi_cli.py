"""The real `pulumi` command line, typed: operations, configuration, outputs, locks, and its errors."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from sandbox.errors import SandboxError
from sandbox.pulumi_events import COLOUR, QUIET, STACK, Changes, Events, Step, plain_errors
from sandbox.pulumi_history import Update, read_history
from sandbox.pulumi_locks import Lock, end_orphans, free_stale_locks, locks
from sandbox.signals import finish

# The engine's words, and what mends what they mean.
FIXES = {
    "incorrect passphrase": "the state was made with another passphrase: put that one back, or remove the state",
    "no stack named": "make it first: pulumi stack init",
    "no Pulumi.yaml project file found": "run this in the project's folder",
    "currently locked": "wait for the other pulumi; if it is dead: pulumi cancel",
    "no resource plugin": "let this machine reach Pulumi's downloads, or work in the sandbox: make up",
}


class PulumiError(SandboxError):
    """A `pulumi` command failed.

    Args:
        command: what was run, such as `up`.
        exit_code: of the engine.
        errors: the engine's own errors, each once, without its noise.
        output: everything that it printed; empty when that went to the terminal.
        steps: what it had begun on each resource; empty when it changed none.
    """

    def __init__(
        self,
        command: str,
        exit_code: int,
        errors: tuple[str, ...],
        output: str = "",
        steps: tuple[Step, ...] = (),
    ) -> None:
        self.command, self.exit_code, self.errors, self.output = command, exit_code, errors, output
        self.steps = tuple(step for step in steps if step.op not in QUIET and step.type != STACK)
        killer = _killer(exit_code)
        how = f"was killed by signal {killer}" if killer else f"failed (exit code {exit_code})"
        lines = errors or tuple(output.strip().splitlines()[-10:]) or ("it gave no reason",)
        told = "\n".join("  " + line.replace("\n", "\n    ") for line in lines)
        fix = next((fix for words, fix in FIXES.items() if words in told), "")
        super().__init__(f"`pulumi {command}` {how}:\n{told}", fix=fix)


@dataclass(frozen=True)
class Outcome:
    """A finished command.

    Args:
        output: what it printed; empty when that went to the terminal.
        changes: how many resources were (or, of a preview, would be) created, updated …
        steps: what happened to each resource.
        seconds: how long it took.
    """

    output: str
    changes: Changes
    steps: tuple[Step, ...]
    seconds: float


class Pulumi:
    """One stack of one project, through the `pulumi` on PATH.

    Args:
        project: the folder of Pulumi.yaml.
        stack: the stack's name.
        env: added to this process's environment, such as `engine_env` gives it.

    With the sandbox's environment no command leaves a salt in the stack file. All methods raise PulumiError
    with the engine's own words. A Ctrl-C (or SIGTERM) during a command asks the engine to end gracefully,
    waits for it, and then goes on as KeyboardInterrupt (SystemExit); a second one ends the engine at once.
    """

    def __init__(self, project: Path, stack: str, env: Mapping[str, str]) -> None:
        self.project = project
        self.stack = stack
        self.env = dict(env)

    def up(self, *args: str, stream: bool = False, timeout: float | None = None) -> Outcome:
        """Deploy, without a preview before it; locks of dead processes are removed first.

        Args:
            args: more arguments of `pulumi up`.
            stream: show the engine's progress on stderr instead of collecting it.
            timeout: seconds after which the engine is told to end. Defaults to none.
        """
        return self._operate("up", "--yes", "--skip-preview", *args, stream=stream, timeout=timeout)

    def preview(self, *args: str, stream: bool = False, timeout: float | None = None) -> Outcome:
        """What `up` would do; takes no lock and changes nothing. Arguments as for `up`."""
        return self._operate("preview", *args, stream=stream, timeout=timeout)

    def destroy(self, *args: str, stream: bool = False, timeout: float | None = None) -> Outcome:
        """Delete every resource of the stack; the stack itself stays. Arguments as for `up`."""
        return self._operate("destroy", "--yes", "--skip-preview", *args, stream=stream, timeout=timeout)

    def refresh(self, *args: str, stream: bool = False, timeout: float | None = None) -> Outcome:
        """Read the real resources into the state. Arguments as for `up`."""
        return self._operate("refresh", "--yes", "--skip-preview", *args, stream=stream, timeout=timeout)

    def stack_init(self) -> bool:
        """Make the stack; returns False when there is one already."""
        try:
            self.run("stack", "init", self.stack, "--no-select", stack=False)
        except PulumiError as error:
            if not any("already exists" in line for line in error.errors):
                raise
            return False
        return True

    def stack_remove(self) -> None:
        """Forget the stack and its history; its file stays. Fails while it has resources."""
        self.run("stack", "rm", "--yes", "--preserve-config")

    def outputs(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs; secrets read `[secret]` unless asked for."""
        flags = ["--show-secrets"] if show_secrets else []
        return json.loads(self.run("stack", "output", "--json", *flags).output or "{}")

    def export(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's state; secrets are encrypted unless asked for."""
        flags = ["--show-secrets"] if show_secrets else []
        return json.loads(self.run("stack", "export", *flags).output)

    def history(self, limit: int = 100) -> list[Update]:
        """What was done to the stack, newest first, from the engine's own history.

        Args:
            limit: how many at most. Defaults to 100.
        """
        return read_history(self.run("stack", "history", "--json", "--page-size", str(limit)).output)

    def pending(self) -> list[str]:
        """What an operation that was killed has left undecided: `creating docker:index/container:… server`."""
        left = self.export().get("deployment", {}).get("pending_operations") or []
        return [f"{one['type']} {one['resource']['urn'].rpartition('::')[2]}" for one in left]

    def settle(self) -> None:
        """Decide every pending operation by reading the real resources; no state is edited by hand."""
        self._operate(
            "refresh", "--yes", "--skip-preview", "--clear-pending-creates", stream=False, timeout=None
        )

    def config_set(self, key: str, value: str, *, secret: bool = False, path: bool = False) -> None:
        """Set one configuration value; a secret is handed over by stdin, never as an argument."""
        flags = ["--secret" if secret else "--plaintext", *(["--path"] if path else [])]
        self.run("config", "set", *flags, key, stdin=value)

    def config_get(self, key: str, *, path: bool = False) -> str:
        """One configuration value, decrypted."""
        return self.run("config", "get", *(["--path"] if path else []), key).output.rstrip("\n")

    def cancel(self) -> None:
        """Remove every lock of the stack, also those of living processes: for when they are known dead."""
        self.run("cancel", "--yes", self.stack, stack=False)

    def locks(self) -> list[Lock]:
        """The stack's locks; empty for a backend that is no folder."""
        return locks(self.state_folder, self._project_name, self.stack) if self.state_folder else []

    def run(
        self,
        *args: str,
        stack: bool = True,
        stdin: str = "",
        stream: bool = False,
        timeout: float | None = None,
        events: Path | None = None,
    ) -> Outcome:
        """Run any `pulumi` command to its end.

        Args:
            args: its words.
            stack: name this stack by `--stack`.
            stdin: what it reads.
            stream: let it print to stderr instead of collecting what it prints.
            timeout: seconds after which it is told to end.
            events: where it keeps an event log.
        """
        command = ["pulumi", *args, "--non-interactive", "--color", "auto" if stream else "never"]
        command += ["--stack", self.stack] if stack else []
        command += ["--event-log", str(events)] if events else []
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            try:
                code = self._finish(command, stdin, None if stream else out, err, timeout)
            finally:
                out.seek(0)
                err.seek(0)
                printed, complaints = out.read(), err.read()
                if stream:
                    # Kept as well as shown: what ends a command before it begins (a lock) is in no event.
                    sys.stderr.write(complaints)
        found = Events.read(events) if events else Events(Changes(), (), ())
        if code:
            words = " ".join(word for word in args[:2] if not word.startswith("-"))
            errors = found.errors or plain_errors(complaints)
            raise PulumiError(words, code, errors, printed + complaints, found.steps)
        return Outcome(COLOUR.sub("", printed), found.changes, found.steps, time.monotonic() - started)

    def _operate(self, kind: str, *args: str, stream: bool, timeout: float | None) -> Outcome:
        if self.state_folder and kind != "preview":
            free_stale_locks(self.state_folder, self._project_name, self.stack)
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "events"
            return self.run(kind, "--suppress-progress", *args, stream=stream, timeout=timeout, events=log)

    def _finish(self, command: list[str], stdin: str, out: Any, err: Any, timeout: float | None) -> int:
        # The flag --event-log is one of the CLI's debugging commands (its Automation API uses it as well).
        env = {**os.environ, **self.env, "PULUMI_DEBUG_COMMANDS": "true"}
        try:
            # A process group of its own: a Ctrl-C comes to the engine once, through `passed_on`.
            process = subprocess.Popen(
                command, cwd=self.project, env=env, stdin=subprocess.PIPE, stdout=out or 2, stderr=err,
                text=True, process_group=0,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise SandboxError(f"pulumi cannot be run: {error}", fix="make up, or put it on PATH") from None
        try:
            finish(process, stdin, timeout)
        except TimeoutError as error:
            raise PulumiError(command[1], process.returncode, (str(error),)) from None
        finally:
            if self.state_folder and _killer(process.returncode):
                end_orphans(self.state_folder)
        return process.returncode

    @property
    def state_folder(self) -> Path | None:
        """Where a file backend keeps its state; None for another kind of backend."""
        url = urlsplit({**os.environ, **self.env}.get("PULUMI_BACKEND_URL", ""))
        return Path(unquote(url.path)) if url.scheme == "file" else None

    @property
    def _project_name(self) -> str:
        return yaml.safe_load((self.project / "Pulumi.yaml").read_text())["name"]


def _killer(exit_code: int) -> int:
    """The signal that ended a process, also when a shell reports it as 128 + signal; 0 for none."""
    return -exit_code if exit_code < 0 else max(exit_code - 128, 0) if exit_code < 192 else 0
