"""What is told of the engine's events and of its locks."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.pulumi_cli import PulumiError
from sandbox.pulumi_events import Changes, Events, plain_errors
from sandbox.pulumi_locks import free_stale_locks, locks

STACK = "urn:pulumi:local::antgent::pulumi:pulumi:Stack::antgent-local"
SERVER = "urn:pulumi:local::antgent::antgent:docker:DockerService$docker:index/container:Container::server"


def error(message: str, urn: str = STACK) -> dict[str, object]:
    return {
        "diagnosticEvent": {
            "severity": "error",
            "message": f"<{{%reset%}}>{message}<{{%reset%}}>\n",
            "urn": urn,
        }
    }


def read(folder: Path, *events: Mapping[str, object], rest: str = "") -> Events:
    log = folder / "events"
    log.write_text("".join(json.dumps(event) + "\n" for event in events) + rest)
    return Events.read(log)


def test_errors_are_told_once_and_without_noise(tmp_path: Path) -> None:
    """What only says that something failed is left out, if something says why."""
    why, noise = error("port is taken", SERVER), error("update failed")
    exited = error("an unhandled error occurred: program exited with non-zero exit code: 1")
    assert read(tmp_path, why, why, noise, exited).errors == ("server: port is taken",)
    assert read(tmp_path, noise).errors == ("update failed",)


def test_a_python_traceback_is_reduced_to_its_message(tmp_path: Path) -> None:
    """A dynamic provider reports its exception with all frames; the reader needs the last part."""
    message = 'Traceback (most recent call last):\n  File "x.py", line 1, in create\n    raise E()\n' \
        "components.rollout.RolloutFailed: server exited\n  exit code 3"  # fmt: skip
    assert read(tmp_path, error(message, SERVER)).errors == ("server: server exited\n  exit code 3",)


def test_the_log_of_a_killed_engine_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """It may end in the middle of a line, or not be there at all."""
    assert read(tmp_path, error("first"), rest='{"diagnosticEvent": {"sev').errors == ("first",)
    assert Events.read(tmp_path / "none") == Events(Changes(), (), ())


def test_changes_count_only_what_changes(tmp_path: Path) -> None:
    """`same` and `read` are no change: a second `up` must show zero."""
    summary = {"summaryEvent": {"resourceChanges": {"same": 5, "read": 1, "replace": 2}}}
    changes = read(tmp_path, summary).changes
    assert (changes.total, str(changes)) == (2, "5 same, 1 read, 2 replace")


def test_errors_of_commands_without_events_come_from_what_they_print() -> None:
    """`config set` and the like have no event log."""
    printed = "warning: old\nerror: no stack named 'x' found\n  second line\nerror: again\n"
    assert plain_errors(printed) == ("no stack named 'x' found\n  second line", "again")


def test_a_killed_engine_is_told_by_its_signal() -> None:
    """Through a shell 9 reads 137; and no reason is better than an empty line."""
    assert "`pulumi up` was killed by signal 9" in str(PulumiError("up", 137, ()))
    assert "`pulumi up` was killed by signal 9" in str(PulumiError("up", -9, ()))
    assert "`pulumi up` failed (exit code 255):\n  it gave no reason" in str(PulumiError("up", 255, ()))


def lock(state: Path, pid: int, host: str = socket.gethostname(), ago: float = 0) -> Path:
    since = datetime.now(UTC) - timedelta(seconds=ago)
    file = state / f".pulumi/locks/organization/antgent/local/{pid}-{host}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    # The backend writes nanoseconds and a zone.
    timestamp = since.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
    held = {"pid": pid, "username": "me", "hostname": host, "timestamp": timestamp}
    file.write_text(json.dumps(held))
    return file


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_lock_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    """After kill -9 nobody should have to know `pulumi cancel`."""
    file = lock(tmp_path, dead_pid())
    assert [one.file for one in free_stale_locks(tmp_path, "antgent", "local")] == [file]
    assert not file.exists()


def test_a_lock_whose_pid_now_is_anothers_is_removed(tmp_path: Path) -> None:
    """Pids come round again; a process that is younger than the lock does not hold it."""
    lock(tmp_path, os.getpid(), ago=10_000_000)
    assert len(free_stale_locks(tmp_path, "antgent", "local")) == 1


def test_a_living_holder_is_named(tmp_path: Path) -> None:
    """Who waits wants to know for whom, and how to end it."""
    lock(tmp_path, os.getpid())
    with pytest.raises(SandboxError) as failure:
        free_stale_locks(tmp_path, "antgent", "local")
    assert f"pid {os.getpid()} of me" in failure.value.problem
    assert failure.value.fix == f"wait for it, or end it gracefully: kill -INT {os.getpid()}"
    assert len(locks(tmp_path, "antgent", "local")) == 1


def test_a_lock_of_another_machine_is_left_alone(tmp_path: Path) -> None:
    """On a shared disk its holder may live; only a person can say."""
    lock(tmp_path, dead_pid(), host="elsewhere")
    with pytest.raises(SandboxError, match=r"on elsewhere[\s\S]+pulumi cancel --stack local"):
        free_stale_locks(tmp_path, "antgent", "local")


def test_locks_of_other_stacks_do_not_count(tmp_path: Path) -> None:
    """Each stack has its own."""
    lock(tmp_path, os.getpid())
    assert locks(tmp_path, "antgent", "dev") == []
