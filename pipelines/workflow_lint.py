"""Lints the workflows: actionlint for what GitHub refuses, zizmor for what is unsafe.

`python -m pipelines.workflow_lint [FOLDER]`; actionlint is built from its Go module once, and cached.
"""

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.gobuild import GO_MODULES, build
from sandbox.paths import cache_dir

VERSION = "v1.7.7"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def actionlint() -> Path:
    """The program, built when this machine has not built it yet."""
    folder = cache_dir() / "actionlint" / VERSION
    program = folder / "actionlint"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"), step(f"building actionlint {VERSION} from its Go module"):
            if not program.exists():
                build(GO_MODULES / "actionlint", {"actionlint": PACKAGE}, folder)
    return program


def lint(folder: Path) -> bool:
    """Print every finding about the workflows of a checkout; whether there was none.

    Args:
        folder: the checkout; its `.github` is read.
    """
    workflows = sorted((folder / ".github" / "workflows").glob("*.yml"))
    if not workflows:
        raise SandboxError(f"{folder} has no workflows in .github/workflows", fix="run it in the checkout")
    # Neither asks the network: what is found must not change by itself.
    zizmor = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--no-progress", "--quiet"]
    commands = (
        [str(actionlint()), "-no-color", *map(str, workflows)],
        [*zizmor, str(folder / ".github")],
    )
    codes = [subprocess.run(command, cwd=folder).returncode for command in commands]
    return not any(codes)


def main() -> int:
    """0 when nothing was found, 1 when something was."""
    try:
        good = lint(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
    except SandboxError as error:
        say(f"error: {error}")
        return 1
    if good:
        say("actionlint and zizmor find nothing")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
