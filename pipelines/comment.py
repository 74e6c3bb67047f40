"""The comment that a preview leaves on a pull request, and what a job's summary says: Markdown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.github import COMMENT_LIMIT
from pipelines.report import Change, Report
from policies import RULES

SIGNS = {"create": "+", "delete": "-", "replace": "±", "update": "~", "import": "=", "refresh": "~"}
ROOM = 2_000
"""Characters that are left for what follows the diff."""


@dataclass(frozen=True)
class Environment:
    """What a stack runs, and what its file asks for.

    Args:
        stack: its name.
        running: the tag that it runs; empty where it runs nothing.
        digest: `sha256:…` of that release.
        wanted: the tag of its file.
    """

    stack: str
    running: str
    digest: str
    wanted: str

    @classmethod
    def read(cls, stack: str, config: Mapping[str, Any], outputs: Mapping[str, Any]) -> "Environment":
        """From the stack's file and outputs."""
        digest = str(outputs.get("image", "")).partition("@")[2]
        return cls(stack, str(outputs.get("tag", "")), digest, str(config.get("imageTag", "")))


def marker(stack: str) -> str:
    """The first line of a stack's comment: how the next run finds it."""
    return f"<!-- antgent preview of {stack} -->"


def render(
    report: Report,
    environments: Sequence[Environment],
    *,
    gate: str | None,
    revision: str = "",
    run_url: str = "",
    secrets: Iterable[str] = (),
    limit: int = COMMENT_LIMIT,
) -> str:
    """The whole comment.

    Args:
        environments: every environment, that of the report among them.
        gate: the stack that releases are promoted from; None where the stack promotes none.
        revision: the commit that was previewed.
        run_url: where the job is seen, for what is cut.
        secrets: values that must not be shown, whatever they come from.
        limit: characters; what is beyond is cut from the diff.
    """
    parts = [
        marker(report.stack),
        f"### `{report.stack}`: {headline(report)}",
        _table(report, environments),
        "\n".join([*_gates(report, gate), *_notes(report)]),
    ]
    head = "\n\n".join(part for part in parts if part)
    tail = _origin(revision, run_url)
    head, tail = masked(head, secrets), masked(tail, secrets)
    room = limit - len(head) - len(tail) - ROOM
    fold = diff_fold(report, secrets=secrets, room=room, run_url=run_url)
    return "\n\n".join(part for part in (head, fold, tail) if part) + "\n"


def headline(report: Report) -> str:
    """What would happen, in a few words."""
    return "the preview failed" if report.problems else counted(report)


def counted(report: Report) -> str:
    """How many resources would be treated how."""
    said = [
        f"{number} to {op}"
        for op, number in sorted(report.counts.items())
        if op not in ("same", "read", "refresh") and number
    ]
    same = report.counts.get("same", 0)
    return ", ".join([*said, *([f"{same} unchanged"] if same else [])]) or "nothing to do"


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without the secret values; very short ones would mask ordinary words."""
    for value in sorted({one for one in secrets if len(one) >= 4}, key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def _table(report: Report, environments: Sequence[Environment]) -> str:
    rows = ["| environment | runs | would run |", "|---|---|---|"]
    for one in environments:
        here = one.stack == report.stack
        name = f"**`{one.stack}`**" if here else f"`{one.stack}`"
        running = f"`{one.running}`{_short(one.digest)}" if one.running else "nothing yet"
        rows.append(f"| {name} | {running} | {_wanted(one, report) if here else _same(one)} |")
    return "\n".join(rows)


def _same(one: Environment) -> str:
    return f"`{one.wanted}`" if one.wanted and one.wanted != one.running else "the same"


def _wanted(one: Environment, report: Report) -> str:
    if report.problems:
        return f"`{one.wanted}`: refused" if one.wanted else "refused"
    digests = sorted({image.partition("@")[2] for image in report.images})
    if one.wanted == one.running and digests in ([], [one.digest]):
        return "the same"
    return f"`{one.wanted}`{''.join(_short(digest) for digest in digests)}" if one.wanted else "nothing"


def _short(digest: str) -> str:
    return f" `{digest[:19]}`" if digest else ""


def _gates(report: Report, gate: str | None) -> list[str]:
    lines = []
    if report.problems:
        lines += [f"- ✗ **Preview**: {_text(problem)}" for problem in report.problems]
    elif gate:
        lines.append(f"- ✓ **Promotion**: `{gate}` lets this release through")
    if report.broken:
        lines += [
            f"- ✗ **Policy** `{one.rule}`: `{one.name}`: {_text(one.problem)}. Fix: {_text(one.fix)}"
            for one in report.broken
        ]
    else:
        lines.append(f"- ✓ **Policy**: {len(RULES)} rules, {report.judged} resources, no violation")
    return lines


def _notes(report: Report) -> list[str]:
    return [f"- ⚠ {_text(warning)}" for warning in report.warnings]


def _text(text: str) -> str:
    """Text of others inside a list item: no line of it starts a new block, and no HTML or mention works."""
    escaped = re.sub(r"([\\`*_<>\[\]|@#])", r"\\\1", text.strip())
    return re.sub(r"\s*\n\s*", "<br>", escaped)


def _diff(changes: Sequence[Change]) -> list[str]:
    lines = []
    for one in changes:
        lines.append(f"{SIGNS.get(one.op, '~')} {one.type} {one.name} ({one.op})")
        lines += [f"{detail[0]}     {detail[2:]}" for detail in one.details]
    return lines


def diff_fold(report: Report, *, secrets: Iterable[str], room: int, run_url: str) -> str:
    """The changes in a fold; empty where there are none.

    Args:
        room: characters; what is beyond is cut, with a link to the job.
    """
    lines = [masked(line, secrets) for line in _diff(report.changes)]
    if not lines:
        return ""
    kept, used = [], 0
    for line in lines:
        used += len(line) + 1
        if used > room:
            break
        kept.append(line)
    fence = "`" * max(3, 1 + max((len(run) for line in kept for run in re.findall("`+", line)), default=0))
    number = len(report.changes)
    title = f"{number} resource{'s' if number != 1 else ''} would change"
    fold = [f"<details><summary>{title}</summary>", "", f"{fence}diff", *kept, fence]
    if len(kept) < len(lines):
        where = f"[the job]({run_url})" if run_url else "the job's summary"
        fold += ["", f"… and {len(lines) - len(kept)} more lines: see {where}"]
    return "\n".join([*fold, "</details>"])


def _origin(revision: str, run_url: str) -> str:
    of = f"Preview of `{revision[:12]}`" if revision else ""
    by = f"[the job]({run_url})" if run_url else ""
    return " by ".join(part for part in (of, by) if part)
