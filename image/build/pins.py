"""Split the pins of one antgent version: its dependencies, and antgent itself.

Usage: pins.py PINS_FOLDER OUT_FOLDER, with the version in the environment as ANTGENT_VERSION.
Two versions with the same dependencies give the same `dependencies.txt`, byte for byte.
"""

import os
import sys
from pathlib import Path


def requirements(text: str) -> list[str]:
    """The requirements of a pins file, each with its hashes; comments are dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[str] = []
    for line in lines:
        if line[0].isspace():
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def main(folder: Path, out: Path, version: str) -> int:
    pins = folder / f"antgent-{version}.txt"
    if not pins.exists():
        known = ", ".join(sorted(file.stem.removeprefix("antgent-") for file in folder.glob("*.txt")))
        print(
            f"error: there are no pins for antgent {version or '(build argument ANTGENT_VERSION is empty)'}"
            f" (there are: {known})\n  fix: python image/lock.py {version or 'VERSION'}",
            file=sys.stderr,
        )
        return 1
    out.mkdir()
    antgent, dependencies = [], []
    for requirement in requirements(pins.read_text()):
        (antgent if requirement.startswith("antgent==") else dependencies).append(requirement)
    (out / "antgent.txt").write_text("\n".join(antgent) + "\n")
    (out / "dependencies.txt").write_text("\n".join(dependencies) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), os.environ.get("ANTGENT_VERSION", "")))
