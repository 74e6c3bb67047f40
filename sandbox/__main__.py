"""The sandbox's command line; `make` is its usual front."""

import json
import os
import shlex
import shutil
import ssl
import subprocess
import time
from dataclasses import asdict
from typing import Annotated

import httpx
import typer
from rich.table import Table

from sandbox import assembly, local_stack, stack_names
from sandbox.assembly import Sandbox
from sandbox.console import console, say, told_when_interrupted
from sandbox.doctor import examine
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.process import wait_until

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

StackOption = Annotated[str, typer.Option(help="The stack to act on.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ANSWER_SECONDS = 60
SHOWN = ("PULUMI_", "SANDBOX_", "DOCKER_HOST", "KUBECONFIG", "AWS_", "SSL_CERT_FILE")


@app.command()
def up(
    stack: StackOption = "local",
    runtime: Annotated[
        str | None, typer.Option(help="docker, kubernetes or ecs; default: the stack file's.")
    ] = None,
) -> None:
    """Start the sandbox, deploy the stack after those it promotes from, and wait until antgent answers."""
    started = time.monotonic()
    sandbox = local_stack.start(Home.default(), stack, runtime)
    deployed = local_stack.deploy(sandbox, stack, runtime)
    lines = {"image": deployed.get("image", "")}
    if "url" in deployed:
        lines = {"URL": _answering(sandbox, stack), **lines, "logs": f"make logs{_naming(stack)}"}
    what = "answers" if "url" in deployed else f"is in {deployed['repository']}"
    say(f"\nantgent {deployed['tag']} {what} (the whole took {time.monotonic() - started:.0f} s)")
    for key, value in lines.items():
        say(f"  {key:<6} {value}")


@app.command()
def down(
    purge: Annotated[bool, typer.Option(help="Remove the sandbox's state too.")] = False,
) -> None:
    """Stop everything this sandbox started."""
    assembly.stop(Home.default(), purge=purge)
    say("the sandbox is down" + (" and its state is removed" if purge else ""))


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show each part: version, address, pid, health. Exits 1 when a part is broken."""
    rows = assembly.status(Home.default())
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("part", "version", "address", "pid", "health"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(row.part, row.version, row.address, str(row.pid or ""), row.health)
        console.print(table)
    if any(row.health.startswith("broken") for row in rows):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what this machine has and lacks, and how to mend it. Exits 1 when something is missing."""
    findings = examine(Home.default())
    for finding in findings:
        say(
            f"{'✓' if finding.good else '✗'} {finding.what}"
            + (f"\n    fix: {finding.fix}" if finding.fix else "")
        )
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@app.command()
def logs(stack: StackOption = "local") -> None:
    """Follow the server's logs, by the command that the stack's outputs name."""
    sandbox = _attached()
    command = shlex.split(local_stack.outputs(sandbox, stack)["logs"])
    if command[0] == "aws" and shutil.which("aws", path=sandbox.env["PATH"]) is None:
        from sandbox import aws_logs  # with boto3

        aws_logs.follow(command[3], command[-1], sandbox.env)
    raise typer.Exit(subprocess.run(command, env=sandbox.env).returncode)


@app.command()
def url(stack: StackOption = "local") -> None:
    """Print where antgent answers on this machine."""
    print(local_stack.address(_attached(), stack))


@app.command()
def env() -> None:
    """Print shell exports; with them plain pulumi, docker and kubectl use the sandbox."""
    sandbox = _attached()
    for key, value in sorted(sandbox.env.items()):
        if key == "PATH" or (key.startswith(SHOWN) and os.environ.get(key) != value):
            print(f"export {key}={shlex.quote(value)}")


def _answering(sandbox: Sandbox, stack: str) -> str:
    """The address at which the stack's server answers, once it does."""
    address = local_stack.address(sandbox, stack)
    trust = ssl.create_default_context(cafile=sandbox.env.get("SSL_CERT_FILE"))
    said: list[str] = []

    def answers() -> bool:
        try:
            said[:] = [str(httpx.get(f"{address}/version", timeout=2, verify=trust).status_code)]
        except httpx.HTTPError as error:
            said[:] = [str(error)]
        return said[0].isdigit() and int(said[0]) < 500

    if not wait_until(answers, seconds=ANSWER_SECONDS, every=0.5):
        raise SandboxError(
            f"{address} does not answer ({said[0]}), although the rollout reported success",
            fix=f"make logs{_naming(stack)}",
        )
    return address


def _attached() -> Sandbox:
    return assembly.attach(Home.default(), stack_names.read())


def _naming(stack: str) -> str:
    return "" if stack == "local" else f" STACK={stack}"


def main() -> None:
    """Run a command; a problem its reader can act on is two lines and exit code 1."""
    try:
        with told_when_interrupted("interrupted; run the same command again to go on"):
            app()
    except SandboxError as error:
        say(f"error: {error}")
        raise SystemExit(1) from None
    except OSError as error:
        say(f"error: {error.filename or 'the machine'}: {error.strerror or error}\n  fix: make doctor")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
