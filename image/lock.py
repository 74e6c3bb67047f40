"""Write the pins of one antgent version: `python image/lock.py 0.3.2`, or of a checkout: `… lock.py PATH`.

The file, `image/pins/antgent-VERSION.txt`, names every package with its hashes for Linux on x86-64 and
arm64, and no index: `uv` asks the one this machine is configured for. A checkout's version is read from
its `pyproject.toml`, or from `__version__` of the package when it is dynamic.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "3.13"
VERSION = re.compile(r"[0-9]+(\.[0-9A-Za-z]+)+")
DYNAMIC_VERSION = re.compile(r"""^__version__\s*=\s*["']([^"']+)""", re.MULTILINE)


class LockError(Exception):
    """Why there are no pins, with the fix on a second line."""


def pins_file(version: str) -> Path:
    """Where the pins of a version are, whether or not they exist yet."""
    return HERE / "pins" / f"antgent-{version}.txt"


def checkout_version(checkout: Path) -> str:
    """The version that an antgent checkout builds. Raises LockError when it is none."""
    project = checkout / "pyproject.toml"
    if not project.is_file():
        raise LockError(f"{checkout} has no pyproject.toml\n  fix: give a version (0.3.2) or antgent's source folder")
    declared = tomllib.loads(project.read_text()).get("project", {})
    package = checkout / "antgent" / "__init__.py"
    found = DYNAMIC_VERSION.search(package.read_text()) if package.is_file() else None
    version = declared.get("version") or (found and found.group(1))
    if declared.get("name") != "antgent" or not version:
        raise LockError(f"{checkout} is not a source folder of antgent\n  fix: give the folder with its pyproject.toml")
    return str(version)


def lock(source: str) -> Path:
    """Write the pins of a published version or of a checkout's folder; returns their file."""
    if VERSION.fullmatch(source):
        return _compile(f"antgent=={source}\n", pins_file(source))
    checkout = Path(source).resolve()
    return _compile((checkout / "pyproject.toml").read_text(), pins_file(checkout_version(checkout)), "pyproject.toml")


def _compile(text: str, out: Path, name: str = "requirements.in") -> Path:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text)
        done = subprocess.run(
            [*_uv(), "pip", "compile", name, "--output-file", "pins.txt", "--universal", "--generate-hashes",
             "--no-emit-index-url", "--no-header", "--no-annotate", "--python-version", PYTHON, "--quiet"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise LockError(f"uv found no pins:\n{done.stderr.strip()}\n  fix: is the version published, and does pip's index answer?")
        out.write_text((Path(folder) / "pins.txt").read_text())
    return out


def _uv() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    return [str(beside) if beside.exists() else "uv"]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        print(lock(arguments[0]).relative_to(HERE.parent))
    except (LockError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
