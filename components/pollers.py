"""Who polls a task queue of Temporal: the only sign of life that a worker without HTTP gives.

`python -m components.pollers ADDRESS NAMESPACE QUEUE` prints them: Temporal's client has threads of
its own and can crash the Python that closes down under it, so it gets a process that ends hard.
"""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10
"""For Python's start, the connection and the answer."""
FOLDER = Path(__file__).parents[1]


class TemporalError(Exception):
    """Temporal does not answer, or refuses."""


@dataclass(frozen=True)
class Poller:
    """A worker as Temporal sees it.

    Args:
        identity: what it calls itself, `pid@host` by default.
        seen: when it last polled, in seconds since 1970.
    """

    identity: str
    seen: float


def pollers(address: str, namespace: str, queue: str) -> list[Poller]:
    """Workers that poll for workflow or activity tasks; Temporal forgets one after about five minutes.

    Raises:
        TemporalError: no answer in ten seconds, or a refusal.
    """
    words = [sys.executable, "-m", "components.pollers", address, namespace, queue]
    try:
        done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise TemporalError(f"no answer in {SECONDS} s") from None
    if done.returncode:
        raise TemporalError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    return [Poller(identity, float(seen)) for seen, _, identity in lines]


async def _pollers(address: str, namespace: str, queue: str) -> list[Poller]:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.client import Client

    client = await Client.connect(address, namespace=namespace)
    found = []
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        request = DescribeTaskQueueRequest(
            namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request)
        found += [Poller(one.identity, one.last_access_time.ToMicroseconds() / 1e6) for one in answer.pollers]
    return found


def main() -> int:
    """The command: 0 and a line a poller, or 1 and the reason."""
    from temporalio.service import RPCError

    try:
        for one in asyncio.run(_pollers(*sys.argv[1:4])):
            print(one.seen, one.identity, flush=True)
    except (RuntimeError, RPCError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())
