"""A small worker for tests: polls one task queue of a real Temporal. `python echo_worker.py HOST:PORT QUEUE [MODE]`.

Modes: `echo` answers with the text it was given, `mute` with another, `fail` fails the workflow.
"""

import asyncio
import os
import sys

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

MODE = sys.argv[3] if len(sys.argv) > 3 else "echo"


@workflow.defn(name="EchoWorkflow")
class EchoWorkflow:
    """Answers as its mode says."""

    @workflow.run
    async def run(self, given: dict) -> dict:
        if MODE == "fail":
            raise ApplicationError("the model is not loaded", non_retryable=True)
        return {"text": given["text"] if MODE == "echo" else "something else"}


async def main() -> None:
    """Poll until killed."""
    client = await Client.connect(sys.argv[1])
    worker = Worker(
        client, task_queue=sys.argv[2], workflows=[EchoWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    )
    await worker.run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    finally:
        os._exit(0)
