"""What CI's workflows call. Each command works on a laptop as well, in the project's folder."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines import comment as comments
from pipelines import drift as drifts
from pipelines import operations, records, short_lived
from pipelines.errors import PipelineError
from pipelines.github import COMMENT_LIMIT, SUMMARY_LIMIT, Workflow
from pipelines.stacks import changed_files, stacks, touched
from sandbox.console import say
from sandbox.engine import ensure_engine
from sandbox.errors import SandboxError
from sandbox.pulumi_cli import Outcome

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
environment = typer.Typer(no_args_is_help=True, help="Environments that last as long as a pull request.")
app.add_typer(environment, name="environment")

Stack = Annotated[str, typer.Argument(help="The stack.")]
NAME = typer.Argument(help="pr-NUMBER.")


@app.command()
def changed(
    base: Annotated[str | None, typer.Option(help="Compare with this commit; default: the event's.")] = None,
    head: Annotated[str, typer.Option(help="The commit that is looked at.")] = "HEAD",
    without: Annotated[list[str] | None, typer.Option(help="Stacks to leave out.")] = None,
) -> None:
    """Say which stacks a change touches, as the matrix of a job (output `stacks`, a JSON list)."""
    workflow = Workflow.current()
    base = base or _base(workflow)
    found = touched(stacks(Path()), changed_files(Path(), base, head))
    wanted = [name for name in found if name not in (without or ())]
    workflow.output("stacks", json.dumps(wanted))
    say(f"touched since {base[:12]}: {', '.join(wanted) or 'no stack'}")


@app.command()
def preview(
    stack: Stack,
    out: Annotated[Path | None, typer.Option(help="Folder for the comment, STACK.md.")] = None,
) -> None:
    """Preview a stack and write its comment. Exits 1 when the preview fails or a policy is broken."""
    _preview(stack, out=out, plan=None)


@app.command()
def plan(
    stack: Stack,
    out: Annotated[Path, typer.Option(help="File for the plan.")],
) -> None:
    """Preview a stack and save what `apply` may then do. Exits 1 as `preview` does."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _preview(stack, out=None, plan=out.resolve())


@app.command()
def apply(stack: Stack, plan: Annotated[Path, typer.Option(help="What `plan` has saved.")]) -> None:
    """Run `up` on a plan: what is not in it is refused by the engine."""
    _tell(stack, operations.apply(stack, plan))


@app.command()
def deploy(stack: Stack) -> None:
    """Run `up` on a stack."""
    _tell(stack, operations.deploy(stack))


@app.command()
def comment(
    files: Annotated[list[Path], typer.Argument(help="Comments that `preview --out` has written.")],
) -> None:
    """Post each comment on the event's pull request, or update the one of the last run."""
    workflow = Workflow.current()
    number = workflow.pull_request
    if number is None:
        raise PipelineError("the event is about no pull request", fix="run it on pull_request")
    api = workflow.api()
    found = [each for one in files for each in (one.glob("*.md") if one.is_dir() else [one])]
    if not found:
        raise PipelineError(
            "there is no comment to post", fix="python -m pipelines preview STACK --out previews"
        )
    for file in sorted(found):
        body = file.read_text(encoding="utf-8")
        say(f"{file.stem}: {api.keep_comment(number, comments.marker(file.stem), body)}")


@app.command()
def drift(
    stack: Stack,
    report: Annotated[bool, typer.Option(help="Keep an issue about it on GitHub.")] = True,
) -> None:
    """Look for what differs from the last deployment. Exits 1 when something does."""
    workflow = Workflow.current()
    found = operations.preview(stack, refresh=True)
    text = drifts.render(found, run_url=workflow.run_url, secrets=operations.secrets(stack))
    workflow.summary(text)
    if report and workflow.repository:
        api = workflow.api()
        if drifts.drifted(found):
            say(api.keep_issue(drifts.marker(stack), drifts.title(found), text, drifts.LABEL))
        else:
            api.close_issue(drifts.marker(stack), drifts.LABEL, f"`{stack}` is as it was deployed again.")
    if drifts.drifted(found):
        say(f"{stack}: {drifts.title(found)}")
        raise typer.Exit(1)
    say(f"{stack} is as it was deployed")


@app.command()
def record(
    tag: Annotated[str, typer.Argument(help="The release that was deployed.")],
    stack: Annotated[list[str], typer.Argument(help="The stacks whose files should say so.")],
) -> None:
    """Propose a deployed tag for the stack files, by a pull request."""
    proposed = records.record(Workflow.current().api(), tag, stack)
    say(proposed or f"the files of {', '.join(stack)} say {tag} already")


@app.command("engine")
def engine_on_path() -> None:
    """Make `pulumi` there for later steps (GITHUB_PATH): the official one, or one built from source."""
    folders = [str(ensure_engine().bin), str(Path(sys.executable).parent)]
    Workflow.current().path(*folders)


@environment.command("up")
def environment_up(
    name: Annotated[str, NAME],
    source: Annotated[str, typer.Option("--from", help="The stack whose config it copies.")] = "dev",
    tag: Annotated[str | None, typer.Option(help="The release it runs; default: the source's.")] = None,
) -> None:
    """Make, or update, the environment of a pull request."""
    _tell(name, short_lived.create(name, source=source, tag=tag))


@environment.command("down")
def environment_down(name: Annotated[str, NAME]) -> None:
    """Destroy the environment of a pull request; none is no error."""
    say(f"{name} is gone" if short_lived.destroy(name) else f"there is no environment {name}")


@environment.command("sweep")
def environment_sweep(
    hours: Annotated[float, typer.Option(help="Hours without an update after which one is forgotten.")] = 72,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be destroyed.")] = False,
) -> None:
    """Destroy the environments of closed pull requests, and those that nobody updated for long."""
    workflow = Workflow.current()
    api = workflow.api()
    swept = short_lived.sweep(
        hours=hours, dry=dry, is_open=lambda number: api.pull_request_state(number) == "open"
    )
    lines = [f"- `{one.name}`: {one.why or 'stays'}" for one in swept] or ["there is none"]
    workflow.summary("### Short-lived environments\n\n" + "\n".join(lines))
    say("\n".join(lines))


def _base(workflow: Workflow) -> str:
    pull_request = workflow.event.get("pull_request") or {}
    found = (pull_request.get("base") or {}).get("sha") or workflow.event.get("before")
    if not found or set(found) == {"0"}:
        return "HEAD~1" if workflow.event else "origin/main"
    return found


def _preview(stack: str, *, out: Path | None, plan: Path | None) -> None:
    workflow = Workflow.current()
    report = operations.preview(stack, plan=plan)
    event = workflow.event.get("pull_request") or {}
    shown = {
        "environments": operations.environments(),
        "gate": operations.gate(stack),
        "revision": (event.get("head") or {}).get("sha") or os.environ.get("GITHUB_SHA", ""),
        "run_url": workflow.run_url,
        "secrets": operations.secrets(stack),
    }
    workflow.summary(comments.render(report, **shown, limit=SUMMARY_LIMIT))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        text = comments.render(report, **shown, limit=COMMENT_LIMIT)
        (out / f"{stack}.md").write_text(text, encoding="utf-8")
    say(f"{stack}: {comments.headline(report)}")
    for problem in (*report.problems, *map(str, report.broken)):
        say(f"  ✗ {problem}")
    if not report.good:
        raise typer.Exit(1)


def _tell(stack: str, outcome: Outcome) -> None:
    """Say on the job's page what runs now."""
    found = operations.outputs(stack)
    lines = [f"### `{stack}`: {outcome.changes} in {outcome.seconds:.0f} s", ""]
    lines += [
        f"- {name}: `{found[name]}`" for name in ("tag", "image", "gitRevision", "url") if found.get(name)
    ]
    if found.get("override"):
        lines.append(f"- **override** by {found['override']['by']}: {found['override']['reason']}")
    workflow = Workflow.current()
    workflow.summary("\n".join(lines))
    if found.get("url"):
        workflow.output("url", str(found["url"]))


def main() -> None:
    """Run a command; a problem its reader can act on is exit code 1, without a traceback."""
    try:
        app(prog_name="python -m pipelines")
    except SandboxError as error:
        say(f"error: {error}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
