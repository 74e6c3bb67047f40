"""What `ship` says, and how it ends: every command's help, every wrong use, tables and JSON."""

import importlib
import json
import os
import socket
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.oci import Release
from sandbox.paths import CHECKOUT
from sandbox.pulumi_cli import PulumiError
from sandbox.pulumi_events import Step
from sandbox.pulumi_locks import Lock
from ship.errors import MEANING, Exit
from tests.unit.ship_fake import FakeProject, entry, image, update

COMMANDS = ("status", "release", "promote", "rollback", "verify", "history", "unlock")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> FakeProject:
    """A project whose registry has every image."""
    monkeypatch.setattr("ship.registry.find_release", lambda repository, tag, **_: _found(repository, tag))
    return FakeProject(tmp_path, monkeypatch, capsys)


def _found(repository: str, tag: str) -> Release | None:
    return Release(f"{repository}@{tag}" if tag.startswith("sha256:") else image("c"))


def lock(**more: Any) -> Lock:
    """A lock of a process that has ended."""
    known = {"pid": 2**22 - 1, "host": socket.gethostname(), "user": "ann", "since": "2026-11-22T01:02:03Z"}
    return Lock(Path("/nowhere"), **{**known, **more})


def test_the_help_names_every_command_and_every_exit_code(project: FakeProject) -> None:
    """Whoever is woken at night has nothing else."""
    code, out, _ = project.run("--help")
    assert code == Exit.DONE
    for command in COMMANDS:
        assert f" {command} " in out
    for number in MEANING:
        assert f" {int(number)} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_explains_each_argument_and_shows_an_example(
    project: FakeProject, command: str
) -> None:
    """No manual is needed to use it."""
    import click
    import typer.main

    from ship.__main__ import app

    code, out, _ = project.run(command, "--help")
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    made = group.commands[command]  # type: ignore[attr-defined]
    assert code == Exit.DONE
    assert f"Example: ship {command}" in out
    assert len(made.params) > 1 or command == "verify"
    for parameter in made.params:
        assert getattr(parameter, "help", None), f"{command}: {parameter.name} has no help"


def test_the_manual_has_the_same_exit_codes() -> None:
    """Scripts are written from it."""
    rows = [line.strip("|").split("|") for line in (CHECKOUT / "docs" / "ship.md").read_text().splitlines()]
    told = {row[0].strip(): row[1].strip().replace("`", "") for row in rows if len(row) == 2}
    assert {code: told[str(int(code))] for code in MEANING} == {
        code: meaning.replace("`", "") for code, meaning in MEANING.items()
    }


def test_the_console_script_is_this_command_line() -> None:
    """`ship` in a shell and `python -m ship` are the same."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["ship"].partition(":")
    assert getattr(importlib.import_module(module), function) is importlib.import_module("ship.__main__").main


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("ship ro", "rollback"), ("ship rollback p", "prod"), ("ship promote --to st", "staging")],
)
def test_a_shell_completes_commands_and_stacks(tmp_path: Path, typed: str, offered: str) -> None:
    """Stacks are those that have a file here."""
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml", "Pulumi.staging.yaml"):
        (tmp_path / name).write_text("name: antgent\nruntime: python\n")
    asked = {"_SHIP_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "ship"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, **asked, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.stdout.split() == [offered], done.stderr


WRONG: dict[str, tuple[tuple[str, ...], Exit, tuple[str, ...]]] = {
    "no such command": (("deploy",), Exit.USAGE, ("No such command 'deploy'",)),
    "no such option": (("status", "--fast"), Exit.USAGE, ("No such option", "--fast")),
    "no environment to promote to": (("promote", "v1.1.0"), Exit.USAGE, ("Missing option '--to'",)),
    "no environment to roll back": (("rollback",), Exit.USAGE, ("Missing argument 'STACK'",)),
    "no tag to release": (("release",), Exit.USAGE, ("Missing argument 'TAG'",)),
    "a limit of none": (("history", "prod", "--limit", "0"), Exit.USAGE, ("--limit", "greater than or equal to 1")),
    "an unknown stack": (
        ("status", "prd"), Exit.USAGE, ("no stack 'prd'", "there are: prod, release, staging", "fix:"),
    ),
    "an unknown stack to roll back": (("rollback", "prd", "--yes"), Exit.USAGE, ("no stack 'prd'",)),
    "an unknown stack to verify": (("verify", "prd"), Exit.USAGE, ("no stack 'prd'",)),
    "an unknown stack to unlock": (("unlock", "prd"), Exit.USAGE, ("no stack 'prd'",)),
    "an unknown stack to build": (("release", "v1.0.0", "--stack", "prd", "--yes"), Exit.USAGE, ("no stack",)),
    "nobody to ask": (("promote", "--to", "prod"), Exit.USAGE, ("nobody to ask", "--yes", "--plan")),
    "nobody to ask, with JSON": (("rollback", "prod", "--json"), Exit.USAGE, ("nothing is asked", "--yes")),
    "a stack that promotes from nothing": (
        ("promote", "--to", "release", "--yes"), Exit.USAGE, ("promotes from no other stack", "antgent:promoteFrom"),
    ),
    "from a stack that is not its source": (
        ("promote", "--from", "release", "--to", "prod", "--yes"), Exit.USAGE,
        ("takes its releases from staging, not from release", "--from staging"),
    ),
    "an override without a reason": (
        ("promote", "--to", "prod", "v1.2.0", "--override", "hotfix", "--yes"), Exit.USAGE, ("at least 10 characters",),
    ),
    "a rollback with half a reason": (
        ("rollback", "prod", "--reason", "bad", "--yes"), Exit.USAGE, ("at least 10 characters",),
    ),
    "a release of a stack that builds nothing": (
        ("release", "v1.0.0", "--stack", "prod", "--yes"), Exit.USAGE, ("builds no image", "--stack release"),
    ),
    "a tag that names no version": (("release", "latest", "--yes"), Exit.REFUSED, ("'latest' is no release's name",)),
    "a release that nobody verified": (
        ("promote", "--to", "prod", "v7.0.0", "--yes"), Exit.REFUSED,
        ("staging has not verified it", "v1.1.0", "verified 3 h ago", "fix:"),
    ),
    "a rollback to what never ran": (
        ("rollback", "prod", "v7.0.0", "--yes"), Exit.REFUSED, ("never promoted to it", "can go back to: v1.0.0, v0.9.0"),
    ),
    "checks that there are none of": (("verify", "prod"), Exit.REFUSED, ("verified no release yet", "antgent:verify")),
}  # fmt: skip


@pytest.mark.parametrize(("words", "exits", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_use_has_its_message_and_its_exit_code(
    project: FakeProject, words: tuple[str, ...], exits: Exit, told: tuple[str, ...]
) -> None:
    """Cause and fix; nothing was asked of the engine, and no file has changed."""
    project.deployed()
    before = {file: file.read_bytes() for file in project.folder.iterdir()}
    code, out, err = project.run(*words)
    flat = " ".join((out + err).replace("│", " ").split())
    assert code == exits, flat
    for word in told:
        assert word in flat
    assert "Traceback" not in flat
    assert {file: file.read_bytes() for file in project.folder.iterdir()} == before
    assert [engine.asked for engine in project.engines.values()] == [[], [], []]


def test_a_folder_without_a_project_is_told(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commonest mistake: the wrong folder."""
    from ship import __main__ as command_line

    monkeypatch.setattr("signal.signal", lambda *_: None)
    for folder, words in ((tmp_path, "no Pulumi.yaml in"), (tmp_path / "none", "is no folder")):
        monkeypatch.setattr("sys.argv", ["ship", "-C", str(folder), "status"])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert ended.value.code == Exit.USAGE
        assert words in capsys.readouterr().err


def test_a_broken_stack_file_is_told_with_its_line(project: FakeProject) -> None:
    """Without the line's text, which may hold a secret."""
    project.file("prod").write_text("config:\n  antgent:imageTag: [token-of-mine\n")
    code, _, err = project.run("status")
    assert code == Exit.FAILED
    assert "Pulumi.prod.yaml: is not YAML" in err
    assert "line 3" in err
    assert "token-of-mine" not in err


def test_a_stack_that_somebody_works_on_is_left_alone(project: FakeProject) -> None:
    """The answer comes at once, and names who it is."""
    project.deployed()
    project.engines["prod"].said_locks = [lock(pid=os.getpid(), since=datetime.now(UTC).isoformat())]
    before = project.file("prod").read_bytes()
    for words in (("promote", "--to", "prod"), ("rollback", "prod")):
        code, _, err = project.run(*words, "--yes")
        assert code == Exit.BUSY
        assert f"pid {os.getpid()} of ann" in err
        assert f"kill -INT {os.getpid()}" in err
    assert project.file("prod").read_bytes() == before


def test_a_hold_stops_a_promotion(project: FakeProject) -> None:
    """Until somebody lifts it by name."""
    project.deployed()
    hold = {"tag": "v1.0.0", "reason": "checkout errors", "by": "ann"}
    project.write("prod", imageTag="v1.0.0", promoteFrom="staging", hold=hold)
    code, _, err = project.run("promote", "--to", "prod", "--yes")
    assert code == Exit.REFUSED
    assert "on hold at v1.0.0 by ann: checkout errors" in err
    assert "--lift-hold" in err


def test_who_says_no_finds_the_file_as_it_was(project: FakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question comes after the preview, and no is no."""
    project.deployed()
    before = project.file("prod").read_bytes()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *_args, **_more: False)
    code, _, err = project.run("promote", "--to", "prod")
    assert code == Exit.DECLINED
    assert "you said no" in err
    assert project.engines["prod"].asked == ["preview"]
    assert project.file("prod").read_bytes() == before


def test_a_preview_that_fails_puts_the_file_back(project: FakeProject) -> None:
    """With the engine's own words."""
    project.deployed()
    before = project.file("prod").read_bytes()
    project.engines["prod"].fails["preview"] = PulumiError("preview", 255, ("antgent:owner is wrong",))
    code, _, err = project.run("promote", "--to", "prod", "--yes")
    assert code == Exit.FAILED
    assert "antgent:owner is wrong" in err
    assert "its file is as it was" in err
    assert project.file("prod").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "steps", "exits", "kept"),
    [
        ("the stack is currently locked by 1 lock(s)", (), Exit.BUSY, False),
        ("antgent:owner is wrong", (), Exit.FAILED, False),
        ("antgent-rollout: exit code 3", (Step("update", "x", "y"),), Exit.BROKEN, True),
    ],
    ids=["locked", "refused", "begun"],
)
def test_an_up_that_fails_keeps_the_file_only_when_it_had_begun(
    project: FakeProject, error: str, steps: tuple[Step, ...], exits: Exit, kept: bool
) -> None:
    """Config and what runs belong together: both old, or both on the way to new."""
    project.deployed()
    before = project.file("prod").read_bytes()
    project.engines["prod"].fails["up"] = PulumiError("up", 255, (error,), "", steps)
    code, _, err = project.run("promote", "--to", "prod", "--yes")
    assert code == exits
    assert error in err
    assert (project.file("prod").read_bytes() != before) == kept
    assert ("ship rollback prod" in err) == kept


def test_a_fault_of_our_own_is_no_traceback(project: FakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said to be one, with the way to see where."""
    monkeypatch.setattr("ship.history.history", lambda *_: 1 / 0)
    code, _, err = project.run("history", "prod")
    assert code == Exit.FAILED
    assert "a fault of ship's own: ZeroDivisionError" in err
    assert "SHIP_DEBUG=1" in err
    assert "Traceback" not in err


def test_status_shows_environments_side_by_side(project: FakeProject) -> None:
    """Along the path of a release, with what would be promoted below."""
    project.deployed()
    project.write("prod", imageTag="v1.1.0", promoteFrom="staging", service={"runtime": "docker"})
    code, out, _ = project.run("status")
    assert code == Exit.DONE
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "release staging prod"
    assert lines[1] == "release v1.1.0 v1.1.0 v1.0.0"
    assert lines[3] == "verified by staging, 3 h ago by staging, 4 days ago"
    assert any(line.startswith("by ann@example.com ann@example.com") for line in lines)
    assert any("config asks for v1.1.0, v1.0.0 runs" in line for line in lines)
    assert any("no answer" in line for line in lines)
    assert "staging → prod: v1.1.0: ship promote --to prod v1.1.0" in lines


def test_status_for_scripts_is_one_document(project: FakeProject) -> None:
    """The same facts, by name."""
    project.deployed()
    code, out, _ = project.run("status", "--json")
    found = json.loads(out)
    (prod,) = [one for one in found["environments"] if one["stack"] == "prod"]
    assert code == Exit.DONE
    assert (prod["tag"], prod["digest"], prod["by"]) == ("v1.0.0", "sha256:" + "a" * 64, "ann@example.com")
    assert prod["health"]["state"] == "no answer"
    assert found["promotions"][-1] == {
        "source": "staging",
        "target": "prod",
        "tag": "v1.1.0",
        "told": "v1.1.0: ship promote --to prod v1.1.0",
    }


def test_status_before_anything_is_deployed(project: FakeProject) -> None:
    """An empty table would be no answer."""
    code, out, _ = project.run("status")
    assert (code, out.splitlines()) == (
        Exit.DONE,
        ["nothing is deployed yet", "not deployed: prod, release, staging"],
    )


def test_a_release_that_soaks_is_not_the_next_one(project: FakeProject) -> None:
    """It is named with the time that is left."""
    project.deployed()
    staging = project.engines["staging"]
    assert staging.said_outputs is not None
    staging.said_outputs["ledger"] = [
        entry("v1.1.0", "b", hours=0.5, soak=60),
        entry("v1.0.0", "a", hours=90),
    ]
    _, out, _ = project.run("status")
    assert "staging → prod: nothing: it runs v1.0.0 already (v1.1.0 may follow in 30 min)" in out


def test_history_shows_who_and_when(project: FakeProject) -> None:
    """Ours and plain `pulumi`'s, newest first."""
    prod = project.engines["prod"]
    prod.said_outputs = {}
    prod.said_history = [
        update("v1.1.0", result="failed", message="ship promote v1.1.0 from staging, by ann"),
        update("v1.0.0", hours=26, message="fix the cart"),
    ]
    code, out, _ = project.run("history", "prod")
    heading, first, second = [" ".join(line.split()) for line in out.splitlines()]
    assert code == Exit.DONE
    assert heading == "when what release result took by changes"
    assert first.endswith("update v1.1.0 failed 40 s ann 2 update")
    assert second.endswith("update v1.0.0 succeeded 40 s Bob (commit) 2 update")
    found = json.loads(project.run("history", "prod", "--json")[1])
    assert [one["by"] for one in found] == ["ann", "Bob (commit)"]


@pytest.mark.parametrize(
    ("history", "wanted", "running", "expected"),
    [
        (["v2", "v1"], "v2", "v2", "v1"),
        (["v3", "v2", "v1"], "v3", "v2", "v2"),
        (["v1", "v2", "v1", "v0"], "v1", "v1", "v0"),
        (["v2", "v1", "v2", "v1"], "v2", "v2", "v1"),
    ],
    ids=["the one before", "the last good one when another was tried", "not back to the bad one", "again"],
)
def test_a_rollback_goes_to_the_previous_good_release(
    history: list[str], wanted: str, running: str, expected: str
) -> None:
    """Good is what an `up` brought here successfully."""
    from ship.environment import Environment
    from ship.rollback import previous

    failed = wanted if wanted != running else None
    updates = [update(tag, result="failed" if tag == failed else "succeeded") for tag in history]
    made = Environment("prod", {"imageTag": wanted}, {"tag": running}, tuple(updates))
    assert previous(made) == expected


def test_unlock_explains_a_stranded_lock_before_it_cancels(project: FakeProject) -> None:
    """Who, since when, and that the process is dead."""
    engine = project.engines["prod"]
    engine.said_locks = [lock()]
    code, out, err = project.run("unlock", "prod")
    assert (code, engine.asked) == (Exit.USAGE, [])
    assert "pid 4194303 of ann on" in out
    assert "since 2026-11-22 01:02:03" in out
    assert "that process is dead" in out
    assert "nobody to ask" in err
    code, out, _ = project.run("unlock", "prod", "--yes")
    assert (code, engine.asked) == (Exit.DONE, ["cancel"])


def test_unlock_says_what_it_cannot_know(project: FakeProject) -> None:
    """A process of another machine may be alive."""
    project.engines["prod"].said_locks = [lock(host="elsewhere")]
    code, out, _ = project.run("unlock", "prod", "--yes")
    assert code == Exit.DONE
    assert "cannot be seen from" in out
    assert "ask its owner first" in out


def test_unlock_never_cancels_the_lock_of_a_living_process(project: FakeProject) -> None:
    """Two updates at once tear the state."""
    engine = project.engines["prod"]
    engine.said_locks = [lock(pid=os.getpid(), since=datetime.now(UTC).isoformat())]
    code, _, err = project.run("unlock", "prod", "--yes")
    assert (code, engine.asked) == (Exit.BUSY, [])
    assert "is alive and at work" in err
    assert project.run("unlock", "staging")[:2] == (Exit.DONE, "staging is not locked\n")


def test_no_secret_is_shown_among_the_differences() -> None:
    """Differences are for the eye: secrets by name only, credentials in addresses hidden."""
    from ship.differences import differences

    source = {
        "imageTag": "v1",
        "service": {
            "runtime": "docker",
            "environment": {"A": "1", "API_TOKEN": "s3cret-1", "URL": "x://u:pw@h"},
        },
        "secrets": {"ONE": {"secure": "cipher-1"}, "TWO": {"secure": "cipher-2"}},
    }
    target = {
        "imageTag": "v0",
        "service": {"runtime": "ecs", "environment": {}},
        "secrets": {"ONE": {"secure": "x"}},
    }
    found = differences(source, target)
    text = str(found)
    assert next(one.key for one in found if one.missing) == "antgent:secrets.TWO"
    assert {"antgent:service.runtime", "antgent:service.environment.A"} <= {one.key for one in found}
    assert "antgent:secrets.ONE" not in text
    for secret in ("s3cret-1", "pw@", "cipher"):
        assert secret not in text
