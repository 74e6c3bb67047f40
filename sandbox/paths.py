"""Where the sandbox keeps its files: a cache for the user, a home for each checkout."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

CHECKOUT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """The user's cache for everything that is slow to make and safe to delete.

    `ANTGENT_CACHE` overrides it; the default is `$XDG_CACHE_HOME/antgent-delivery`
    (`~/.cache/antgent-delivery`).
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("ANTGENT_CACHE") or Path(base) / "antgent-delivery")
    return make_folder(path, "point ANTGENT_CACHE to a folder you may write").resolve()


@dataclass(frozen=True)
class Home:
    """The state of one sandbox: Pulumi's backend, the registry's blobs, pids and logs.

    `ANTGENT_SANDBOX_HOME` overrides the root; the default is `.sandbox` in the checkout.
    """

    root: Path

    @classmethod
    def default(cls) -> "Home":
        return cls(Path(os.environ.get("ANTGENT_SANDBOX_HOME") or CHECKOUT / ".sandbox").resolve())

    @property
    def id(self) -> str:
        """Eight characters that tell this sandbox's names from another's on the same machine."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:8]

    def folder(self, name: str) -> Path:
        """A folder of this home, made when it is missing."""
        return make_folder(self.root / name, "point ANTGENT_SANDBOX_HOME to a folder you may write")

    def log(self, part: str) -> Path:
        return self.folder("logs") / f"{part}.log"

    def pid_file(self, part: str) -> Path:
        return self.folder("pids") / f"{part}.json"


def make_folder(path: Path, fix: str) -> Path:
    """Make a private folder with its parents; a SandboxError with `fix` where that is impossible."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SandboxError(f"cannot make the folder {path}: {error.strerror}", fix=fix) from error
    return path


def runtime_path(key: str) -> Path:
    """Where `runtime_dir` puts its folder; makes nothing."""
    base = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
    return base / f"antgent-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def runtime_dir(key: str, *, make: bool = True) -> Path:
    """A short folder for sockets, whose paths must stay under 108 characters; made unless told not to."""
    path = runtime_path(key)
    if make:
        path.mkdir(mode=0o700, exist_ok=True)
    return path
