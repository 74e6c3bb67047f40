"""Make the build context for an antgent checkout: `python image/checkout.py CHECKOUT INTO`.

A Docker build sees one folder only, and this image needs two: `image/` and the checkout. Build the result
with `--build-arg SOURCE=checkout --build-arg ANTGENT_VERSION=…` (the program does, see `build.context`).
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if __package__:
    from image.lock import HERE, LockError, checkout_version, lock_checkout, pins_file
else:
    from lock import HERE, LockError, checkout_version, lock_checkout, pins_file

PARTS = ("Dockerfile", ".dockerignore", "antgent", "antgent_image", "build", "pins")
UNWANTED = shutil.ignore_patterns(
    ".git", ".venv", "venv", "__pycache__", "*.egg-info", "dist", "node_modules"
)


@dataclass(frozen=True)
class Staged:
    """A build context.

    Args:
        context: the folder to build, with a Dockerfile in it.
        version: for the build argument ANTGENT_VERSION.
    """

    context: Path
    version: str


def stage(checkout: Path, into: Path) -> Staged:
    """Copy `image/` and the checkout into `into`, replacing what is there; locks where there are no pins.

    Of a git checkout the files are taken that git would keep, else all but caches and environments.
    Raises LockError when `checkout` is not antgent's or its dependencies cannot be resolved.
    """
    version = checkout_version(checkout)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for part in PARTS:
        copy = shutil.copytree if (HERE / part).is_dir() else shutil.copy2
        copy(HERE / part, into / part)
    if not pins_file(version).exists():
        lock_checkout(checkout, into / "pins" / pins_file(version).name)
    _copy_source(checkout, into / "checkout")
    return Staged(into, version)


def _copy_source(checkout: Path, into: Path) -> None:
    if not (checkout / ".git").exists():
        shutil.copytree(checkout, into, ignore=UNWANTED)
        return
    listed = subprocess.run(
        ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (checkout / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, into / name)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        staged = stage(Path(arguments[0]).resolve(), Path(arguments[1]).resolve())
    except (LockError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"docker build --build-arg SOURCE=checkout --build-arg ANTGENT_VERSION={staged.version} {staged.context}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
