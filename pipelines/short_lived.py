"""Environments that last as long as a pull request, and the sweeper for those that were forgotten."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.errors import PipelineError
from pipelines.operations import engine
from sandbox.process import free_port
from sandbox.pulumi_cli import Outcome, Pulumi
from settings.stackfile import read, stack_file

NAME = re.compile(r"pr-([1-9][0-9]{0,8})")
"""What a short-lived environment is called: nothing else is ever destroyed by these commands."""
SERVICE = "antgent:service"


def create(name: str, *, source: str, tag: str | None = None) -> Outcome:
    """Make, or update, a short-lived environment.

    Args:
        name: `pr-12`.
        source: the stack whose config it copies.
        tag: the release it runs. Defaults to what the source's file says.

    Raises:
        PipelineError: the name is another kind of stack's, or the source does not exist.
    """
    _check(name)
    source_engine = engine(source)
    source_engine.stack_init()
    target = _engine(name)
    Path(stack_file(name)).unlink(missing_ok=True)
    if not _exists(name):
        # The engine encrypts the secrets anew for the new stack, which a copied file could not.
        target.run("stack", "init", name, "--copy-config-from", source, "--no-select", stack=False)
    else:
        source_engine.run("config", "cp", "--dest", name)
    _set_apart(target, name, source)
    if tag:
        target.config_set("antgent:imageTag", tag)
    return target.up(stream=True)


def destroy(name: str) -> bool:
    """Destroy a short-lived environment and forget it; False where there is none.

    Raises:
        PipelineError: the name is another kind of stack's.
    """
    _check(name)
    if not _exists(name):
        return False
    target = _engine(name)
    target.destroy(stream=True)
    target.stack_remove()
    Path(stack_file(name)).unlink(missing_ok=True)
    return True


@dataclass(frozen=True)
class Swept:
    """A short-lived environment that the sweeper looked at.

    Args:
        name: `pr-12`.
        why: why it was destroyed; empty where it stays.
    """

    name: str
    why: str


def sweep(
    *, hours: float, is_open: Callable[[int], bool], now: datetime | None = None, dry: bool = False
) -> list[Swept]:
    """Destroy the short-lived environments whose pull request is closed, or that nobody updated for long.

    Args:
        hours: without an update, after which one is forgotten.
        is_open: whether a pull request is open.
        now: defaults to the clock's.
        dry: only say what would be destroyed.
    """
    now = now or datetime.now(UTC)
    swept = []
    for name, updated in _stacks().items():
        number = NAME.fullmatch(name)
        if not number:
            continue
        age = now - updated if updated else timedelta.max
        why = ""
        if not is_open(int(number[1])):
            why = f"pull request {number[1]} is closed"
        elif age > timedelta(hours=hours):
            why = f"nobody updated it for {hours:g} hours"
        if why and not dry:
            destroy(name)
        swept.append(Swept(name, why))
    return swept


def _engine(name: str) -> Pulumi:
    # The stack's file lasts as long as a job, so its key is taken from the state.
    return Pulumi(Path.cwd(), name, {"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true"})


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise PipelineError(
            f"{name!r} is no short-lived environment: those are called pr-NUMBER, and no other is touched",
            fix="python -m pipelines environment up pr-12",
        )


def _stacks() -> dict[str, datetime | None]:
    """Stack → its last update."""
    listed = json.loads(_engine("").run("stack", "ls", "--json", stack=False).output)
    found: dict[str, datetime | None] = {}
    for one in listed:
        updated = one.get("lastUpdate")
        found[one["name"].rpartition("/")[2]] = datetime.fromisoformat(updated) if updated else None
    return found


def _exists(name: str) -> bool:
    return name in _stacks()


def _set_apart(target: Pulumi, name: str, source: str) -> None:
    """Give the copy what two environments cannot share: a namespace, a published port."""
    service = read(Path(stack_file(source))).get(SERVICE) or {}
    runtime = service.get("runtime")
    if runtime == "kubernetes":
        namespace = (service.get("kubernetes") or {}).get("namespace", "antgent")
        target.config_set(f"{SERVICE}.kubernetes.namespace", f"{namespace}-{name}", path=True)
    if runtime == "docker":
        taken = json.loads(target.run("stack", "export").output)
        port = _port(taken) or free_port()
        target.config_set(f"{SERVICE}.docker.publish.port", str(port), path=True)


def _port(state: dict) -> int | None:
    """The port that the environment publishes already, so that an update keeps its address."""
    for one in (state.get("deployment") or {}).get("resources") or ():
        for port in (one.get("inputs") or {}).get("ports") or ():
            return int(port["external"])
    return None
