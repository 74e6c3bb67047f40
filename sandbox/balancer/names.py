"""A marked block in the hosts file, so that load balancers' names lead to this machine."""

import contextlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from sandbox.paths import cache_dir

HOSTS = Path("/etc/hosts")


def write(names: Mapping[str, str], mark: str, hosts: Path = HOSTS) -> bool:
    """Make the block of `mark` say what `names` says, and nothing else; no names, no block.

    Args:
        names: host name → address.
        mark: tells this sandbox's block from another's.

    Returns:
        Whether the file had to be changed.

    Raises:
        OSError: the file may not be read or written.
    """
    begin, end = f"# >>> antgent sandbox {mark}", f"# <<< antgent sandbox {mark}"
    lines = [f"{address}\t{name}" for name, address in sorted(names.items())]
    block = "\n".join([begin, *lines, end, ""]) if lines else ""
    with FileLock(cache_dir() / "hosts.lock"):
        before = hosts.read_text() if hosts.exists() else ""
        # An editor may have lost the end: then what follows may be somebody else's, and stays.
        ours = rf"^{re.escape(begin)}\n(?:(?:[0-9.]+\t\S+\n)*{re.escape(end)}\n)?"
        kept = re.sub(ours, "", before, flags=re.M)
        if kept and not kept.endswith("\n"):
            kept += "\n"
        if kept + block == before:
            return False
        _replace(hosts, kept + block)
        return True


def _replace(file: Path, text: str) -> None:
    """At once where that is possible; a hosts file that is mounted into a container is written in place."""
    fresh = file.with_name(f".{file.name}.antgent")
    try:
        fresh.write_text(text)
        if file.exists():
            shutil.copymode(file, fresh)
        fresh.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        file.write_text(text)
