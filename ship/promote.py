"""`ship promote`: make an environment run a release that another one has verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components import ledger
from components.errors import ArgumentError
from ship import deploy, differences, registry
from ship.deploy import Order, Result
from ship.environment import Environment, ago
from ship.errors import Exit, ShipError
from ship.project import Project
from ship.stack_file import Value
from ship.turn import turn
from ship.ui import Ui

if TYPE_CHECKING:
    from components.promoted_image import Promotion


@dataclass(frozen=True)
class Wish:
    """What the operator asked for.

    Args:
        to: the environment.
        source: where the release comes from. Defaults to what `to`'s config says.
        tag: the release. Defaults to the newest that the source has verified.
        override: why an unverified release may run. Defaults to no override.
        lift_hold: end the environment's hold.
        plan: stop after the preview.
    """

    to: str
    source: str | None = None
    tag: str | None = None
    override: str | None = None
    lift_hold: bool = False
    plan: bool = False


def promote(project: Project, wish: Wish, ui: Ui) -> None:
    """Check, show, edit one line, preview, ask, `up`.

    Raises:
        ShipError: the release may not run there, or a step failed.
    """
    project.need(wish.to)
    if not wish.plan:
        ui.check_can_ask()
    with turn(project.folder):
        deploy.check_free(project, wish.to)
        target = project.environment(wish.to)
        source = project.environment(_source(wish, target), history=0)
        tag = wish.tag or _newest(source, target)
        changes = _changes(project, wish, target, tag)
        release = _gate(project, target, source, tag, changes)
        shown = _Shown(project, target, source, tag, release)
        shown.to(ui)
        if _nothing_to_do(target, tag, release, changes):
            ui.print(f"{target.stack} runs {tag} already; nothing to do")
            ui.result(shown.document("nothing to do", None))
            return
        result = deploy.carry_out(project, _order(wish, target, source, tag, release, changes), ui)
    _report(project, wish, shown, result, ui)


def _source(wish: Wish, target: Environment) -> str:
    if target.source is None:
        raise ShipError(
            f"{target.stack} promotes from no other stack: its config has no antgent:promoteFrom",
            fix=f"pulumi config set antgent:promoteFrom {wish.source or 'staging'} --stack {target.stack}",
            code=Exit.USAGE,
        )
    if wish.source and wish.source != target.source:
        raise ShipError(
            f"{target.stack} takes its releases from {target.source}, not from {wish.source}",
            fix=f"ship promote --from {target.source} --to {target.stack}",
            code=Exit.USAGE,
        )
    return target.source


def _newest(source: Environment, target: Environment) -> str:
    now = datetime.now(UTC)
    entries = source.ledger
    found = next((one.tag for one in entries if one.counts(now)), None)
    if found is None and not entries:
        found = source.running  # it verifies nothing itself: it stands for the release that it has
    if found is None:
        raise ShipError(
            f"{source.stack} has nothing to promote to {target.stack}: "
            + (source.problem or f"no release has soaked yet\n{ledger.explain(entries, now)}"),
            fix=f"pulumi up --stack {source.stack}, or wait for the soak time to end",
            code=Exit.REFUSED,
        )
    return found


def _changes(project: Project, wish: Wish, target: Environment, tag: str) -> dict[str, Value]:
    changes: dict[str, Value] = {"imageTag": tag}
    hold = target.hold
    if hold and hold.get("tag") != tag and not wish.lift_hold:
        raise ShipError(
            f"{target.stack} is on hold at {hold.get('tag')} by {hold.get('by')}: {hold.get('reason')}",
            fix=f"when that is over: ship promote --to {target.stack} {tag} --lift-hold",
            code=Exit.REFUSED,
        )
    if hold and wish.lift_hold:
        changes["hold"] = None
    if wish.override:
        if len(wish.override.strip()) < 10:
            raise ShipError(
                "--override must say why, in at least 10 characters",
                fix="--override 'why this release cannot wait'",
                code=Exit.USAGE,
            )
        changes["override"] = {"reason": wish.override.strip(), "by": project.operator()}
    elif target.config.get("override"):
        # It was for another release: left behind, it would let any release through.
        changes["override"] = None
    return changes


def _gate(
    project: Project,
    target: Environment,
    source: Environment,
    tag: str,
    changes: Mapping[str, Value],
) -> "Promotion":
    """The program's own gate, asked before anything is edited."""
    from components.promoted_image import OverrideArgs, PromotedImageArgs
    from components.promoted_image import promote as decide

    if source.outputs is None:
        raise ShipError(
            f"{source.stack}, from which {target.stack} promotes, cannot be read: {source.problem}",
            fix=f"pulumi up --stack {source.stack}",
            code=Exit.REFUSED,
        )
    given = changes.get("override")
    override = OverrideArgs(reason=given["reason"], by=given["by"]) if isinstance(given, Mapping) else None
    find = registry.finder(project, [target.stack, source.stack])
    args = PromotedImageArgs(source=source.stack, tag=tag, find=find, override=override)
    try:
        return decide(args, source.outputs, datetime.now(UTC))
    except ArgumentError as error:
        refused = registry.refusal(error)
        fix = f"ship promote --to {target.stack} with one of them, or ship {tag} to {source.stack} first"
        raise ShipError(refused.problem, fix=fix, code=Exit.REFUSED) from None


def _nothing_to_do(target: Environment, tag: str, release: "Promotion", changes: Mapping[str, Value]) -> bool:
    if target.drift() or target.wanted != tag or target.image != release.reference:
        return False
    return changes.keys() == {"imageTag"}


def _order(
    wish: Wish,
    target: Environment,
    source: Environment,
    tag: str,
    release: "Promotion",
    changes: Mapping[str, Value],
) -> Order:
    return Order(
        stack=target.stack,
        changes=changes,
        why=f"ship promote {tag} from {source.stack}",
        question=f"Deploy {tag} to {target.stack}?",
        undo=f"ship rollback {target.stack}",
        image=release.reference,
        plan=wish.plan,
    )


@dataclass(frozen=True)
class _Shown:
    """What the operator sees before the question, and a script in the end."""

    project: Project
    target: Environment
    source: Environment
    tag: str
    release: "Promotion"

    @property
    def commits(self) -> list[str] | None:
        running = (self.target.outputs or {}).get("gitRevision", "unknown")
        return differences.commits(self.project.folder, running, self.release.revision)

    @property
    def differences(self) -> list[differences.Difference]:
        if not self.source.runs_service:
            return []
        return differences.differences(self.source.config, self.target.config)

    def to(self, ui: Ui) -> None:
        target, now = self.target, datetime.now(UTC)
        digest = self.release.reference.rpartition("@")[2]
        entry = next((one for one in self.source.ledger if one.digest == digest), None)
        since = target.shipped
        verified = f"by {self.source.stack}, {ago(entry.verified_at, now)}" if entry else "no"
        rows = [
            ("release", target.running or "nothing", self.tag),
            ("digest", target.digest or "", digest),
            ("revision", (target.outputs or {}).get("gitRevision", ""), self.release.revision),
            ("since", ago(since.started, now) if since else "", ""),
            (
                "verified",
                "",
                (self.release.overridden and f"OVERRIDE: {self.release.overridden}") or verified,
            ),
        ]
        ui.table((target.stack, "runs now", "would run"), rows)
        if self.release.warning:
            ui.print(f"warning: {self.release.warning}")
        self._commits_to(ui)
        different = self.differences
        if different:
            ui.print()
            headings = (f"config apart from {self.source.stack}'s", self.source.stack, target.stack)
            ui.table(headings, [(one.key, one.source, one.target) for one in different])
        ui.print()

    def _commits_to(self, ui: Ui) -> None:
        found = self.commits
        if found is None:
            ui.print("commits between them: unknown here (both revisions must be in this git repository)")
            return
        ui.print(f"commits between them: {len(found) or 'none'}")
        for line in found[:20]:
            ui.print(f"  {line}")

    def document(self, outcome: str, result: Result | None) -> dict[str, Any]:
        return {
            "stack": self.target.stack,
            "from": self.source.stack,
            "outcome": outcome,
            "tag": self.tag,
            "image": self.release.reference,
            "gitRevision": self.release.revision,
            "overridden": self.release.overridden or None,
            "previous": {"tag": self.target.running, "image": self.target.image},
            "commits": self.commits,
            "differences": [vars(one) for one in self.differences],
            "preview": dict(result.preview) if result else None,
            "changes": dict(result.changes) if result and result.changes is not None else None,
            "seconds": round(result.seconds, 1) if result else None,
        }


def _report(project: Project, wish: Wish, shown: _Shown, result: Result, ui: Ui) -> None:
    if wish.plan:
        counts = ", ".join(f"{number} {kind}" for kind, number in result.preview.items())
        ui.print(f"only planned: {counts}; {project.file(wish.to).name} is as it was")
        ui.result(shown.document("planned", result))
        return
    deploy.tell(project, wish.to, shown.tag, result, ui)
    ui.result(shown.document("deployed", result))
