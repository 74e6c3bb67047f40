"""A worker that finishes its activities on SIGTERM.

temporalloop's own handler leaves at once and then waits for ever on the thread of a running activity.
This factory is named by `temporalio.default_factory` in config.yaml.
"""

import asyncio
import logging
import signal
import sys

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalloop.worker import WorkerFactory

logger = logging.getLogger("temporalloop.worker")

FIX = "  fix: set ANTGENT_TEMPORALIO__HOST (host:port) and ANTGENT_TEMPORALIO__NAMESPACE"

_workers: list[Worker] = []
_shutdowns: list[asyncio.Task[None]] = []


def drain() -> None:
    """Ask every worker to stop polling; each lets its activities end (10 s, then they are cancelled)."""
    logger.info("SIGTERM: draining %d worker(s)", len(_workers))
    _shutdowns.extend(asyncio.ensure_future(worker.shutdown()) for worker in _workers)


class DrainingFactory(WorkerFactory):
    """temporalloop's factory, whose workers drain on SIGTERM and SIGINT."""

    async def client(self, config) -> Client:
        where = f"{config.host}, namespace {config.namespace}"
        try:
            client = await super().client(config)
            request = DescribeNamespaceRequest(namespace=config.namespace)
            await client.workflow_service.describe_namespace(request)
        except RPCError as error:
            sys.exit(f"error: Temporal at {where} answered: {error.message}\n{FIX}")
        except RuntimeError as error:
            sys.exit(f"error: no Temporal at {where}: {error}\n{FIX}")
        return client

    async def new_worker(self, worker_config) -> Worker:
        worker = await super().new_worker(worker_config)
        _workers.append(worker)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, drain)
        return worker
