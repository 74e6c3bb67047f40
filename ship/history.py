"""`ship history`: who shipped what and when, from the engine's own history."""

from datetime import UTC, datetime
from typing import Any

from components.ledger import age
from sandbox.pulumi_cli import PulumiError
from sandbox.pulumi_history import Update
from ship.environment import ago, by, release_of
from ship.errors import Exit, ShipError
from ship.project import NOT_THERE, Project
from ship.ui import Ui


def history(project: Project, stack: str, limit: int, ui: Ui) -> None:
    """Show the newest operations.

    Raises:
        ShipError: the stack was never made, or the engine fails.
    """
    try:
        updates = project.pulumi(project.need(stack)).history(limit)
    except PulumiError as error:
        if any(words in str(error) for words in NOT_THERE):
            raise ShipError(
                f"{stack} was never deployed", fix=f"pulumi stack init {stack}", code=Exit.USAGE
            ) from None
        raise
    if not updates:
        ui.print(f"nothing was done to {stack} yet")
    else:
        now = datetime.now(UTC)
        headings = ("when", "what", "release", "result", "took", "by", "changes")
        ui.table(headings, [_row(one, now) for one in updates])
    ui.result([_document(one) for one in updates])


def _row(one: Update, now: datetime) -> tuple[str, ...]:
    took = age(one.ended - one.started) if one.ended else ""
    changes = ", ".join(f"{number} {kind}" for kind, number in one.changes.items() if kind != "same")
    when = f"{one.started:%Y-%m-%d %H:%M} ({ago(one.started, now)})"
    return (when, one.kind, release_of(one) or "", one.result, took, by(one), changes or "none")


def _document(one: Update) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "result": one.result,
        "started": one.started.isoformat(),
        "ended": one.ended.isoformat() if one.ended else None,
        "tag": release_of(one),
        "by": by(one),
        "message": one.message,
        "changes": dict(one.changes),
    }
