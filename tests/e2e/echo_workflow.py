"""Run antgent's echo workflow on a real Temporal and a real worker, as a client of antgent would.

`python tests/e2e/echo_workflow.py HOST:PORT [--namespace NAME] [--queue NAME]` prints the answer as JSON.
"""

import argparse
import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

WORKFLOW = "EchoWorkflow"
QUEUE = "antgent-queue"


@dataclass(frozen=True)
class Echo:
    """One finished echo workflow.

    Args:
        workflow_id: its id on Temporal.
        answer: what it returned; equal to what was sent.
        seconds: from start to answer.
    """

    workflow_id: str
    answer: dict[str, object]
    seconds: float


def echo(address: str, message: dict[str, object], *, namespace: str = "default", queue: str = QUEUE,
         seconds: float = 60) -> Echo:  # fmt: skip
    """Start an EchoWorkflow with `message` on `address` (host:port) and wait for its answer.

    Raises temporalio.client.WorkflowFailureError when it fails or takes longer than `seconds`,
    RuntimeError when Temporal cannot be reached.
    """
    return asyncio.run(_echo(address, message, namespace, queue, seconds))


async def _echo(address: str, message: dict[str, object], namespace: str, queue: str, seconds: float) -> Echo:
    client = await Client.connect(address, namespace=namespace)
    loop = asyncio.get_running_loop()
    workflow_id, started = f"echo-{uuid.uuid4()}", loop.time()
    answer = await client.execute_workflow(
        WORKFLOW, message, id=workflow_id, task_queue=queue, execution_timeout=timedelta(seconds=seconds)
    )
    return Echo(workflow_id, answer, loop.time() - started)


def pollers(address: str, *, namespace: str = "default", queue: str = QUEUE) -> dict[str, int]:
    """How many workers poll `queue`: {"workflow": n, "activity": n}. Zeros when none ever did."""
    return asyncio.run(_pollers(address, namespace, queue))


async def _pollers(address: str, namespace: str, queue: str) -> dict[str, int]:
    client = await Client.connect(address, namespace=namespace)
    found = {}
    for name, kind in (("workflow", TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
                       ("activity", TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)):  # fmt: skip
        request = DescribeTaskQueueRequest(
            namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        found[name] = len((await client.workflow_service.describe_task_queue(request)).pollers)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="Temporal's host:port")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--queue", default=QUEUE)
    options = parser.parse_args()
    done = echo(options.address, {"hello": "antgent"}, namespace=options.namespace, queue=options.queue)
    print(json.dumps({"workflow": done.workflow_id, "answer": done.answer, "seconds": round(done.seconds, 2)}))


if __name__ == "__main__":
    main()
