"""`pulumi preview --json | python -m policies` judges a stack's resources by the rules of this folder."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from policies import RULES, violations
from policies.preview import PreviewError, resources

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def judge(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Outputs of `pulumi preview --json` or `pulumi stack export`; - is stdin."),
    ] = None,
    show_rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Exits 0 when every rule is kept, 1 when one is broken, 2 when there is nothing to judge."""
    if show_rules:
        for rule in RULES:
            print(f"{rule.name}: {rule.description}")
        return
    try:
        judged = {name: resources(_read(name)) for name in files or ["-"]}
    except (PreviewError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    found = {name: violations(each) for name, each in judged.items()}
    if as_json:
        print(json.dumps({name: [asdict(one) for one in each] for name, each in found.items()}, indent=2))
    else:
        for name, each in found.items():
            for one in each:
                print(f"✗ {name}: {one}")
            print(f"{name}: {len(judged[name])} resources, {len(RULES)} rules, {len(each)} violations")
    raise typer.Exit(1 if any(found.values()) else 0)


def _read(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


if __name__ == "__main__":
    app(prog_name="python -m policies")
