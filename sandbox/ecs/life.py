"""A task's life: pulled, started, watched, drained, stopped, removed. One thread for each step that waits."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from docker.errors import DockerException
from docker.models.containers import Container as DockerContainer

from sandbox.ecs import containers, engine, log_streams, secret_values, targets, wording
from sandbox.ecs.containers import UnsupportedError
from sandbox.ecs.engine import Engine, Pulled, PullError
from sandbox.ecs.log_streams import LogsError, Stream
from sandbox.ecs.model import LOCK
from sandbox.ecs.secret_values import SecretError
from sandbox.ecs.task_model import Container, Task, now

DRAIN_POLL = 0.1
Say = Callable[[str], None]


class Life:
    """Runs one task on Docker and writes what happens into it.

    Args:
        tell: takes what the task's service should say of it.
    """

    def __init__(self, task: Task, docker: Engine, account: str, region: str, tell: Say) -> None:
        self.task, self._docker, self._tell = task, docker, tell
        self._account, self._region = account, region
        self._running: list[tuple[Container, DockerContainer]] = []
        self._followers: list[threading.Thread] = []
        self._volumes: list[str] = []
        self._begun = threading.Event()
        self._client = docker.client()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread(self._begin)

    def stop(self, code: str, reason: str) -> None:
        """Stop it, once; returns at once. The caller holds the lock.

        Args:
            code: AWS's `stopCode`.
            reason: AWS's `stoppedReason`.
        """
        if self.task.desired_status == "STOPPED":
            return
        task = self.task
        task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
        task.stopping_at = now()
        if task.last_status == "RUNNING":
            self._advance("DEACTIVATING")
        self._thread(self._end)

    def _begin(self) -> None:
        try:
            self._advance("PENDING")
            self._launch(self._prepare())
        except (SecretError, LogsError, PullError) as error:
            self._fail(str(error))
        except UnsupportedError as error:
            self._fail(f"ResourceInitializationError: {error}")
        except (DockerException, OSError) as error:
            why = getattr(error, "explanation", None) or str(error)
            self._fail(f"CannotStartContainerError: {why}")
        finally:
            self._begun.set()

    def _prepare(self) -> list[tuple[Container, Pulled, dict[str, str], Stream | None]]:
        """What can fail before anything runs, in the order in which Fargate fails."""
        task = self.task
        definitions = [one.definition for one in task.containers]
        containers.check(definitions, task.definition.volumes)
        values = [secret_values.environment(one, self._account, self._region) for one in definitions]
        logins = [secret_values.credentials(one, self._account, self._region) for one in definitions]
        streams = [log_streams.open_stream(one, self._account, self._region, task.id) for one in definitions]
        task.pull_started_at = now()
        images = []
        for container, login in zip(task.containers, logins, strict=True):
            try:
                images.append(self._docker.pull(self._client, container.image, login))
            except PullError as error:
                container.reason = str(error)
                raise
            container.image_digest = images[-1].digest
        task.pull_stopped_at = now()
        return list(zip(task.containers, images, values, streams, strict=True))

    def _launch(self, prepared: list[tuple[Container, Pulled, dict[str, str], Stream | None]]) -> None:
        volumes = self._make_volumes()
        self._advance("ACTIVATING")
        streams = []
        for container, image, values, stream in prepared:
            made = self._create(container, image, values, volumes)
            self._running.append((container, made))
            streams.append(stream)
            made.start()
            container.runtime_id, container.last_status = made.id, "RUNNING"
        with LOCK:
            self._connected(engine.address(self._running[0][1]))
        for (container, made), stream in zip(self._running, streams, strict=True):
            self._followers.append(self._thread(self._follow, container, made, stream))

    def _create(
        self, container: Container, image: Pulled, values: Mapping[str, str], volumes: Mapping[str, str]
    ) -> DockerContainer:
        task, definition = self.task, container.definition
        overrides = task.overrides.get("containerOverrides") or []
        options = containers.options(
            definition,
            override=next((one for one in overrides if one["name"] == container.name), {}),
            environment={**self._provided(), **values},
            cpu=task.overrides.get("cpu") or task.cpu,
            memory=task.overrides.get("memory") or task.memory,
            processors=self._docker.processors,
        )
        if self._running:  # one network for the whole task: its containers meet on loopback
            options["network_mode"] = f"container:{self._running[0][1].id}"
        else:
            options["extra_hosts"] = containers.hosts(self._docker.settings.names)
        if self._docker.closing:
            raise OSError("the sandbox's AWS API is being stopped")
        family, revision = task.definition.family, task.definition.revision
        return self._client.containers.create(
            image.id,
            name=f"ecs-{self._docker.settings.home}-{family}-{revision}-{container.name}-{task.id[:12]}",
            labels=containers.labels(
                definition,
                home=self._docker.settings.home,
                cluster=task.cluster_arn,
                task=task.task_arn,
                family=family,
                revision=revision,
            ),
            mounts=containers.mounts(definition, volumes, image.declared),
            **options,
        )

    def _provided(self) -> dict[str, str]:
        """What Fargate tells every process."""
        region = self._region
        return {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    def _make_volumes(self) -> dict[str, str]:
        made = {}
        for one in self.task.definition.volumes:
            path = (one.get("host") or {}).get("sourcePath")
            made[one["name"]] = path or self._docker.volume(
                self._client, f"ecs-{self.task.id[:12]}-{one['name']}"
            )
            self._volumes += [] if path else [made[one["name"]]]
        return made

    def _connected(self, address: str) -> None:
        task = self.task
        task.address, task.started_at, task.running_since = address, now(), time.monotonic()
        for attachment in task.attachments:
            attachment["status"] = "ATTACHED"
            attachment["details"].append({"name": "privateIPv4Address", "value": address})
            for container in task.containers:
                container.network_interfaces = [
                    {"attachmentId": attachment["id"], "privateIpv4Address": address}
                ]
        if task.live:
            self._advance("RUNNING")

    def _follow(self, container: Container, made: DockerContainer, stream: Stream | None) -> None:
        """Copy its lines until it ends, then say how it ended."""
        log_streams.copy(engine.follow(made), stream)
        code, out_of_memory = engine.ending(made)
        with LOCK:
            container.last_status, container.exit_code = "STOPPED", code
            if out_of_memory:
                container.reason = wording.OUT_OF_MEMORY
            self.task.execution_stopped_at = self.task.execution_stopped_at or now()
            alive = any(one.last_status != "STOPPED" for one, _ in self._running)
            if container.essential or not alive:
                self.stop("EssentialContainerExited", wording.ESSENTIAL_EXITED)

    def _fail(self, reason: str) -> None:
        """It never ran."""
        with LOCK:
            task = self.task
            if task.desired_status == "RUNNING":
                task.desired_status, task.stopping_at = "STOPPED", now()
                task.stop_code, task.stopped_reason = "TaskFailedToStart", reason
        self._clear()

    def _end(self) -> None:
        self._begun.wait()
        if self.task.last_status == "STOPPED":  # it failed to start meanwhile
            return
        self._drain()
        self._advance("STOPPING")
        stops = [self._thread(self._stop_one, container, made) for container, made in self._running]
        for one in [*stops, *self._followers]:
            one.join()
        self._advance("DEPROVISIONING")
        self._clear()

    def _drain(self) -> None:
        """Take it out of its target groups, and let it finish what it has begun."""
        with LOCK:
            taken, self.task.targets = self.task.targets, []
        for group, port in taken:
            if targets.deregister(group, self.task.address, port):
                self._tell(wording.deregistered(group))
        alive = any(container.last_status != "STOPPED" for container, _ in self._running)
        for group, port in taken if alive else []:
            until = time.monotonic() + targets.delay(group)
            while time.monotonic() < until:
                if targets.health(group, self.task.address, port)[0] != "draining":
                    break
                time.sleep(DRAIN_POLL)

    def _stop_one(self, container: Container, made: DockerContainer) -> None:
        with contextlib.suppress(DockerException, OSError):
            made.stop(timeout=containers.stop_seconds(container.definition))

    def _clear(self) -> None:
        for _, made in self._running:
            self._docker.remove(self._client, str(made.id))
        for name in self._volumes:
            with contextlib.suppress(DockerException, OSError):
                self._client.volumes.get(name).remove(force=True)
        with LOCK:
            for container in self.task.containers:
                container.last_status = "STOPPED"
            for attachment in self.task.attachments:
                attachment["status"] = "DELETED"
            self.task.stopped_at = now()
            self._advance("STOPPED")
        self._client.close()

    def _advance(self, status: str) -> None:
        with LOCK:
            self.task.last_status = status
            self.task.version += 1

    @staticmethod
    def _thread(target: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        return thread
