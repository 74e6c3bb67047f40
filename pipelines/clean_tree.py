"""Refuses to commit the name of a release whose build inputs are not committed.

`python -m pipelines.clean_tree FILE…`, as pre-commit calls it with the stack files that are staged. A stack
that builds records the commit that its image was made from; from a dirty tree that commit does not exist.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from settings.report import PROJECT
from settings.stackfile import StackFileError, read


def problems(files: Sequence[str], folder: Path) -> list[str]:
    """Why these stack files must not be committed yet; empty when they may.

    Args:
        files: staged stack files, from `folder`, the root of the git checkout.
    """
    found = []
    for name in files:
        if not _names_another_release(name, folder):
            continue
        try:
            build = read(folder / name).get(f"{PROJECT}:build")
        except StackFileError as error:
            found.append(str(error))
            continue
        if build is None:
            continue
        context = str(build.get("context", "image"))
        dirty = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", context)
        left = [line[3:] for line in dirty.splitlines() if line[1] != " " or line.startswith("??")]
        if left:
            found.append(
                f"{name} names another release, and {context} has changes that are not part of this commit: "
                f"{', '.join(left[:5])}\n  fix: git add {context}, or git stash them first"
            )
    return found


def _names_another_release(name: str, folder: Path) -> bool:
    """Whether the staged change touches the line of the release."""
    lines = _git(folder, "diff", "--cached", "--unified=0", "--", name).splitlines()
    return any(line[:1] == "+" and "imageTag:" in line for line in lines)


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """0 when the files may be committed."""
    found = problems(sys.argv[1:], Path.cwd())
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
