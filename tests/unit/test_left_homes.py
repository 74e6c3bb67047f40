"""The end of a test run: what an interrupted worker left is found, and nothing else taken for it."""

from pathlib import Path

from sandbox.paths import Home
from tests.conftest import left_homes


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
