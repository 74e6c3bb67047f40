"""Who uses our own Docker engine: one small file for each sandbox home."""

import json
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.paths import Home


@dataclass(frozen=True)
class Leases:
    """The leases in a folder. A lease ends with its home's folder, or with its process if it has one."""

    folder: Path

    def take(self, home: Home, pid: int | None = None) -> None:
        """Hold the engine for `home`, until dropped or, with `pid`, until that process ends."""
        home.root.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        created = psutil.Process(pid).create_time() if pid else None
        self._file(home).write_text(json.dumps({"home": str(home.root), "pid": pid, "created": created}))

    def drop(self, home: Home) -> None:
        self._file(home).unlink(missing_ok=True)

    def held_by(self, home: Home) -> bool:
        return self._file(home).exists()

    def sweep(self) -> None:
        """Remove the leases of vanished homes and of ended processes."""
        for file in self.folder.glob("*.json"):
            if not _alive(file):
                file.unlink(missing_ok=True)

    def holders(self) -> list[Path]:
        """The homes that hold the engine."""
        return [Path(json.loads(file.read_text())["home"]) for file in sorted(self.folder.glob("*.json"))]

    def _file(self, home: Home) -> Path:
        return self.folder / f"{home.id}.json"


def _alive(file: Path) -> bool:
    try:
        lease = json.loads(file.read_text())
        if not Path(lease["home"]).is_dir():
            return False
        return lease["pid"] is None or psutil.Process(lease["pid"]).create_time() == lease["created"]
    except (ValueError, KeyError, psutil.NoSuchProcess):
        return False
