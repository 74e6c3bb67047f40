"""Run antgent's echo workflow on a real Temporal and a real worker, as a client of antgent would.

`python tests/e2e/echo_workflow.py HOST:PORT [--namespace NAME] [--queue NAME] [--text TEXT | --pollers]` prints
the answer as JSON. The helpers run that command: Temporal's client can crash the Python that is closing down
under it, which must not be the one that runs the tests.
"""

import argparse
import asyncio
import json
import os
import sys
import uuid
from datetime import timedelta

WORKFLOW = "EchoWorkflow"
QUEUE = "antgent-queue"


async def echo(address: str, text: str, *, namespace: str = "default", queue: str = QUEUE) -> str:
    """Send `text` through an EchoWorkflow on `address` (host:port); returns the answer, as JSON.

    Raises RuntimeError with the client's own words when the workflow fails, takes over 60 seconds, or
    Temporal cannot be reached.
    """
    return await _run(address, "--namespace", namespace, "--queue", queue, "--text", text)


async def pollers(address: str, *, namespace: str = "default", queue: str = QUEUE) -> dict[str, int]:
    """How many workers poll `queue`: {"workflow": n, "activity": n}; zeros when none does. Raises RuntimeError."""
    return json.loads(await _run(address, "--namespace", namespace, "--queue", queue, "--pollers"))


async def _run(*arguments: str) -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the echo client failed: {err.decode().strip()}")
    return out.decode().strip()


async def _echo(options: argparse.Namespace) -> object:
    from temporalio.client import Client

    client = await Client.connect(options.address, namespace=options.namespace)
    return await client.execute_workflow(
        WORKFLOW,
        {"text": options.text},
        id=f"echo-{uuid.uuid4()}",
        task_queue=options.queue,
        execution_timeout=timedelta(seconds=60),
    )


async def _pollers(options: argparse.Namespace) -> object:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.client import Client

    client = await Client.connect(options.address, namespace=options.namespace)
    kinds = {
        "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    }
    found = {}
    for name, kind in kinds.items():
        request = DescribeTaskQueueRequest(
            namespace=options.namespace, task_queue=TaskQueue(name=options.queue), task_queue_type=kind
        )
        found[name] = len((await client.workflow_service.describe_task_queue(request)).pollers)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="Temporal's host:port")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--queue", default=QUEUE)
    parser.add_argument("--text", default="hello")
    parser.add_argument("--pollers", action="store_true")
    options = parser.parse_args()
    try:
        print(json.dumps(asyncio.run(_pollers(options) if options.pollers else _echo(options))), flush=True)
    except Exception as error:  # noqa: BLE001  its reader wants the message; any kind of failure is one
        print(f"{type(error).__name__}: {error.__cause__ or error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())
