"""The one way in which `ship` changes an environment: edit its stack file, preview, ask, `up`.

Before `up` has begun, whatever goes wrong puts the stack file back as it was. From then on the file and the
state belong together, also after a kill: the next command sees what config asks for and what runs.
"""

import contextlib
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.pulumi_cli import Pulumi, PulumiError
from ship import health, stack_file
from ship.environment import Environment
from ship.errors import Exit, ShipError
from ship.project import Project, busy
from ship.stack_file import Value
from ship.ui import Ui

LOCKED = ("is locked by another pulumi", "currently locked", "conflict: another update")


@dataclass(frozen=True)
class Order:
    """What to do to a stack.

    Args:
        stack: its name.
        changes: keys of its file and their new values.
        why: goes into the engine's history, with who did it.
        question: asked after the preview.
        undo: the command that brings the last good release back, empty for none; shown when `up` failed.
        image: what must run afterwards, `repository@sha256:…`. Defaults to whatever the program says.
        plan: stop after the preview. Defaults to going on.
    """

    stack: str
    changes: Mapping[str, Value]
    why: str
    question: str
    undo: str
    image: str | None = None
    plan: bool = False


@dataclass(frozen=True)
class Result:
    """What came of it.

    Args:
        preview: resources by operation, as the preview counts them.
        changes: as `up` did them; None when it did not run.
        seconds: how long `up` took.
        environment: the stack afterwards; None when `up` did not run.
    """

    preview: Mapping[str, int]
    changes: Mapping[str, int] | None = None
    seconds: float = 0.0
    environment: Environment | None = None


def check_free(project: Project, stack: str) -> None:
    """Refuse at once when somebody else is at work on the stack.

    Raises:
        ShipError: who, since when, and what to do.
    """
    problem = busy(project.pulumi(stack).locks(), stack)
    if problem:
        raise problem


def carry_out(project: Project, order: Order, ui: Ui) -> Result:
    """Edit, preview, ask, `up`.

    Raises:
        ShipError: any of these failed; the message says what runs now.
    """
    check_free(project, order.stack)
    engine, path = project.pulumi(order.stack), project.file(order.stack)
    with _restored_unless_begun(path, order) as edit:
        _edit(path, order, edit, ui)
        preview = _preview(engine, order, ui)
        if order.plan:
            return Result(preview)
        ui.agree(order.question)
        _settle(engine, order, ui)
        started = time.monotonic()
        edit.begun = True
        changes = _up(project, engine, order, edit, ui)
    seconds = time.monotonic() - started
    environment = project.environment(order.stack)
    _check_image(order, environment)
    return Result(preview, changes, seconds, environment)


@dataclass
class _Edit:
    before: bytes = b""
    after: bytes = b""
    begun: bool = False


@contextlib.contextmanager
def _restored_unless_begun(path: Path, order: Order) -> Generator[_Edit]:
    edit = _Edit()
    try:
        yield edit
    finally:
        if edit.before != edit.after and not edit.begun:
            _put_back(path, order, edit)


def _edit(path: Path, order: Order, edit: _Edit, ui: Ui) -> None:
    edit.before, edit.after = stack_file.edit(path, order.changes)
    for line in _lines(edit.before, edit.after):
        ui.say(f"  {path.name}: {line}")


def _lines(before: bytes, after: bytes) -> list[str]:
    """The lines that are new, each with a plus, and those that went, each with a minus."""
    old, new = before.decode().splitlines(), after.decode().splitlines()
    gone = [f"- {line.strip()}" for line in old if line not in new]
    return gone + [f"+ {line.strip()}" for line in new if line not in old]


def _put_back(path: Path, order: Order, edit: _Edit) -> None:
    now = stack_file.read(path)
    if now == edit.after:
        stack_file.replace(path, edit.before, expected=now)
    elif now != edit.before:
        # Somebody, or the engine's own salt, changed another line meanwhile: that stays.
        config = (yaml.safe_load(edit.before) or {}).get("config") or {}
        old = {key: config.get(f"antgent:{key}", config.get(key)) for key in order.changes}
        stack_file.edit(path, old)


def _preview(engine: Pulumi, order: Order, ui: Ui) -> Mapping[str, int]:
    ui.say(f"· pulumi preview --stack {order.stack}")
    try:
        outcome = engine.preview(stream=True)
    except PulumiError as error:
        raise ShipError(
            f"the preview of {order.stack} failed; nothing was changed, and its file is as it was\n"
            + _told(error),
            fix=error.fix,
        ) from None
    return outcome.changes.counts


def _settle(engine: Pulumi, order: Order, ui: Ui) -> None:
    """What an operation that was killed left pending is read from the real resources first."""
    left = engine.pending()
    if not left:
        return
    ui.say(
        f"  an operation on {order.stack} was ended in the middle ({', '.join(left)}); reading what is there"
    )
    try:
        engine.settle()
    except SandboxError as error:
        raise _failed_before(order, error) from None


def _up(project: Project, engine: Pulumi, order: Order, edit: _Edit, ui: Ui) -> Mapping[str, int]:
    ui.say(f"· pulumi up --stack {order.stack}")
    try:
        return engine.up("--message", f"{order.why}, by {project.operator()}", stream=True).changes.counts
    except PulumiError as error:
        if not error.steps:
            edit.begun = False
            raise _failed_before(order, error) from None
        raise _broken(project, order, error) from None
    except SandboxError as error:
        edit.begun = False
        raise _failed_before(order, error) from None
    except (KeyboardInterrupt, SystemExit):
        ui.say(
            f"interrupted: {order.stack} may be between two releases.\n  the same command again finishes it"
            + (f"; `{order.undo}` undoes it" if order.undo else "")
        )
        raise


def _failed_before(order: Order, error: SandboxError) -> ShipError:
    """`up` refused before it touched anything."""
    locked = any(words in str(error) for words in LOCKED)
    told = _told(error) if isinstance(error, PulumiError) else f"  {error.problem}"
    head = (
        f"somebody else is at work on {order.stack}" if locked else f"`up` of {order.stack} could not begin"
    )
    return ShipError(
        f"{head}; nothing was changed, and its file is as it was\n{told}",
        fix=error.fix,
        code=Exit.BUSY if locked else Exit.FAILED,
    )


def _broken(project: Project, order: Order, error: PulumiError) -> ShipError:
    environment = project.environment(order.stack)
    seen, again = health.check(environment), "mend what it says and run the same command again"
    return ShipError(
        f"`up` of {order.stack} failed\n{_told(error)}\n"
        f"  asked for:  {environment.wanted}\n"
        f"  last good:  {environment.running or 'none'}{_short(environment.digest)}\n"
        f"  runs now:   {seen}",
        fix=f"{order.undo}, or {again}" if order.undo else again,
        code=Exit.BROKEN,
    )


def _short(digest: str | None) -> str:
    return f" ({digest[:19]})" if digest else ""


def _told(error: PulumiError) -> str:
    lines = error.errors or tuple(error.problem.splitlines())
    return "\n".join("  " + line.replace("\n", "\n  ") for line in lines)


def _check_image(order: Order, environment: Environment) -> None:
    if order.image and environment.image != order.image:
        raise ShipError(
            f"{order.stack} runs {environment.image}, which is not what was shown: {order.image}",
            fix=order.undo,
            code=Exit.BROKEN,
        )


def tell(project: Project, stack: str, tag: str, result: Result, ui: Ui) -> None:
    """Say what runs now, and what is left to do with the stack file."""
    environment = result.environment
    if environment is None:
        return
    seen = health.check(environment)
    ui.print(f"{stack} runs {tag} ({environment.image}), after {result.seconds:.0f} s")
    if environment.url:
        ui.print(f"  {environment.url}: {seen}")
    hint = _commit_hint(project, stack, tag)
    if hint:
        ui.print(f"  automation reads the file from git: {hint}")


def _commit_hint(project: Project, stack: str, tag: str) -> str:
    """The command that records the edited stack file; empty where git has nothing to record."""
    path = project.file(stack)
    git = ["git", "-C", str(path.parent)]
    try:
        said = subprocess.run(
            [*git, "status", "--porcelain", "--", path.name], capture_output=True, text=True
        )
    except OSError:
        return ""
    changed = said.returncode == 0 and said.stdout.strip()
    return f"git commit -m '{stack}: {tag}' {path.name}" if changed else ""
