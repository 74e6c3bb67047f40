"""`ship rollback`: bring an environment back to a release that was good there, and keep it there."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components import promotions
from sandbox.pulumi_cli import PulumiError
from ship import deploy, registry
from ship.deploy import Order, Result
from ship.environment import Environment, Known, ago, known, release_of
from ship.errors import Exit, ShipError
from ship.project import Project
from ship.stack_file import Value
from ship.turn import turn
from ship.ui import Ui

PROMOTED = "antgent:image:PromotedImage"
HISTORY = 200
"""Operations that are looked through for good releases."""


@dataclass(frozen=True)
class Wish:
    """What the operator asked for.

    Args:
        stack: the environment.
        tag: the release. Defaults to the previous good one.
        reason: why, for the hold. Defaults to naming what it was rolled back from.
        plan: stop after the preview.
    """

    stack: str
    tag: str | None = None
    reason: str | None = None
    plan: bool = False


def rollback(project: Project, wish: Wish, ui: Ui) -> None:
    """Choose, prove that the image is there, edit, preview, ask, `up`.

    Raises:
        ShipError: there is no such release, its image is gone, or a step failed.
    """
    project.need(wish.stack)
    if not wish.plan:
        ui.check_can_ask()
    with turn(project.folder):
        deploy.check_free(project, wish.stack)
        environment = project.environment(wish.stack, history=HISTORY)
        vouched = _vouched(project, environment)
        tag = wish.tag or previous(environment)
        release = _release(environment, vouched, tag)
        registry.prove_there(registry.finder(project, [wish.stack]), release)
        _show(environment, release, ui)
        result = deploy.carry_out(project, _order(project, wish, environment, release), ui)
    if not wish.plan:
        deploy.tell(project, wish.stack, tag, result, ui)
        ui.print(f"  it stays {tag} until the hold ends: ship promote --to {wish.stack} TAG --lift-hold")
    else:
        ui.print(f"only planned; {project.file(wish.stack).name} is as it was")
    ui.result(_document(wish, environment, release, result))


def previous(environment: Environment) -> str:
    """The release to go back to: the last good one when another was tried, else the good one before it.

    Raises:
        ShipError: there is none.
    """
    good = environment.good()
    if environment.running and environment.wanted != environment.running:
        return environment.running
    if environment.running in good:
        # By when each was first good here: what was rolled back from once is not where to go back to.
        earlier = good[good.index(environment.running) + 1 :]
        if earlier:
            return earlier[0]
    raise ShipError(
        f"{environment.stack} has had no good release before {environment.running or 'this'}"
        + (f" ({environment.problem})" if environment.problem else ""),
        fix=f"name one: ship rollback {environment.stack} TAG",
        code=Exit.REFUSED,
    )


def _vouched(project: Project, environment: Environment) -> list[Known]:
    """Releases whose digest the environment's own state knows; where they came from is not asked."""
    try:
        state = project.pulumi(environment.stack).export()
    except PulumiError as error:
        raise ShipError(
            f"the state of {environment.stack} cannot be read: {error.errors[0] if error.errors else error}",
            fix=error.fix,
        ) from None
    found: list[Known] = []
    for resource in (state.get("deployment") or {}).get("resources") or ():
        if resource["type"] == PROMOTED:
            entries = promotions.read(resource.get("outputs") or {})
            found += [Known(one.tag, one.image, one.git_revision, one.overridden) for one in entries]
    return found or known(environment.ledger, "")


def _release(environment: Environment, vouched: list[Known], tag: str) -> Known:
    found = next((one for one in vouched if one.tag == tag), None)
    if found and (tag in environment.good() or not environment.history):
        return found
    able = [one.tag for one in vouched if one.tag in environment.good()]
    why = "no `up` with it succeeded here" if found else "it was never promoted to it"
    raise ShipError(
        f"{environment.stack} cannot go back to {tag}: {why}; it can go back to: {', '.join(able) or 'nothing'}",
        fix=f"name one of those, or promote {tag} as any release: ship promote --to {environment.stack} {tag}",
        code=Exit.REFUSED,
    )


def _show(environment: Environment, release: Known, ui: Ui) -> None:
    now = datetime.now(UTC)
    ran = next((one for one in environment.updates if one.succeeded and release_of(one) == release.tag), None)
    rows = [
        ("release", environment.running or "nothing", release.tag),
        ("digest", environment.digest or "", release.digest),
        ("ran", "", f"last deployed {ago(ran.started, now)}" if ran else ""),
        ("image", "", "still in the registry"),
    ]
    for problem in environment.drift():
        ui.print(f"note: {problem}")
    ui.table((environment.stack, "runs now", "goes back to"), rows)
    ui.print()


def _order(project: Project, wish: Wish, environment: Environment, release: Known) -> Order:
    by = project.operator()
    from_release = environment.wanted if environment.wanted != release.tag else environment.running
    reason = wish.reason or f"rolled back from {from_release}"
    if len(reason.strip()) < 10:
        raise ShipError(
            "--reason must say why, in at least 10 characters",
            fix="--reason 'errors at checkout since v0.3.2'",
            code=Exit.USAGE,
        )
    changes: dict[str, Value] = {
        "imageTag": release.tag,
        "hold": {"tag": release.tag, "reason": reason.strip(), "by": by},
    }
    changes |= _override(environment, release, by)
    return Order(
        stack=wish.stack,
        changes=changes,
        why=f"ship rollback to {release.tag}",
        question=f"Roll {wish.stack} back to {release.tag}?",
        undo=f"ship rollback {wish.stack} TAG",
        image=release.image,
        plan=wish.plan,
    )


def _override(environment: Environment, release: Known, by: str) -> dict[str, Value]:
    """A release that an override once let through goes on under one; for any other there must be none."""
    if not release.told_by:
        return {"override": None} if environment.config.get("override") else {}
    return {
        "override": {"reason": f"back to a release that an override let through: {release.told_by}", "by": by}
    }


def _document(wish: Wish, environment: Environment, release: Known, result: Result) -> dict[str, Any]:
    return {
        "stack": wish.stack,
        "outcome": "planned" if wish.plan else "rolled back",
        "tag": release.tag,
        "image": release.image,
        "previous": {"tag": environment.running, "image": environment.image},
        "preview": dict(result.preview),
        "changes": dict(result.changes) if result.changes is not None else None,
        "seconds": round(result.seconds, 1),
    }
