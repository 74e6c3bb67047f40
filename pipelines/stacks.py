"""Which stacks a change touches, told from the files that it changes."""

import subprocess
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pipelines.errors import PipelineError
from settings.report import PROJECT
from settings.stackfile import StackFileError, read, stack_file

PROGRAM = ("__main__.py", "Pulumi.yaml", "components/*", "deployment/*", "settings/*", "requirements.txt")
"""What every stack runs."""
IMAGE = ("image/*",)
"""What goes into the image, so that it touches the stacks that build."""


def stacks(folder: Path) -> dict[str, dict[str, Any]]:
    """Stack → its config without namespace, for every stack file of a folder, by name.

    Raises:
        PipelineError: a stack file cannot be read.
    """
    found = {}
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        try:
            config = read(file)
        except StackFileError as error:
            raise PipelineError(str(error), fix="python -m settings --check") from None
        name = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        found[name] = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items()}
    return found


def touched(known: Mapping[str, Mapping[str, Any]], changed: Iterable[str]) -> list[str]:
    """The stacks whose inputs are among the changed files.

    Args:
        known: stack → config, as `stacks` gives it.
        changed: paths from the repository's root.
    """
    changed = list(changed)
    everything = any(fnmatch(path, pattern) for path in changed for pattern in PROGRAM)
    image = any(fnmatch(path, pattern) for path in changed for pattern in IMAGE)
    return [
        name
        for name, config in known.items()
        if everything or stack_file(name) in changed or (image and config.get("build"))
    ]


def changed_files(folder: Path, base: str, head: str) -> list[str]:
    """What differs between where `head` left `base`, and `head`.

    Raises:
        PipelineError: git cannot tell, with git's own words.
    """
    command = ["git", "diff", "--name-only", "-z", f"{base}...{head}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise PipelineError(
            f"git cannot compare {base} with {head}: {done.stderr.strip()}",
            fix="fetch both: actions/checkout with fetch-depth: 0",
        )
    return [path for path in done.stdout.split("\0") if path]
