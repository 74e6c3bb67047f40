"""Two operators at once, and a promotion that is killed: nothing is torn, and the next command goes on."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox.process import wait_until
from sandbox.pulumi_cli import PulumiError
from sandbox.pulumi_locks import end_orphans
from ship.errors import Exit
from tests.engine.ship_project import ShipProject

KILLS = int(os.environ.get("ANTGENT_SHIP_KILLS", "3"))
"""How many promotions are killed, each at a random moment."""
SEED = int(os.environ.get("ANTGENT_SHIP_SEED", "0")) or random.randrange(2**32)
ENDS = 180
WHOM = ("ship", "the engine", "everything")


def test_a_second_operator_is_told_who_the_first_is(project: ShipProject, tmp_path: Path) -> None:
    """From the same folder as from another checkout (or CI), while the first one's `up` runs; that one wins."""
    elsewhere = ShipProject.__new__(ShipProject)
    vars(elsewhere).update(vars(project), folder=tmp_path / "checkout")
    shutil.copytree(project.folder, elsewhere.folder)
    first = project.start("promote", "--to", "prod", "v1.1.0", "--yes")
    try:
        assert wait_until(
            lambda: first.poll() is not None or bool(project.pulumi("prod").locks()), seconds=ENDS
        )
        (lock,) = project.pulumi("prod").locks()
        with held_up(lock.pid):
            before = elsewhere.file("prod").read_bytes()
            said = elsewhere.ship("promote", "--to", "prod", "v1.1.0", "--yes", code=Exit.BUSY)
            assert f"pid {lock.pid}" in said.err
            assert elsewhere.file("prod").read_bytes() == before
            said = project.ship("rollback", "prod", "--yes", code=Exit.BUSY)
            assert f"pid {first.pid}" in said.err
            assert f"pid {lock.pid}" in project.ship("unlock", "prod", "--yes", code=Exit.BUSY).err
        _, told = first.communicate(timeout=ENDS)
    finally:
        end(first)
    assert first.returncode == Exit.DONE, told
    assert project.version("prod") == "1.1.0"
    whole(project)


@contextlib.contextmanager
def held_up(pid: int) -> Iterator[None]:
    """A process that stands still meanwhile, however slow this machine is."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def test_of_two_that_start_together_one_wins(project: ShipProject, tmp_path: Path) -> None:
    """Two checkouts, no head start: both may preview, one deploys, and the other gets a clear answer."""
    elsewhere = ShipProject.__new__(ShipProject)
    vars(elsewhere).update(vars(project), folder=tmp_path / "checkout")
    shutil.copytree(project.folder, elsewhere.folder)
    both = [one.start("promote", "--to", "prod", "v1.1.0", "--yes") for one in (project, elsewhere)]
    try:
        told = [one.communicate(timeout=ENDS)[1] for one in both]
    finally:
        for one in both:
            end(one)
    codes = sorted(one.returncode for one in both)
    assert codes in ([Exit.DONE, Exit.BUSY], [Exit.DONE, Exit.DONE]), told
    if codes[1] == Exit.BUSY:
        assert "somebody else is at work on prod" in "".join(told)
    assert project.version("prod") == "1.1.0"
    # Whoever did not deploy has the file as it was.
    whole(project if both[0].returncode == Exit.DONE else elsewhere)


def test_a_lock_of_another_machine_is_explained_and_cancelled_only_when_asked(project: ShipProject) -> None:
    """Whether its process lives cannot be seen from here, so the operator decides."""
    engine = project.pulumi("prod")
    assert engine.state_folder
    folder = engine.state_folder / ".pulumi" / "locks" / "organization" / "antgent" / "prod"
    folder.mkdir(parents=True, exist_ok=True)
    held = {"pid": 4711, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-02T03:04:05Z"}
    (folder / f"{uuid.uuid4()}.json").write_text(json.dumps(held))
    with pytest.raises(PulumiError, match="currently locked"):
        engine.run("up", "--yes", "--skip-preview")
    said = project.ship("promote", "--to", "prod", "v1.1.0", "--yes", code=Exit.BUSY)
    assert "pid 4711 of ann on elsewhere, since 2026-01-02 03:04:05" in said.err
    assert "ship unlock prod" in said.err
    said = project.ship("unlock", "prod", code=Exit.USAGE)
    assert "cannot be seen from" in said.out
    assert len(engine.locks()) == 1, "nobody said yes"
    project.ship("unlock", "prod", "--yes")
    assert engine.locks() == []
    assert engine.run("up", "--yes", "--skip-preview").changes.total == 0


@pytest.mark.timeout(300 * KILLS)
def test_after_a_kill_the_next_command_finishes_or_undoes(project: ShipProject) -> None:
    """SIGKILL of `ship` or of all of it at a random moment; no state is edited by hand afterwards."""
    chance = random.Random(SEED)
    print(f"ANTGENT_SHIP_SEED={SEED}")
    started = time.monotonic()
    project.ship("promote", "--to", "prod", "v1.1.0", "--yes")
    whole_seconds = time.monotonic() - started
    for number in range(KILLS):
        running = project.pulumi("prod").outputs()["tag"]
        other = {"v1.0.0": "v1.1.0", "v1.1.0": "v1.0.0"}[running]
        moment, whom = chance.uniform(0, whole_seconds), WHOM[number % len(WHOM)]
        print(f"kill {number + 1}: {whom} after {moment:.1f} s of {whole_seconds:.0f}")
        killed(project, ["promote", "--to", "prod", other, "--yes"], moment, whom)
        if chance.random() < 0.5:
            project.ship("promote", "--to", "prod", other, "--yes")
            assert project.version("prod") == other.removeprefix("v")
        else:
            undo(project, running)
            assert project.version("prod") == running.removeprefix("v")
        whole(project)


def undo(project: ShipProject, tag: str) -> None:
    """Go back to what ran before, by whichever command an operator would take."""
    project.ship("rollback", "prod", tag, "--yes")
    project.change("prod", hold=None)
    project.pulumi("prod").up()


def killed(project: ShipProject, words: list[str], moment: float, whom: str) -> None:
    """Start a promotion and end `ship`, the engine under it, or all that it started with SIGKILL."""
    running = project.start(*words)
    try:
        time.sleep(moment)
        for one in chosen(running.pid, whom):
            with contextlib.suppress(psutil.Error):
                one.kill()
        told = "".join(running.communicate(timeout=ENDS))
        assert "Traceback" not in told, told
    finally:
        end(running)
    # An engine whose `ship` was killed goes on by itself and holds the lock until it ends.
    assert wait_until(lambda: all(lock.stale for lock in project.pulumi("prod").locks()), seconds=ENDS)
    if whom == "everything":
        folder = project.pulumi("prod").state_folder
        assert folder
        end_orphans(folder)


def chosen(pid: int, whom: str) -> list[psutil.Process]:
    """The processes to kill; none where the command has ended already."""
    try:
        ship = psutil.Process(pid)
        family = ship.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    if whom == "ship":
        return [ship]
    if whom == "the engine":
        return [one for one in family if one.name() == "pulumi"]
    return [ship, *family]


def whole(project: ShipProject) -> None:
    """Nobody holds the stack, nothing is pending, config and what runs agree, and so does the file's layout."""
    engine = project.pulumi("prod")
    assert engine.locks() == []
    assert engine.pending() == []
    assert project.config("prod")["imageTag"] == engine.outputs()["tag"]
    assert engine.preview().changes.total == 0
    assert [one.name for one in project.folder.iterdir() if one.name.startswith(".")] == []


def end(running: "subprocess.Popen[str]") -> None:
    """Leave nothing of it behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
