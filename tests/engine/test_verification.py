"""Verification on the real engine: what enters the ledger, what fails an `up`, and what that leaves alone."""

import itertools
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from components import ledger
from components.ledger import Entry
from components.oci import find_release
from components.verification import spec_of, verify
from sandbox.assembly import Sandbox
from sandbox.process import free_port, wait_until
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack, app_config, destroy

TOKEN = "correct-horse-battery-staple"
HEALTHY_BUT_WRONG = "dies-on-sigterm"
"""A mode of the small app that rolls out well, and that only a check finds."""


class Releases:
    """One stack on the Docker runtime that verifies what it runs; each release has a new tag."""

    def __init__(self, stack: Stack, marks: Path) -> None:
        self.stack, self.marks, self.usual, self._numbers = stack, marks, stack.config, itertools.count(1)
        self.said = stack.pulumi.up().output
        """What every `up` that ended well has printed."""

    def ask_for(self, mode: str) -> str:
        """Ask for the app in `mode` as the next release; its tag."""
        tag = f"v1.{next(self._numbers)}.0"
        self.stack.build(mode, tag)
        return tag

    def up(self, mode: str = "good") -> str:
        """Release the app in `mode`; what the engine printed."""
        self.ask_for(mode)
        printed = self.stack.pulumi.up().output
        self.said += printed
        return printed

    def fail(self, mode: str) -> str:
        """Release an app that must fail `up`; the engine's words."""
        self.ask_for(mode)
        with pytest.raises(PulumiError) as failed:
            self.stack.pulumi.up()
        assert "Traceback" not in failed.value.output
        return str(failed.value)

    @property
    def ledger(self) -> list[Entry]:
        """As another stack reads it: out of the outputs."""
        return ledger.read(self.stack.pulumi.outputs())

    @property
    def kept(self) -> Any:
        """As the engine keeps it: in the state of the resource."""
        resources = self.stack.pulumi.export()["deployment"]["resources"]
        return [one["outputs"]["ledger"] for one in resources if "ReleaseVerification" in one["type"]]


@pytest.fixture(scope="module")
def shared(
    sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Releases]:
    """A stack with a verified release, for all tests of this file."""
    marks = tmp_path_factory.mktemp("marks")
    config = app_config(app_context, f"verify-{uuid.uuid4().hex[:8]}", "good", "v1.0.0")
    config["service"] |= {"runtime": "docker", "docker": {"publish": {"port": free_port()}}}
    config["secrets"] = {"ANTGENT_SERVER__TOKEN": "${TEST_TOKEN}"}
    config["verify"] = {
        "deadline": 5,
        "http": [
            {"path": "/version", "field": "version", "latency": 2, "successes": 3},
            {
                "path": "/private",
                "field": "mode",
                "expect": "good",
                "secretHeaders": {"token": "ANTGENT_SERVER__TOKEN"},
            },
        ],
        "commands": [f"echo $ANTGENT_TAG >> {marks}/ran; echo the suite asks $ANTGENT_URL"],
    }
    env = sandbox.env | {"TEST_TOKEN": TOKEN}
    stack = Stack(tmp_path_factory.mktemp("project"), env, config)
    try:
        yield Releases(stack, marks)
    finally:
        destroy(stack)


@pytest.fixture
def releases(shared: Releases) -> Releases:
    """The stack with its usual checks, whatever the test before asked for."""
    shared.stack.change(verify=shared.usual["verify"])
    return shared


def test_a_release_that_passes_enters_the_ledger_once(releases: Releases) -> None:
    """Its digest is the registry's; a second `up`, a refresh and a preview change nothing and check nothing."""
    output = releases.up()
    stack, tag = releases.stack, releases.stack.config["imageTag"]
    repository = f"{stack.env['SANDBOX_REGISTRY']}/{stack.config['registry']['repository']}"
    newest, *older = releases.ledger
    assert newest.image == find_release(repository, tag).reference
    assert newest.image.endswith(newest.digest)
    assert (newest.tag, newest.soak_minutes) == (tag, 0)
    assert [check.name for check in newest.checks][:2] == [
        f"GET /version: status 200, version = '{tag[1:]}', within 2 s, 3 times in a row",
        "GET /private: status 200, mode = 'good'",
    ]
    assert older
    assert f"the suite asks {stack.url}" in output
    ran = (releases.marks / "ran").read_text()
    assert ran.split()[-1] == tag
    assert stack.pulumi.up().changes.total == 0
    assert stack.pulumi.up("--refresh").changes.total == 0
    assert (releases.marks / "ran").read_text() == ran
    assert releases.ledger == [newest, *older]


def test_a_release_that_does_not_pass_fails_the_up_and_leaves_the_ledger_alone(releases: Releases) -> None:
    """The error shows request, expectation and answer; outputs and state stay as they were; the next good
    release needs no hands."""
    stack = releases.stack
    outputs, kept = stack.pulumi.outputs(), releases.kept
    ran = (releases.marks / "ran").read_text()
    said = releases.fail(HEALTHY_BUT_WRONG)
    assert httpx.get(f"{outputs['url']}/version", timeout=5).json()["mode"] == HEALTHY_BUT_WRONG
    assert f"verification failed: GET {outputs['url']}/private" in said
    assert "expected: status 200, mode = 'good'" in said
    assert "answer: 200 OK in " in said
    assert f'"mode":"{HEALTHY_BUT_WRONG}"' in said
    assert stack.pulumi.outputs() == outputs
    assert releases.kept == kept
    assert (releases.marks / "ran").read_text() == ran, "a command ran against a release that had failed"
    with pytest.raises(PulumiError, match="verification failed"):
        stack.pulumi.up()
    assert releases.kept == kept
    releases.up()
    assert len(releases.ledger) == len(kept[0]) + 1


def test_a_rollout_that_fails_leaves_the_ledger_alone(releases: Releases) -> None:
    """What never came up was never checked."""
    outputs, kept = releases.stack.pulumi.outputs(), releases.kept
    assert "rollout failed" in releases.fail("crash")
    assert releases.stack.pulumi.outputs() == outputs
    assert releases.kept == kept
    releases.up()
    assert len(releases.ledger) == len(kept[0]) + 1


def test_a_preview_checks_and_records_nothing(releases: Releases) -> None:
    """Neither of a release that is not there yet, nor of changed checks."""
    stack, before = releases.stack, releases.stack.config
    kept, ran = releases.kept, (releases.marks / "ran").read_text()
    releases.ask_for("good")
    stack.pulumi.preview()
    stack.configure(before | {"verify": before["verify"] | {"commands": [f"touch {releases.marks}/new"]}})
    stack.pulumi.preview()
    stack.configure(before)
    assert releases.kept == kept
    assert (releases.marks / "ran").read_text() == ran
    assert not (releases.marks / "new").exists()


def test_changed_checks_are_made_of_the_release_that_runs(releases: Releases) -> None:
    """The release keeps its one place in the ledger; a check that fails leaves it there as it was."""
    before = releases.ledger
    stack = releases.stack
    checks = stack.config["verify"]
    stack.change(verify=checks | {"commands": ["echo the suite is broken; exit 3"]})
    with pytest.raises(PulumiError) as failed:
        stack.pulumi.up()
    assert "answer: exit code 3" in str(failed.value)
    assert "the suite is broken" in str(failed.value)
    assert releases.ledger == before
    stack.change(verify=checks | {"commands": ["true"]})
    stack.pulumi.up()
    newest, *older = releases.ledger
    assert older == before[1:]
    assert (newest.digest, newest.checks[-1].name) == (before[0].digest, "true")
    assert newest.verified_at >= before[0].verified_at


def test_a_killed_verification_is_made_again_by_the_next_up(releases: Releases) -> None:
    """SIGKILL in the middle: nothing goes on running, the ledger is whole, and no hand is needed."""
    stack, pid_file = releases.stack, releases.marks / "pid"
    checks, kept = stack.config["verify"], releases.kept
    tag = releases.ask_for("good")
    hanging = f"echo $$ > {pid_file}; echo the suite has begun; exec sleep 1000"
    stack.change(verify=checks | {"deadline": 120, "commands": [hanging]})
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
        cwd=stack.folder, env=stack.env, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert wait_until(lambda: pid_file.exists() and bool(pid_file.read_text().strip()), seconds=120)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)
    stack.change(verify=checks)
    stack.pulumi.up()
    assert (releases.ledger[0].tag, len(releases.ledger)) == (tag, len(kept[0]) + 1)
    assert wait_until(lambda: not psutil.pid_exists(int(pid_file.read_text())), seconds=15)


def test_the_secret_of_a_check_is_nowhere_in_plain_text(releases: Releases) -> None:
    """It was sent, as the check of /private passed; it stands neither in state nor in what was printed."""
    stack = releases.stack
    assert httpx.get(f"{stack.url}/private", timeout=5).status_code == 401
    assert httpx.get(f"{stack.url}/private", headers={"token": TOKEN}, timeout=5).status_code == 200
    assert "passed: GET /private" in releases.said
    assert TOKEN not in releases.said
    assert TOKEN not in str(stack.pulumi.export())
    assert TOKEN not in str(stack.pulumi.outputs(show_secrets=True))


def test_the_checks_can_be_made_again_from_state(releases: Releases) -> None:
    """What `ship verify` does: the same checks, without a deploy."""
    stack = releases.stack
    exported = stack.pulumi.run("stack", "export", "--show-secrets").output
    spec = spec_of(httpx.Response(200, text=exported).json())
    said: list[str] = []
    assert [one.name for one in verify(spec, said.append)] == [one.name for one in releases.ledger[0].checks]
    assert len(said) >= len(releases.ledger[0].checks)
