"""The command line itself: what each command takes, and how each problem ends."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from sandbox.console import say, told_when_interrupted
from sandbox.errors import SandboxError
from ship.errors import MEANING, Exit, ShipError
from ship.project import Project
from ship.ui import Ui

EXIT_CODES = "\n\n".join(f"**{int(code)}** {meaning}" for code, meaning in MEANING.items())

app = typer.Typer(
    name="ship",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Takes releases of antgent from a git tag to production, through the real `pulumi`.\n\n"
        "It works in the project's folder (or `--cwd`) with your own environment (PULUMI_… and the cloud's). "
        "It keeps nothing of its own: stack files and stack state are the only truth, so plain `pulumi` may be "
        "used beside it at any time.\n\nExit codes:\n\n" + EXIT_CODES
    ),
)


def _stacks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes the name of a stack."""
    try:
        names = Project.at(_folder(ctx)).stacks()
    except SandboxError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _folder(ctx: typer.Context) -> Path:
    given = ctx.find_root().params.get("cwd")
    return Path(given) if given else Path.cwd()


StackArgument = Annotated[
    str, typer.Argument(metavar="STACK", help="The environment's stack.", autocompletion=_stacks)
]
TagArgument = Annotated[str | None, typer.Argument(metavar="[TAG]", help="The release, such as v0.3.2.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (for CI).")]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Stop after the preview; the stack file is put back as it was.")
]


@app.callback()
def main_options(
    ctx: typer.Context,
    cwd: Annotated[
        Path | None,
        typer.Option(
            "--cwd", "-C", metavar="FOLDER", help="The project's folder. Defaults to the current one."
        ),
    ] = None,
) -> None:
    """Options of every command."""
    ctx.obj = cwd


@app.command()
def status(
    ctx: typer.Context,
    stacks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STACK]...", help="Which ones. Defaults to all.", autocompletion=_stacks),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Ask the engine what `up` would change, too (slower).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show environments side by side: release, digest, verified, since when, by whom, drift, URL, health now.

    Below the table stands what could be promoted. Nothing is changed.

    Example: `ship status staging prod`
    """
    from ship.status import status as run

    run(_project(ctx), stacks or [], Ui(as_json), preview=preview)


@app.command()
def release(
    ctx: typer.Context,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="The release, such as v0.3.2.")],
    stack: Annotated[str, typer.Option(help="The stack that builds.", autocompletion=_stacks)] = "release",
    plan: PlanOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build a release once and push it: tag, tree and version must agree. Prints the digest.

    A tag that the registry has already is not built again, and never overwritten.

    Example: `ship release v0.3.2`
    """
    from ship.release import release as run

    run(_project(ctx), tag, stack, Ui(as_json, yes), plan=plan)


@app.command()
def promote(
    ctx: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="STACK", help="The environment that gets the release.", autocompletion=_stacks
        ),
    ],
    tag: TagArgument = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STACK",
            help="Where it was verified. Defaults to what the config of --to says.",
            autocompletion=_stacks,
        ),
    ] = None,
    override: Annotated[
        str | None,
        typer.Option("--override", metavar="REASON", help="Let an unverified release through, on record."),
    ] = None,
    lift_hold: Annotated[bool, typer.Option("--lift-hold", help="End the environment's hold.")] = False,
    plan: PlanOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an environment run a release that another one has verified: the same image, by digest.

    Shows what changes (release, digest, commits, config that differs), edits one line of the stack file, shows
    the engine's preview, asks, and runs `up`. Without TAG it takes the newest verified release.

    Example: `ship promote --to prod v0.3.2`
    """
    from ship.promote import Wish
    from ship.promote import promote as run

    wish = Wish(to, source, tag, override, lift_hold, plan)
    run(_project(ctx), wish, Ui(as_json, yes))


@app.command()
def rollback(
    ctx: typer.Context,
    stack: StackArgument,
    tag: TagArgument = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Why; goes into the hold. Defaults to what it is rolled back from."),
    ] = None,
    plan: PlanOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring an environment back to its previous good release, or to TAG, and hold it there.

    Proves first that the image is still in the registry; the environment it came from is not asked, so this
    works while that is broken or gone. The hold keeps automation from undoing it.

    Example: `ship rollback prod`
    """
    from ship.rollback import Wish
    from ship.rollback import rollback as run

    run(_project(ctx), Wish(stack, tag, reason, plan), Ui(as_json, yes))


@app.command()
def verify(ctx: typer.Context, stack: StackArgument, as_json: JsonOption = False) -> None:
    """Run an environment's checks again, without a deploy. Exits 1 when one does not pass.

    Example: `ship verify staging`
    """
    from ship.verify import verify as run

    run(_project(ctx), stack, Ui(as_json))


@app.command()
def history(
    ctx: typer.Context,
    stack: StackArgument,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many operations.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show who shipped what and when, from the engine's own history; newest first.

    Example: `ship history prod`
    """
    from ship.history import history as run

    run(_project(ctx), stack, limit, Ui(as_json))


@app.command()
def unlock(
    ctx: typer.Context, stack: StackArgument, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Explain who holds a stack's lock and since when, and offer to cancel it when it is stranded.

    The lock of a living process is never cancelled.

    Example: `ship unlock prod`
    """
    from ship.unlock import unlock as run

    run(_project(ctx), stack, Ui(as_json, yes))


def _project(ctx: typer.Context) -> Project:
    folder = ctx.obj or Path.cwd()
    if not folder.is_dir():
        raise ShipError(f"{folder} is no folder", fix="ship --cwd FOLDER …", code=Exit.USAGE)
    return Project.at(folder)


def main() -> None:
    """Run a command; each problem is told with its cause and its fix, and ends in its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _frame: sys.exit(128 + got))
    try:
        with told_when_interrupted("interrupted; `ship status` shows what runs"):
            app(prog_name="ship")
    except ShipError as error:
        _end(str(error), error.code)
    except SandboxError as error:
        _end(str(error), Exit.FAILED)
    except OSError as error:
        _end(f"{error.filename or 'the machine'}: {error.strerror or error}", Exit.FAILED)
    except Exception as error:
        if os.environ.get("SHIP_DEBUG"):
            raise
        _end(
            f"a fault of ship's own: {type(error).__name__}: {error}\n"
            "  fix: SHIP_DEBUG=1 with the same command shows where; plain `pulumi` works in the meantime",
            Exit.FAILED,
        )


def _end(text: str, code: Exit) -> None:
    say(f"error: {text}")
    sys.exit(int(code))


if __name__ == "__main__":
    main()
