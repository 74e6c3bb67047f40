"""`ship unlock`: who holds a stack's lock, since when, and the way out of it."""

import contextlib
import json
import socket
from typing import Any

import psutil

from sandbox.pulumi_cli import Pulumi
from sandbox.pulumi_locks import Lock, end_orphans
from ship.errors import Exit, ShipError
from ship.project import Project, describe
from ship.ui import Ui


def unlock(project: Project, stack: str, ui: Ui) -> None:
    """Explain each lock; offer to cancel those whose holder is dead, or nobody here can ask.

    Raises:
        ShipError: the holder is alive on this machine, or the answer was no.
    """
    engine = project.pulumi(project.need(stack))
    locks = engine.locks()
    document: dict[str, Any] = {"stack": stack, "locks": [_facts(lock) for lock in locks]}
    if not locks:
        _elsewhere(engine, stack, ui, document)
        return
    for lock in locks:
        ui.print(f"{stack} is locked by {describe(lock)}\n  {_standing(lock)}")
    alive = [lock for lock in locks if _here(lock) and not lock.stale]
    if alive:
        ui.result(document | {"outcome": "held"})
        raise ShipError(
            f"{stack} is not stranded: pid {alive[0].pid} is alive and at work",
            fix=f"wait for it, or end it gracefully: kill -INT {alive[0].pid}",
            code=Exit.BUSY,
        )
    _cancel(engine, stack, ui, all_dead=all(lock.stale for lock in locks))
    ui.result(document | {"outcome": "unlocked"})


def _cancel(engine: Pulumi, stack: str, ui: Ui, *, all_dead: bool) -> None:
    ui.check_can_ask(plan=False)
    if not all_dead:
        ui.print("  if it is alive after all, two updates at once tear the state: ask its owner first")
    ui.agree(f"Cancel the lock of {stack}?")
    engine.cancel()
    state = engine.state_folder
    if state:
        end_orphans(state)
    left = engine.pending()
    ui.print(f"{stack} is unlocked")
    if left:
        ui.print(
            f"  it was ended in the middle of: {', '.join(left)}\n  the next `ship` or `up` goes on from there"
        )


def _standing(lock: Lock) -> str:
    if not _here(lock):
        return f"its process is on {lock.host}, so whether it is alive cannot be seen from {socket.gethostname()}"
    holder = lock.holder
    if holder is None:
        return (
            "that process is dead: the lock is stranded (the next `ship` or `make up` removes it by itself)"
        )
    with contextlib.suppress(psutil.Error):
        return f"that process is alive: `{' '.join(holder.cmdline()[:4])}`"
    return "that process is alive"


def _here(lock: Lock) -> bool:
    return lock.host == socket.gethostname()


def _facts(lock: Lock) -> dict[str, Any]:
    alive = None if not _here(lock) else lock.holder is not None
    return {"pid": lock.pid, "host": lock.host, "user": lock.user, "since": lock.since, "alive": alive}


def _elsewhere(engine: Pulumi, stack: str, ui: Ui, document: dict[str, Any]) -> None:
    """A backend that is no folder tells only that an update runs, when it tells anything."""
    running = None
    if engine.state_folder is None:
        listed = json.loads(engine.run("stack", "ls", "--json", stack=False).output or "[]")
        running = next((one for one in listed if one["name"].rpartition("/")[2] == stack), None)
    if not running or not running.get("updateInProgress"):
        ui.print(f"{stack} is not locked")
        ui.result(document | {"outcome": "not locked"})
        return
    ui.print(
        f"the backend says that an update of {stack} is in progress, since {running.get('lastUpdate', 'unknown')};\n"
        "  who runs it is shown on the page of the stack (pulumi console)"
    )
    ui.check_can_ask(plan=False)
    ui.agree(f"Cancel that update of {stack}?")
    engine.cancel()
    ui.print(f"{stack} is unlocked")
    ui.result(document | {"outcome": "unlocked"})
