"""Compile a list of modules ahead, so that a read-only container starts without compiling them.

Usage: compile.py LIST_FILE FOLDER. The result depends on the sources alone, not on their dates, and all
of FOLDER gets one date: equal input then makes an equal layer.
"""

import os
import py_compile
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def compiled(file: str) -> None:
    """Compile one source file into its __pycache__."""
    py_compile.compile(file, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, doraise=True)


def main(listed: Path, root: Path) -> None:
    with ProcessPoolExecutor() as pool:
        list(pool.map(compiled, filter(None, listed.read_text().split("\n")), chunksize=50))
    for path in [root, *root.rglob("*")]:
        os.utime(path, (0, 0), follow_symlinks=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
