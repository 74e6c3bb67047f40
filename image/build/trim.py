"""Remove from a virtual environment what antgent's server and worker never read at run time.

Usage: trim.py FOLDER. Every removal is a file, never a package: all metadata stays, and so does
everything that can be imported. image/README.md lists the sizes.
"""

import os
import shutil
import struct
import sys
from pathlib import Path

# Folders and files no running program reads.
PATTERNS = (
    "**/tests", "**/test", "**/__pycache__",
    "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.pxi", "**/*.c", "**/*.h", "**/*.rs",
)  # fmt: skip
NAMED = (
    "temporalio/bridge/sdk-core",  # the Rust sources of the library beside them
    "temporalio/bridge/src",
    "litellm/proxy/_experimental/out",  # the web pages of litellm's own proxy server
    "litellm/proxy/swagger",
)
# antgent speaks to S3 and Bedrock; botocore carries the description of 400 other services.
BOTOCORE_KEPT = ("s3", "sts", "sso", "sso-oidc", "signin", "bedrock", "sagemaker-runtime", "secretsmanager")
ELF_HEADER = 64
ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"


def superfluous(packages: Path):
    """The paths below `packages` to remove."""
    for pattern in PATTERNS:
        yield from packages.glob(pattern)
    yield from (packages / name for name in NAMED)
    for service in (packages / "botocore" / "data").glob("*/"):
        if not service.name.startswith(BOTOCORE_KEPT):
            yield service


def strip(library: Path) -> None:
    """Drop debug symbols from a 64-bit ELF library: cut it off after the last byte a loader maps.

    Only the program headers matter to a loader. What lies behind the segments they name (symbol
    tables, debug sections and the section headers that list them) is for debuggers; unlike `strip`,
    this moves nothing, so it is safe for libraries that auditwheel has patched, and needs no binutils.
    """
    with library.open("r+b") as file:
        header = bytearray(file.read(ELF_HEADER))
        if header[:6] != ELF_64_LITTLE_ENDIAN:
            return
        (start,) = struct.unpack_from("<Q", header, 32)
        entry_size, entries = struct.unpack_from("<HH", header, 54)
        end = start + entry_size * entries
        file.seek(start)
        for entry in (file.read(entry_size) for _ in range(entries)):
            offset, _virtual, _physical, length = struct.unpack_from("<QQQQ", entry, 8)
            end = max(end, offset + length)
        struct.pack_into("<Q", header, 40, 0)
        struct.pack_into("<HHH", header, 58, 0, 0, 0)
        file.seek(0)
        file.write(header)
        file.truncate(end)


def size(folder: Path) -> str:
    """The size of a folder's files, in MB."""
    return f"{sum(file.lstat().st_size for file in folder.rglob('*')) / 1e6:.0f} MB"


def main(root: Path) -> None:
    packages = next(root.glob("lib/python3*/site-packages"))
    before = size(root)
    for path in list(superfluous(packages)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    removed = size(root)
    for library in packages.rglob("*.so*"):
        if library.is_file() and not library.is_symlink():
            strip(library)
    # One date for all: the same pins then make the same layer, which a registry already has.
    for path in [root, *root.rglob("*")]:
        os.utime(path, (0, 0), follow_symlinks=False)
    print(f"trimmed {root}: {before}, without superfluous files {removed}, stripped {size(root)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
