"""The end of a test run: what an interrupted worker left is found, and nothing else taken for it."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from sandbox import assembly
from sandbox.errors import SandboxError
from sandbox.paths import Home
from tests.conftest import left_homes, pytest_sessionfinish


def test_a_home_with_the_id_of_a_started_process_is_left(tmp_path: Path) -> None:
    """Its servers would run on after a Ctrl-C."""
    home = Home(tmp_path / "popen-gw0" / "anything0")
    home.pid_file("aws").write_text("{}")
    assert left_homes(tmp_path) == [home]


def test_a_stopped_home_and_a_file_of_that_name_are_not(tmp_path: Path) -> None:
    """Taken for a home, a test's own file called `pids` would end a green run with an error."""
    Home(tmp_path / "popen-gw0" / "sandbox0").folder("pids")
    (tmp_path / "popen-gw1" / "test_a0").mkdir(parents=True)
    (tmp_path / "popen-gw1" / "test_a0" / "pids").touch()
    assert left_homes(tmp_path) == []


def test_what_cannot_be_stopped_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All tests may have passed; a server that runs on is named, and the run is no success."""
    home = Home(tmp_path / "popen-gw0" / "sandbox0")
    home.pid_file("aws").write_text("{}")

    refused = Mock(side_effect=SandboxError("it does not end", fix="make doctor"))
    monkeypatch.setattr(assembly, "stop", refused)
    config = SimpleNamespace(_tmp_path_factory=SimpleNamespace(getbasetemp=lambda: tmp_path))
    session = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    pytest_sessionfinish(session)  # ty: ignore[invalid-argument-type]
    assert session.exitstatus == pytest.ExitCode.INTERNAL_ERROR
    assert str(home.root) in capsys.readouterr().err
