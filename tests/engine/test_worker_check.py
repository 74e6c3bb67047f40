"""The worker's check on a real Temporal, with real workers and without."""

import contextlib
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from components.checks import Spec, VerificationError, WorkerCheck
from components.pollers import pollers
from components.verification import verify
from sandbox.assembly import Sandbox
from sandbox.process import wait_until

SCRIPT = Path(__file__).parent / "echo_worker.py"


@pytest.fixture(scope="module")
def temporal(sandbox: Sandbox) -> str:
    """The address of a real Temporal."""
    return sandbox.env["SANDBOX_TEMPORAL"]


@pytest.fixture
def queue() -> str:
    """A task queue that nobody has polled yet."""
    return f"checks-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def worker(temporal: str, queue: str, mode: str = "echo") -> Generator[subprocess.Popen[bytes]]:
    """A worker that polls, as Temporal itself says."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), temporal, queue, mode])
    try:
        assert wait_until(lambda: bool(pollers(temporal, "default", queue)), seconds=30, every=0.5)
        yield process
    finally:
        process.kill()
        process.wait()


def run(temporal: str, queue: str, *, workflow: str = "", deadline: float = 30) -> list[str]:
    """Make the check; what it said."""
    said: list[str] = []
    check = WorkerCheck(address=temporal, task_queues=(queue,), workflow=workflow)
    verify(Spec(url="http://nowhere", tag="v1", deadline=deadline, worker=check), said.append)
    return said


def test_a_worker_that_waits_for_work_is_seen_to_poll(temporal: str, queue: str) -> None:
    """Without any work for it; the line names who polls."""
    with worker(temporal, queue):
        said = run(temporal, queue)
    assert any(line.startswith(f"{queue}: ") and line.endswith(" polls") for line in said)


def test_a_queue_that_nobody_polls_fails_at_the_deadline(temporal: str, queue: str) -> None:
    """The healthy process of a worker on another queue proves nothing."""
    started = time.monotonic()
    with pytest.raises(VerificationError) as failed:
        run(temporal, queue, deadline=3)
    assert time.monotonic() - started < 15
    assert f"request: Temporal at {temporal}, namespace default" in str(failed.value)
    assert f"expected: a worker polls the task queue {queue}" in str(failed.value)
    assert "answer: nobody polls it" in str(failed.value)


def test_a_worker_that_is_gone_does_not_count(temporal: str, queue: str) -> None:
    """Temporal lists it for minutes: the release before this one must not vouch for this one."""
    with worker(temporal, queue):
        pass
    assert pollers(temporal, "default", queue), "Temporal has forgotten it, so this test proves nothing"
    time.sleep(6)  # until the poll that the kill cut off has ended at the server, too
    with pytest.raises(VerificationError, match=r"nobody polls it; Temporal remembers [0-9]+@"):
        run(temporal, queue, deadline=8)


def test_an_echo_workflow_runs_end_to_end(temporal: str, queue: str) -> None:
    """Work gets done, not just waited for."""
    with worker(temporal, queue):
        said = run(temporal, queue, workflow="EchoWorkflow")
    assert any(line.startswith("EchoWorkflow answered in ") for line in said)


@pytest.mark.parametrize(
    ("mode", "answer"), [("mute", "something else"), ("fail", "the model is not loaded")]
)
def test_a_workflow_that_answers_wrong_fails_the_check(
    temporal: str, queue: str, mode: str, answer: str
) -> None:
    """With what it answered."""
    with worker(temporal, queue, mode), pytest.raises(VerificationError) as failed:
        run(temporal, queue, workflow="EchoWorkflow")
    assert f"expected: EchoWorkflow on {queue} answers with the text it was given" in str(failed.value)
    assert answer in str(failed.value)
