"""The worker check: pollers on Temporal task queues, and an echo workflow end to end.

`python -m components.checks_temporal ADDRESS …` prints what it found and exits 1 with the reason. The
check is that command: Temporal's client loads slowly, has threads of its own, and can crash the Python
that closes down under it, so it gets a process of its own that ends hard.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.checks import Deadline, Say, WorkerCheck, failed

if TYPE_CHECKING:
    from temporalio.client import Client

AGAIN_SECONDS = 0.5
CONNECT_SECONDS = 10
START_SECONDS = 5
"""What the process of the check may take on top of its deadline."""
FOLDER = Path(__file__).parents[1]
Seen = dict[tuple[str, str, str], Any]
"""Queue, kind and identity of a poller → when it polled last, by Temporal's clock."""


class NotShownError(Exception):
    """What the worker did not show; expectation and answer."""

    def __init__(self, expected: str, answer: str) -> None:
        self.expected, self.answer = expected, answer
        super().__init__(f"{expected}\n{answer}")


def check_worker(check: WorkerCheck, deadline: Deadline, say: Say) -> None:
    """Return when every task queue has a poller that polls now, and the workflow has answered.

    A poller counts once it has polled since the check began: a worker that is gone stays listed for
    minutes. A worker that waits for work polls anew every minute, which is how long this may take.

    Raises:
        VerificationError: a queue had none by the deadline, or the workflow did not answer.
    """
    name = f"worker on {', '.join(check.task_queues)}"
    words = [check.address, "--namespace", check.namespace, "--seconds", f"{deadline.left:.1f}"]
    words += [word for queue in check.task_queues for word in ("--queue", queue)]
    words += ["--workflow", check.workflow] if check.workflow else []
    request = f"Temporal at {check.address}, namespace {check.namespace}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "components.checks_temporal", *words],
            cwd=FOLDER, capture_output=True, text=True, timeout=deadline.left + START_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        answer = f"none in {deadline.seconds:g} s"
        raise failed(name, request=request, expected="Temporal answers", answer=answer) from None
    for line in done.stdout.splitlines():
        say(line)
    if done.returncode:
        expected, _, answer = done.stderr.strip().partition("\n")
        raise failed(name, request=request, expected=expected, answer=answer or "none")


async def _check(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds
    client = await _connect(options, end)
    before = await _pollers(client, options)
    if options.workflow:
        print(f"{options.workflow} answered in {await _echo(client, options, end):.1f} s", flush=True)
    for queue in options.queue:
        found = await _wait_for_pollers(client, options, queue, before, end)
        print(f"{queue}: {found} polls", flush=True)


async def _connect(options: argparse.Namespace, end: float) -> "Client":
    from temporalio.client import Client

    while True:
        try:
            connecting = Client.connect(options.address, namespace=options.namespace)
            return await asyncio.wait_for(connecting, CONNECT_SECONDS)
        except (RuntimeError, TimeoutError) as error:
            if time.monotonic() >= end:
                answer = f"{error or type(error).__name__}"
                raise NotShownError(f"Temporal answers at {options.address}", answer) from None
        await asyncio.sleep(AGAIN_SECONDS)


async def _echo(client: "Client", options: argparse.Namespace, end: float) -> float:
    """Run the workflow once; the seconds it took."""
    from temporalio.client import WorkflowFailureError
    from temporalio.service import RPCError

    text, started = f"verify-{uuid.uuid4()}", time.monotonic()
    limit = max(end - started, 1)
    expected = (
        f"{options.workflow} on {options.queue[0]} answers with the text it was given, in {limit:.0f} s"
    )
    try:
        answer = await asyncio.wait_for(
            client.execute_workflow(
                options.workflow,
                {"text": text},
                id=f"antgent-{text}",
                task_queue=options.queue[0],
                execution_timeout=timedelta(seconds=limit),
            ),
            limit + 1,
        )
    except WorkflowFailureError as error:
        raise NotShownError(expected, f"{type(error.cause).__name__}: {error.cause}") from None
    except (RPCError, TimeoutError) as error:
        raise NotShownError(expected, f"{type(error).__name__}: {error}") from None
    if text not in str(answer):
        raise NotShownError(expected, str(answer)[:500])
    return time.monotonic() - started


async def _wait_for_pollers(
    client: "Client", options: argparse.Namespace, queue: str, before: Seen, end: float
) -> str:
    """The identity of a poller that has polled since `before`; Temporal lists those that went for minutes."""
    while True:
        seen = await _pollers(client, options)
        here = [key for key in seen if key[0] == queue]
        for key in here:
            if before.get(key) != seen[key]:
                return key[2]
        if time.monotonic() >= end:
            gone = sorted({identity for _, _, identity in here})
            answer = f"nobody polls it; Temporal remembers {', '.join(gone)}" if gone else "nobody polls it"
            raise NotShownError(f"a worker polls the task queue {queue}", answer)
        await asyncio.sleep(AGAIN_SECONDS)


async def _pollers(client: "Client", options: argparse.Namespace) -> Seen:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.service import RPCError

    seen: Seen = {}
    for queue in options.queue:
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
            request = DescribeTaskQueueRequest(
                namespace=options.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
            )
            try:
                found = await client.workflow_service.describe_task_queue(request)
            except RPCError as error:
                expected = f"Temporal describes the task queue {queue} of the namespace {options.namespace}"
                raise NotShownError(expected, str(error)) from None
            for poller in found.pollers:
                polled = (poller.last_access_time.seconds, poller.last_access_time.nanos)
                seen[queue, str(kind), poller.identity] = polled
    return seen


def main() -> int:
    """The command; 0 when the worker has shown everything, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="Temporal's host:port")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--queue", action="append", required=True)
    parser.add_argument("--workflow", default="")
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    try:
        asyncio.run(_check(options))
    except NotShownError as error:
        print(f"{error.expected}\n{error.answer}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())
