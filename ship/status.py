"""`ship status`: environments side by side, and what would be promoted."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from components import ledger
from sandbox.pulumi_cli import PulumiError
from ship import health
from ship.environment import Environment, ago, by
from ship.health import Health
from ship.project import Project, describe
from ship.ui import Ui


@dataclass(frozen=True)
class Seen:
    """An environment, and what it answered.

    Args:
        environment: its stack.
        health: of its server, now.
        verified: who verified what runs, and when.
        drift: where config and what runs are apart.
        lock: who is at work on it; empty for nobody.
    """

    environment: Environment
    health: Health
    verified: str
    drift: tuple[str, ...]
    lock: str = ""


@dataclass(frozen=True)
class Next:
    """What `ship promote` would do.

    Args:
        source, target: the stacks.
        tag: the release; None for none.
        told: in words.
    """

    source: str
    target: str
    tag: str | None
    told: str


def status(project: Project, stacks: Sequence[str], ui: Ui, *, preview: bool = False) -> None:
    """Show the environments.

    Args:
        stacks: which ones; empty for all that are deployed or promote from another.
        preview: ask the engine what `up` would change, too.
    """
    now = datetime.now(UTC)
    names = [project.need(one) for one in stacks] or project.stacks()
    with ThreadPoolExecutor(4) as pool:
        found = {one.stack: one for one in pool.map(project.environment, names)}
        shown = _in_order([one for one in found.values() if stacks or _worth_showing(one)])
        healths = list(pool.map(health.check, shown))
        drifts = list(pool.map(lambda one: _drift(project, one, preview=preview), shown))
    everything = _with_sources(project, found)
    seen = [
        Seen(one, looked, _verified(one, everything, now), drift, _lock(project, one.stack))
        for one, looked, drift in zip(shown, healths, drifts, strict=True)
    ]
    upcoming = [
        _next(one, everything[one.source], now) for one in shown if one.source and one.source in everything
    ]
    hidden = [name for name in names if name not in [one.stack for one in shown]]
    _print(seen, upcoming, hidden, now, ui)
    ui.result(
        {"environments": [_document(one) for one in seen], "promotions": [vars(one) for one in upcoming]}
    )


def _worth_showing(one: Environment) -> bool:
    return one.outputs is not None or one.problem not in ("", "not deployed yet")


def _in_order(found: list[Environment]) -> list[Environment]:
    """Along the path of a release: who promotes from another stands after it."""
    by_name = {one.stack: one for one in found}

    def depth(one: Environment, seen: frozenset[str] = frozenset()) -> int:
        source = by_name.get(one.source or "")
        return 0 if source is None or one.stack in seen else 1 + depth(source, seen | {one.stack})

    feeds = {one.source for one in found}
    return sorted(found, key=lambda one: (depth(one), one.stack not in feeds, one.stack))


def _with_sources(project: Project, found: Mapping[str, Environment]) -> dict[str, Environment]:
    missing = {one.source for one in found.values() if one.source} - found.keys()
    return {**found, **{name: project.environment(name, history=0) for name in missing if name}}


def _drift(project: Project, one: Environment, *, preview: bool) -> tuple[str, ...]:
    found = list(one.drift())
    if preview and one.outputs is not None:
        try:
            changes = project.pulumi(one.stack).preview().changes
        except PulumiError as error:
            found.append(
                f"its preview fails: {error.errors[0].splitlines()[0] if error.errors else 'no reason'}"
            )
        else:
            found += [f"`up` would change {changes.total} resources"] if changes.total else []
    return tuple(found)


def _lock(project: Project, stack: str) -> str:
    held = project.pulumi(stack).locks()
    return f"{'stranded lock' if held[0].stale else 'at work'}: {describe(held[0])}" if held else ""


def _verified(one: Environment, everything: Mapping[str, Environment], now: datetime) -> str:
    if one.override:
        return f"OVERRIDE by {one.override.get('by')}: {one.override.get('reason')}"
    for judge in (everything.get(one.source or ""), one):
        for entry in judge.ledger if judge else []:
            if judge and entry.digest == one.digest:
                when = ago(entry.verified_at, now)
                soaks = "" if entry.counts(now) else f", soaks {ledger.age(entry.due - now)} longer"
                return f"by {judge.stack}, {when}{soaks}"
    return "no" if one.url else ""


def _next(target: Environment, source: Environment, now: datetime) -> Next:
    entries = source.ledger
    newest = next((one for one in entries if one.counts(now)), None)
    tag = newest.tag if newest else (source.running if "ledger" not in (source.outputs or {}) else None)
    digest = newest.digest if newest else source.digest
    soaking = next((one for one in entries if not one.counts(now)), None)
    if source.outputs is None:
        told = f"unknown: {source.problem}"
        tag = None
    elif target.hold:
        told = f"on hold at {target.hold.get('tag')} by {target.hold.get('by')}: {target.hold.get('reason')}"
    elif tag is None:
        told = "nothing is verified yet"
    elif digest == target.digest:
        told, tag = f"nothing: it runs {tag} already", None
    else:
        told = f"{tag}: ship promote --to {target.stack} {tag}"
    if soaking and soaking.digest != target.digest:
        told += f" ({soaking.tag} may follow in {ledger.age(soaking.due - now)})"
    return Next(source.stack, target.stack, tag, told)


def _print(
    seen: Sequence[Seen], upcoming: Sequence[Next], hidden: Sequence[str], now: datetime, ui: Ui
) -> None:
    if not seen:
        ui.print("nothing is deployed yet")
    rows: list[tuple[str, Callable[[Seen], str]]] = [
        ("release", lambda one: one.environment.running or one.environment.problem or "none"),
        ("digest", lambda one: (one.environment.digest or "")[:19]),
        ("verified", lambda one: one.verified),
        ("since", lambda one: _since(one.environment, now)),
        ("by", lambda one: by(one.environment.shipped) if one.environment.shipped else ""),
        ("drift", lambda one: "; ".join(one.drift) or "none"),
        ("hold", lambda one: _hold(one.environment)),
        ("lock", lambda one: one.lock),
        ("URL", lambda one: one.environment.url or ""),
        ("health now", lambda one: "" if one.health.state == "none" else str(one.health)),
    ]
    told = [(name, *[tell(one) for one in seen]) for name, tell in rows]
    if seen:
        ui.table(
            ("", *[one.environment.stack for one in seen]),
            [row for row in told if any(row[1:]) and not (row[0] in ("hold", "lock") and not any(row[1:]))],
        )
    for one in upcoming:
        ui.print(f"{one.source} → {one.target}: {one.told}")
    if hidden:
        ui.print(f"not deployed: {', '.join(hidden)}")


def _since(one: Environment, now: datetime) -> str:
    brought = one.shipped
    return f"{brought.started:%Y-%m-%d %H:%M} ({ago(brought.started, now)})" if brought else ""


def _hold(one: Environment) -> str:
    return f"{one.hold.get('tag')} by {one.hold.get('by')}: {one.hold.get('reason')}" if one.hold else ""


def _document(one: Seen) -> dict[str, Any]:
    environment = one.environment
    brought = environment.shipped
    return {
        "stack": environment.stack,
        "problem": environment.problem or None,
        "tag": environment.running,
        "wanted": environment.wanted,
        "image": environment.image,
        "digest": environment.digest,
        "gitRevision": (environment.outputs or {}).get("gitRevision"),
        "verified": one.verified or None,
        "since": brought.started.isoformat() if brought else None,
        "by": by(brought) if brought else None,
        "drift": list(one.drift),
        "hold": environment.hold,
        "override": environment.override,
        "lock": one.lock or None,
        "url": environment.url,
        "health": vars(one.health),
    }
