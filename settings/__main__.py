"""`python -m settings --check [STACK…]` checks stack files without an engine.

`--schema` prints their JSON schema, `--keys` the `config:` section of Pulumi.yaml; both are made from the models.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from settings import check
from settings.prepare import variables
from settings.reference import project_yaml
from settings.report import report
from settings.schema import schema
from settings.stackfile import StackFileError, read, stack_file


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when all is well, 1 when config is wrong, 2 for wrong usage (argparse's)."""
    parser = argparse.ArgumentParser(prog="python -m settings", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument(
        "--check", nargs="*", metavar="STACK", help="check these stacks' files; all of them by default"
    )
    action.add_argument("--schema", action="store_true", help="print the JSON schema of a stack file")
    action.add_argument("--keys", action="store_true", help="print the config section of Pulumi.yaml")
    options = parser.parse_args(arguments)
    if options.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    if options.keys:
        print(project_yaml(), end="")
        return 0
    files = [Path(_file_of(stack)) for stack in options.check] or sorted(Path().glob("Pulumi.*.yaml"))
    if not files:
        print("no Pulumi.<stack>.yaml here; run this where Pulumi.yaml is", file=sys.stderr)
        return 1
    return max([_check_file(path) for path in files])


def _file_of(stack: str) -> str:
    """A stack's file; the file's own name is taken, too, as pre-commit hands it over."""
    return stack if stack.endswith(".yaml") else stack_file(stack)


def _check_file(path: Path) -> int:
    try:
        config = read(path)
    except StackFileError as error:
        print(error, file=sys.stderr)
        return 1
    problems = check(config, file=path.name, env=os.environ)
    if problems:
        print(report(problems), end="\n\n", file=sys.stderr)
        return 1
    unset = sorted({name for name in variables(config) if not os.environ.get(name)})
    note = f" (not set here, needed by `pulumi up`: {', '.join(unset)})" if unset else ""
    print(f"{path.name}: fine{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
