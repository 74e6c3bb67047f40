"""What differs between a stack's last deployment and what is there: the text of an issue."""

from collections.abc import Iterable

from pipelines.comment import counted, diff_fold, masked
from pipelines.github import COMMENT_LIMIT
from pipelines.report import Report

LABEL = "drift"
EXPECTED = "no changes were expected"


def marker(stack: str) -> str:
    """The first line of a stack's issue: how the next run finds it."""
    return f"<!-- antgent drift of {stack} -->"


def drifted(report: Report) -> bool:
    """Whether anything differs, or could not be looked at."""
    return bool(report.changes) or bool(_problems(report))


def title(report: Report) -> str:
    """One line, for the issue and for the log."""
    if _problems(report):
        return f"Drift of {report.stack} cannot be told: its preview fails"
    return f"{report.stack} is not what was deployed: {counted(report)}" if report.changes else "no drift"


def render(report: Report, *, run_url: str = "", secrets: Iterable[str] = ()) -> str:
    """The issue's text; for a stack without drift, the job's summary."""
    if not drifted(report):
        return f"{marker(report.stack)}\n\n`{report.stack}` is as it was deployed.\n"
    lines = [marker(report.stack), "", f"### {title(report)}", ""]
    lines += [f"- {problem}" for problem in _problems(report)]
    if report.changes:
        lines += [
            f"A refresh found what differs from the last `pulumi up --stack {report.stack}`. Either the change",
            "was right and belongs into the program or the stack file, or the next deployment undoes it:",
            "",
            f"```sh\npulumi up --refresh --stack {report.stack}\n```",
        ]
    text = masked("\n".join(lines), secrets)
    fold = diff_fold(report, secrets=secrets, room=COMMENT_LIMIT - len(text) - 2_000, run_url=run_url)
    by = f"Seen by [the job]({run_url})." if run_url else ""
    return "\n\n".join(part for part in (text, fold, by) if part) + "\n"


def _problems(report: Report) -> list[str]:
    return [problem for problem in report.problems if EXPECTED not in problem]
