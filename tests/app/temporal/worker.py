"""A Temporal worker for rollout tests: as antgent's does, it waits at SIGTERM for its activities, however long."""

import asyncio
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@activity.defn
def work(seconds: float) -> str:
    """The first attempt lasts; a later one answers at once, with where it ran."""
    attempt = activity.info().attempt
    end = time.monotonic() + (seconds if attempt == 1 else 0)
    while time.monotonic() < end:
        activity.heartbeat()
        time.sleep(0.2)
    return f"attempt {attempt} on {os.environ['VERSION']} at {socket.gethostname()}"


@workflow.defn
class Slow:
    """One activity, tried again when its worker is gone."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        return await workflow.execute_activity(
            work,
            seconds,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1)),
        )


async def work_until_told() -> None:
    client = await Client.connect(os.environ["ANTGENT_TEMPORALIO__HOST"])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with ThreadPoolExecutor(4) as pool:
        async with Worker(
            client, task_queue=os.environ["QUEUE"], workflows=[Slow], activities=[work], activity_executor=pool,
            workflow_runner=UnsandboxedWorkflowRunner(), graceful_shutdown_timeout=timedelta(hours=1),
        ):  # fmt: skip
            print(f"working, version {os.environ['VERSION']}", flush=True)
            await ended.wait()
            print("told to stop, waiting for activities", flush=True)
