"""Containers and tasks, each with the members that AWS's answers have."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STARTING = ("PROVISIONING", "PENDING", "ACTIVATING")
PLATFORM = "1.4.0"
"""What AWS makes of the platform version LATEST."""


def now() -> datetime:
    """The time, as moto's serializer takes it."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(eq=False)
class Container:
    """A container of a task; `definition` is the task definition's."""

    definition: Mapping[str, Any]
    container_arn: str
    task_arn: str
    last_status: str = "PENDING"
    exit_code: int | None = None
    reason: str | None = None
    runtime_id: str | None = None
    image_digest: str | None = None
    network_interfaces: list[dict[str, str]] = field(default_factory=list)
    health_status: str = "UNKNOWN"

    @property
    def name(self) -> str:
        return self.definition["name"]

    @property
    def image(self) -> str:
        return self.definition["image"]

    @property
    def cpu(self) -> str:
        return str(self.definition.get("cpu") or 0)

    @property
    def memory(self) -> str | None:
        return str(self.definition["memory"]) if self.definition.get("memory") else None

    @property
    def essential(self) -> bool:
        return self.definition.get("essential", True)

    @property
    def checked(self) -> bool:
        return bool(self.definition.get("healthCheck"))


@dataclass(eq=False)
class Task:
    """A task, from `RunTask` or of a service's deployment."""

    task_arn: str
    cluster_arn: str
    definition: Any
    containers: list[Container]
    group: str
    started_by: str = ""
    launch_type: str | None = "FARGATE"
    capacity_provider_name: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    tags: list[dict[str, str]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    enable_execute_command: bool = False
    platform_version: str = PLATFORM
    platform_family: str = "Linux"
    availability_zone: str = ""
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    connectivity: str = "CONNECTED"
    version: int = 1
    stop_code: str | None = None
    stopped_reason: str | None = None
    created_at: datetime = field(default_factory=now)
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    started_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    container_instance_arn: str | None = None
    # What follows is the emulator's own.
    balancers: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""
    running_since: float | None = None
    counted: bool = False
    was_healthy: bool = False
    targets: list[tuple[str, int]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.task_arn.rpartition("/")[2]

    @property
    def task_definition_arn(self) -> str:
        return self.definition.arn

    @property
    def cpu(self) -> str | None:
        return self.definition.cpu

    @property
    def memory(self) -> str | None:
        return self.definition.memory

    @property
    def live(self) -> bool:
        """Meant to run: not stopped, and not about to be."""
        return self.desired_status == "RUNNING" and self.last_status != "STOPPED"

    @property
    def running(self) -> bool:
        return self.live and self.last_status == "RUNNING"

    @property
    def health_status(self) -> str:
        """Of the essential containers that have a check; unknown without one, as AWS says."""
        found = {one.health_status for one in self.containers if one.essential and one.checked}
        return next((one for one in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if one in found), "UNKNOWN")

    @property
    def checked(self) -> bool:
        return any(one.essential and one.checked for one in self.containers)

    @property
    def running_seconds(self) -> float:
        """Since it reached RUNNING; 0 before."""
        return time.monotonic() - self.running_since if self.running_since is not None else 0.0
