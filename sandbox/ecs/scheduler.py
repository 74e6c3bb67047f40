"""The thread that moves services, alarms and scaling; one a process."""

import contextlib
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta

from docker.errors import DockerException
from moto.cloudwatch.models import cloudwatch_backends
from moto.ecs.models import ecs_backends

from sandbox.ecs import alarms, rollouts
from sandbox.ecs.backend import EcsBackend
from sandbox.ecs.engine import Engine
from sandbox.ecs.model import LOCK
from sandbox.ecs.scaling import Scaler
from sandbox.ecs.task_model import Task, now

SLOWLY = 1.0
"""Seconds between two looks at alarms and scaling policies."""
REMEMBERED = timedelta(hours=1)
"""How long AWS shows a task that has stopped."""


class Scheduler:
    """Looks every `interval`; what goes wrong in one look is written to the log, and the next one follows."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._settings = engine, engine.settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ecs-scheduler", daemon=True)
        self._scalers: dict[EcsBackend, Scaler] = {}
        self._looked = float("-inf")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is being taken."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._settings.interval):
            try:
                self.look()
            except Exception:  # noqa: BLE001 (one bad look must not end all further ones)
                traceback.print_exc()

    def look(self) -> None:
        """One look at everything."""
        self._check_health()
        slow = time.monotonic() - self._looked >= SLOWLY
        if slow:
            self._looked = time.monotonic()
        for backend in list(_backends()):
            if slow:
                # Metrics are many: not under the lock that requests wait for.
                known = cloudwatch_backends[backend.account_id]
                if backend.region_name in known.keys():  # noqa: SIM118 (`in` answers for regions, not keys)
                    alarms.evaluate(known[backend.region_name])
            with LOCK:
                if slow:
                    self._scalers.setdefault(backend, Scaler(backend)).step()
                    _forget(backend)
                for service in list(backend.services.values()):
                    rollouts.step(backend, service, self._settings)

    def _check_health(self) -> None:
        """Copy the containers' health from Docker to the tasks."""
        with LOCK:
            checked = [task for task in _tasks() if task.running and task.checked]
        if not checked:
            return
        with contextlib.suppress(DockerException, OSError):
            seen = self._engine.healths()
            for task in checked:
                for container in task.containers:
                    if container.checked:
                        container.health_status = seen.get(str(container.runtime_id), "UNKNOWN")


def _backends() -> Iterator[EcsBackend]:
    for account in list(ecs_backends.values()):
        for backend in list(account.values()):
            if isinstance(backend, EcsBackend):
                yield backend


def _tasks() -> Iterator[Task]:
    for backend in _backends():
        for known in backend.tasks.values():
            yield from known.values()


def _forget(backend: EcsBackend) -> None:
    for known in backend.tasks.values():
        for arn, task in list(known.items()):
            if task.stopped_at is not None and now() - task.stopped_at > REMEMBERED:
                known.pop(arn)
                backend.lives.pop(arn, None)
