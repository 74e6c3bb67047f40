"""Secrets as files, and secrets kept out of the log."""

import io
import os
import re
import sys
from pathlib import Path

FOLDER = Path("/run/secrets")
ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
SECRET_NAME = re.compile(r".*(TOKEN|SECRET|PASSWORD|KEY|DSN)", re.IGNORECASE)
SHORTEST = 6  # masking a shorter value would blank out ordinary words

_from_files: set[str] = set()


def load(folder: Path = FOLDER) -> None:
    """Every file `folder/NAME` becomes the environment variable NAME, unless that is set already."""
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if ENVIRONMENT_NAME.fullmatch(file.name) and file.is_file():
            os.environ.setdefault(file.name, file.read_text().strip())
            _from_files.add(file.name)


def values() -> list[str]:
    """The secret values of this process, longest first: from files, and by the variable's name."""
    names = _from_files | {name for name in os.environ if SECRET_NAME.fullmatch(name)}
    found = {value for name in names if len(value := os.environ.get(name, "")) >= SHORTEST}
    return sorted(found | {repr(value)[1:-1] for value in found}, key=len, reverse=True)


class MaskingStream(io.TextIOWrapper):
    """A text stream that writes `***` where a secret value would stand."""

    def __init__(self, buffer, hidden: list[str]) -> None:
        super().__init__(buffer, encoding="utf-8", errors="backslashreplace", write_through=True)
        self._hidden = re.compile("|".join(map(re.escape, hidden)))

    def write(self, text: str) -> int:
        super().write(self._hidden.sub("***", text))
        self.flush()
        return len(text)


def mask_output() -> None:
    """Mask stdout and stderr of this process: antgent prints its server settings, token and all."""
    if hidden := values():
        sys.stdout = MaskingStream(sys.stdout.detach(), hidden)
        sys.stderr = MaskingStream(sys.stderr.detach(), hidden)
