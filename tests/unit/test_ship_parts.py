"""The smaller parts of `ship`: the engine's history, commits between releases, what a release checks, who is at work."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.pulumi_history import SECRET, read_history
from ship.differences import commits
from ship.environment import Environment, by
from ship.project import Project
from ship.release import examine


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of an application at v1.0.0, with a project that builds it."""
    (tmp_path / "Pulumi.yaml").write_text("name: antgent\nruntime: python\n")
    app = tmp_path / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text('[project]\nname = "antgent"\nversion = "1.0.0"\n')
    git(app, "init", "-q")
    git(app, "add", "-A")
    git(app, "commit", "-qm", "first", "--no-verify")
    git(app, "tag", "v1.0.0")
    return tmp_path


def findings(checkout: Path, tag: str) -> dict[str, Any]:
    """What a release of `tag` finds, by what it looked at."""
    environment = Environment("release", {"build": {"context": str(checkout / "app")}})
    return {one.what: one for one in examine(Project(checkout, {}), environment, tag)}


def test_a_release_needs_tag_tree_and_version_to_agree(checkout: Path) -> None:
    """The one case in which all three are good."""
    found = findings(checkout, "v1.0.0")
    assert all(one.good for one in found.values())
    assert "which is v1.0.0" in found["tree"].told


def test_a_changed_file_is_not_released(checkout: Path) -> None:
    """The image's revision would be a lie."""
    (checkout / "app" / "pyproject.toml").write_text(
        '[project]\nname = "antgent"\nversion = "1.0.0"\n# new\n'
    )
    found = findings(checkout, "v1.0.0")
    assert not found["tree"].good
    assert "not committed: pyproject.toml" in found["tree"].told


def test_another_commit_than_the_tag_is_not_released(checkout: Path) -> None:
    """A later fix is another release."""
    git(checkout / "app", "commit", "-qm", "later", "--allow-empty", "--no-verify")
    found = findings(checkout, "v1.0.0")
    assert (found["tree"].good, found["tree"].fix) == (False, "git checkout v1.0.0")


def test_another_version_or_no_tag_is_not_released(checkout: Path) -> None:
    """What the server answers at /version would not be what was released."""
    found = findings(checkout, "v1.1.0")
    assert (found["tree"].good, found["version"].good) == (False, False)
    assert "no tag v1.1.0" in found["tree"].told
    assert "says 1.0.0, the tag 1.1.0" in found["version"].told


def test_pins_stand_for_the_version_of_a_published_release(tmp_path: Path) -> None:
    """This project's own `image/` installs what is published, so it needs pins and no checkout."""
    (tmp_path / "Pulumi.yaml").write_text("name: antgent\nruntime: python\n")
    pins = tmp_path / "app" / "pins"
    pins.mkdir(parents=True)
    (pins / "antgent-1.0.0.txt").write_text("")
    assert findings(tmp_path, "v1.0.0")["version"].good
    missing = findings(tmp_path, "v1.1.0")["version"]
    assert (missing.good, missing.fix) == (False, "python image/lock.py 1.1.0")


def test_the_commits_between_two_releases(checkout: Path) -> None:
    """Newest first; None where a revision is not known here, which is not the same as none."""
    app = checkout / "app"
    old = git(app, "rev-parse", "HEAD")
    git(app, "commit", "-qm", "second", "--allow-empty", "--no-verify")
    new = git(app, "rev-parse", "HEAD")
    found = commits(app, old, f"{new}-dirty")
    assert found is not None
    assert [line.partition(" ")[2] for line in found] == ["second"]
    assert commits(app, new, new) == []
    assert commits(app, old, "0" * 40) is None
    assert commits(app, "unknown", new) is None


def test_the_engines_history_is_typed_and_keeps_secrets_hidden() -> None:
    """As `pulumi stack history --json` prints it."""
    text = json.dumps(
        [
            {
                "kind": "update", "version": 2, "startTime": "2026-11-22T19:12:16.000Z",
                "endTime": "2026-11-22T19:12:27.000Z", "message": "by hand", "result": "failed",
                "environment": {"git.committer": "Bob", "ci.system": "GitHub Actions", "ci.build.id": "7"},
                "config": {
                    "antgent:imageTag": {"value": "v1", "secret": False},
                    "antgent:secrets": {"value": "cipher", "secret": True},
                    "antgent:service": {"value": "{}", "objectValue": {"runtime": "ecs"}, "secret": False},
                },
                "resourceChanges": {"same": 3},
            },
            {"kind": "update", "startTime": "2026-11-22T19:00:00.000Z", "message": "", "config": {}},
        ]
    )  # fmt: skip
    newest, running = read_history(text)
    assert (newest.ended, newest.succeeded) == (newest.started.replace(second=27), False)
    assert newest.config["antgent:secrets"] == SECRET
    assert newest.config["antgent:service"] == {"runtime": "ecs"}
    assert (by(newest), by(running)) == ("GitHub Actions 7", "unknown")
    assert (running.result, running.ended) == ("in progress", None)
    assert read_history("") == []


def test_ci_is_named_by_its_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account named runner would tell nobody anything."""
    monkeypatch.setenv("GITHUB_ACTOR", "ann")
    assert Project(tmp_path, {}).operator() == "ann"
    monkeypatch.delenv("GITHUB_ACTOR")
    assert Project(tmp_path, {}).operator()
