"""The files of a Docker build: which they are, their digest, and their tar."""

import hashlib
import os
import stat
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.providers.resource import Props
from sandbox.providers.session import ProviderError

# The name under which a Dockerfile from outside the context is sent along.
OUTSIDE = ".dockerfile.outside"


@dataclass(frozen=True)
class Context:
    """A folder and a Dockerfile, as `build` inputs name them.

    Args:
        root: the folder whose files the build may copy.
        dockerfile: the Dockerfile, inside `root` or not.
        dockerfile_input: the Dockerfile as the inputs name it, default filled in.
    """

    root: Path
    dockerfile: Path
    dockerfile_input: str

    @classmethod
    def of(cls, build: Props, folder: Path) -> "Context":
        """The context of `build` inputs, whose relative paths start in `folder`.

        Raises ProviderError, in the plugin's words, when it is not there.
        """
        root = Path(build.get("context") or ".")
        dockerfile = Path(build.get("dockerfile") or root / "Dockerfile")
        if not (folder / dockerfile).is_file():
            raise ProviderError(_not_found(folder, root, dockerfile))
        if not (folder / root).is_dir():
            raise ProviderError(f"unable to hash build context: {root} is not a folder")
        return cls(folder / root, folder / dockerfile, str(dockerfile))

    @property
    def dockerfile_name(self) -> str:
        """The Dockerfile's path as seen from the context; starts with `../` when it is outside."""
        return os.path.relpath(self.dockerfile.resolve(), self.root.resolve())

    @property
    def name_in_tar(self) -> str:
        return OUTSIDE if self.dockerfile_name.startswith("../") else self.dockerfile_name

    def digest(self) -> str:
        """SHA-256 over names, modes and contents, the way the official plugin computes it."""
        total = hashlib.sha256()
        _add(total, "Dockerfile", "-" * 10, self.dockerfile.read_bytes())
        for name in self.files(self._ignored()):
            path = self.root / name
            mode = path.lstat().st_mode
            content = str(path.resolve()).encode() if path.is_symlink() else path.read_bytes()
            _add(total, name, _go_mode(mode), content)
        return total.hexdigest()

    def tar(self) -> IO[bytes]:
        """What the daemon gets: an open temporary file, owned by root inside, gone when it is closed."""
        # The daemon needs the Dockerfile, ignored or not; `COPY .` taking it along is Docker's own rule.
        names = self.files([*self._ignored(), f"!{self.dockerfile_name}"])
        packed = tempfile.TemporaryFile()  # noqa: SIM115 the caller closes it
        # The daemon does not take a PAX archive for an archive: it looks at its first kilobyte only.
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in names:
                tar.add(self.root / name, name, recursive=False, filter=_as_root)
            if self.name_in_tar == OUTSIDE:
                tar.add(self.dockerfile, OUTSIDE, filter=_as_root)
        packed.seek(0)
        return packed

    def files(self, ignored: list[str]) -> list[str]:
        """Paths of the files that are not ignored, in the order of a directory walk."""
        from docker.utils.build import PatternMatcher

        names = {name for name in PatternMatcher(ignored).walk(str(self.root)) if self._is_file(name)}
        return sorted(names, key=lambda name: name.split("/"))

    def _is_file(self, name: str) -> bool:
        path = self.root / name
        return path.is_symlink() or path.is_file()

    def _ignored(self) -> list[str]:
        for candidate in (Path(f"{self.dockerfile}.dockerignore"), self.root / ".dockerignore"):
            if candidate.is_file():
                lines = (line.strip() for line in candidate.read_text().splitlines())
                return [line for line in lines if line and not line.startswith("#")]
        return []


def _not_found(folder: Path, root: Path, dockerfile: Path) -> str:
    reason = f"stat {dockerfile}: no such file or directory"
    if dockerfile.is_absolute():
        return f"could not open dockerfile at absolute path {dockerfile}: {reason}"
    inside = root / dockerfile
    if (folder / inside).is_file():
        return (
            f'could not open dockerfile at relative path {dockerfile}. Try setting `dockerfile` to "{inside}"'
        )
    return f"could not open dockerfile at relative path {dockerfile}: {reason}"


def _add(total: "hashlib._Hash", name: str, mode: str, content: bytes) -> None:
    total.update(name.encode() + mode.encode() + hashlib.sha256(content).digest() + b"\0")


def _go_mode(mode: int) -> str:
    """A file's mode as Go prints it: kind and special bits in front, dashes only for a plain file."""
    special = {"u": stat.S_ISUID, "g": stat.S_ISGID, "t": stat.S_ISVTX}
    front = "L" if stat.S_ISLNK(mode) else "".join(letter for letter, bit in special.items() if mode & bit)
    bits = "".join(letter if mode & (1 << (8 - i)) else "-" for i, letter in enumerate("rwxrwxrwx"))
    return (front or "-") + bits


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
