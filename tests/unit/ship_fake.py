"""A project folder without an engine: what the engine would say is made up, for the command line's own words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.pulumi_cli import Outcome, PulumiError
from sandbox.pulumi_events import Changes
from sandbox.pulumi_history import Update
from sandbox.pulumi_locks import Lock
from ship import __main__ as command_line
from ship.project import Project

REPOSITORY = "registry.example.com/antgent"


def image(letter: str) -> str:
    """A digest reference."""
    return f"{REPOSITORY}@sha256:{letter * 64}"


def update(tag: str, *, result: str = "succeeded", hours: float = 1.0, message: str = "") -> Update:
    """A finished `up` of some hours ago."""
    started = datetime.now(UTC) - timedelta(hours=hours)
    return Update(
        kind="update",
        result=result,
        started=started,
        ended=started + timedelta(seconds=40),
        message=message or f"ship promote {tag} from staging, by ann@example.com",
        config={"antgent:imageTag": tag},
        environment={"git.committer": "Bob"},
        changes={"update": 2, "same": 5},
    )


def entry(tag: str, letter: str, *, hours: float = 1.0, soak: int = 0) -> dict[str, Any]:
    """An entry of a ledger."""
    verified = datetime.now(UTC) - timedelta(hours=hours)
    return {
        "tag": tag,
        "digest": f"sha256:{letter * 64}",
        "image": image(letter),
        "gitRevision": "unknown",
        "verifiedAt": verified.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "soakMinutes": soak,
        "checks": [{"name": "GET /version", "seconds": 0.1}],
    }


@dataclass
class FakePulumi:
    """Answers as the engine would; remembers what it was asked to do."""

    folder: Path
    said_outputs: dict[str, Any] | None = None
    said_history: Sequence[Update] = ()
    said_locks: Sequence[Lock] = ()
    state: dict[str, Any] = field(default_factory=dict)
    fails: dict[str, PulumiError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def project(self) -> Path:
        return self.folder

    @property
    def state_folder(self) -> Path:
        return self.folder

    def outputs(self) -> dict[str, Any]:
        if self.said_outputs is None:
            raise PulumiError("stack output", 1, ("no stack named 'x' found",))
        return self.said_outputs

    def history(self, _limit: int = 100) -> list[Update]:
        if self.said_outputs is None:
            raise PulumiError("stack history", 1, ("no stack named 'x' found",))
        return list(self.said_history)

    def locks(self) -> list[Lock]:
        return list(self.said_locks)

    def pending(self) -> list[str]:
        return []

    def export(self, *, show_secrets: bool = False) -> dict[str, Any]:  # noqa: ARG002
        return self.state

    def cancel(self) -> None:
        self.asked.append("cancel")

    def preview(self, *_args: str, **_more: Any) -> Outcome:
        return self._do("preview")

    def up(self, *_args: str, **_more: Any) -> Outcome:
        return self._do("up")

    def _do(self, what: str) -> Outcome:
        self.asked.append(what)
        if what in self.fails:
            raise self.fails[what]
        return Outcome("", Changes({"update": 2, "same": 5}), (), 0.1)


class FakeProject:
    """A folder with release, staging and prod; `ship` runs in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.folder, self._capsys, self._monkeypatch = folder, capsys, monkeypatch
        (folder / "Pulumi.yaml").write_text("name: antgent\nruntime: python\n")
        self.write("release", imageTag="v1.0.0", build={"context": "app"})
        self.write("staging", imageTag="v1.1.0", promoteFrom="release", service={"runtime": "docker"})
        self.write("prod", imageTag="v1.0.0", promoteFrom="staging", service={"runtime": "docker"})
        self.engines = {stack: FakePulumi(folder) for stack in ("release", "staging", "prod")}
        monkeypatch.setattr(Project, "pulumi", lambda _self, stack: self.engines[stack])
        monkeypatch.setattr("signal.signal", lambda *_: None)
        for name in ("GITHUB_ACTOR", "SHIP_DEBUG"):
            monkeypatch.delenv(name, raising=False)

    def write(self, stack: str, **config: Any) -> None:
        """Write a stack's file."""
        namespaced = {f"antgent:{key}": value for key, value in config.items()}
        self.file(stack).write_text(yaml.safe_dump({"config": namespaced}, sort_keys=False))

    def file(self, stack: str) -> Path:
        """A stack's file."""
        return self.folder / f"Pulumi.{stack}.yaml"

    def deployed(self) -> None:
        """v1.0.0 runs in prod, v1.1.0 is verified on staging; prod may go back to v0.9.0."""
        release, staging, prod = (self.engines[name] for name in ("release", "staging", "prod"))
        release.said_outputs = {"tag": "v1.1.0", "repository": REPOSITORY, "image": image("b")}
        ledger = [entry("v1.1.0", "b", hours=3), entry("v1.0.0", "a", hours=90)]
        staging.said_outputs = {
            "tag": "v1.1.0",
            "image": image("b"),
            "url": "http://127.0.0.1:9",
            "ledger": ledger,
        }
        staging.said_history = [update("v1.1.0", hours=3), update("v1.0.0", hours=90)]
        prod.said_outputs = {"tag": "v1.0.0", "image": image("a"), "url": "http://127.0.0.1:9"}
        prod.said_history = [update("v1.0.0", hours=80), update("v0.9.0", hours=200)]
        memory = [{"tag": "v1.0.0", "image": image("a")}, {"tag": "v0.9.0", "image": image("9")}]
        resource = {"type": "antgent:image:PromotedImage", "outputs": {"promotions": memory}}
        prod.state = {"deployment": {"resources": [resource]}}

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run `ship`; its exit code, stdout and stderr."""
        self._monkeypatch.setattr("sys.argv", ["ship", "--cwd", str(self.folder), *words])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        said = self._capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), said.out, said.err
