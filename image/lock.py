"""Write the pins of one antgent version: `python image/lock.py 0.3.3`, or of a checkout: `… lock.py PATH`.

The file, `image/pins/antgent-VERSION.txt`, names every package with its hashes for Linux on x86-64 and
arm64, and no index: `uv` asks the one this machine is configured for. Dependencies keep the versions of
the newest pins there are, so that a release changes antgent and nothing else; `--upgrade` takes the newest.
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


def lock(version: str, *, upgrade: bool = False) -> Path:
    """Write the pins of a published version; returns their file. Raises LockError."""
    return _compile("requirements.in", f"antgent=={version}\n", pins_file(version), upgrade)


def lock_checkout(checkout: Path, out: Path | None = None, *, upgrade: bool = False) -> Path:
    """Write the pins of what a checkout depends on, to `out` or the pins file of its version. Raises LockError."""
    version = checkout_version(checkout)
    out = out or pins_file(version)
    if out.exists() and "\nantgent==" in out.read_text():
        raise LockError(
            f"{out.name} holds the pins of the published {version}\n  fix: give the checkout a version of its own"
        )
    return _compile("pyproject.toml", (checkout / "pyproject.toml").read_text(), out, upgrade)


def checkout_version(checkout: Path) -> str:
    """The version in a checkout's `pyproject.toml`, or its package's `__version__` when that is dynamic.

    Raises LockError when the folder is not antgent's.
    """
    project = checkout / "pyproject.toml"
    if not project.is_file():
        raise LockError(
            f"{checkout} has no pyproject.toml\n  fix: give a version (0.3.2) or antgent's source folder"
        )
    declared = tomllib.loads(project.read_text()).get("project", {})
    package = checkout / "antgent" / "__init__.py"
    found = DYNAMIC_VERSION.search(package.read_text()) if package.is_file() else None
    version = declared.get("version") or (found and found.group(1))
    if declared.get("name") != "antgent" or not version:
        raise LockError(
            f"{checkout} is not a source folder of antgent\n  fix: give the folder of its pyproject.toml"
        )
    return str(version)


def _compile(name: str, text: str, out: Path, upgrade: bool) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text)
        (Path(folder) / "pins.txt").write_text("" if upgrade else _newest())
        done = subprocess.run(
            [_uv(), "pip", "compile", name, "--output-file", "pins.txt", "--universal", "--generate-hashes",
             "--no-emit-index-url", "--no-header", "--no-annotate", "--python-version", PYTHON, "--quiet"],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise LockError(
                f"uv found no pins:\n{done.stderr.strip()}\n"
                "  fix: check that the version is published and that uv reaches an index (uv does not read pip.conf)"
            )
        out.write_text((Path(folder) / "pins.txt").read_text())
    return out


def _newest() -> str:
    def order(file: Path) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", file.stem)]

    return max((HERE / "pins").glob("antgent-*.txt"), key=order).read_text()


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else "uv"


def main(arguments: list[str]) -> int:
    upgrade = "--upgrade" in arguments
    sources = [argument for argument in arguments if argument != "--upgrade"]
    if len(sources) != 1:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        one = sources[0]
        checkout = Path(one).resolve()
        found = (
            lock(one, upgrade=upgrade) if VERSION.fullmatch(one) else lock_checkout(checkout, upgrade=upgrade)
        )
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"error: {error}\n  fix: pip install uv", file=sys.stderr)
        return 1
    print(found.relative_to(HERE.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
