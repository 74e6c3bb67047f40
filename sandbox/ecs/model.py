"""Deployments and services, each with the members that AWS's answers have.

moto's serializer looks every member of an answer up by its name or its name with underscores, so
what an object holds is what `DescribeServices` and `DescribeTasks` show.
"""

import secrets
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.ecs import models as moto

from sandbox.ecs.task_model import PLATFORM, STARTING, Task, now

LOCK = threading.RLock()
"""Held by every ECS request and every step of the scheduler; Docker is asked without it."""

EVENTS = 100
ROLLING: dict[str, Any] = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
"""AWS's defaults of a deployment configuration."""


@dataclass(eq=False)
class ServiceDeployment:
    """One rollout of a service, as its history keeps it."""

    service_deployment_arn: str
    service_arn: str
    cluster_arn: str
    target_service_revision: dict[str, Any]
    deployment_configuration: dict[str, Any]
    source_service_revisions: list[dict[str, Any]] = field(default_factory=list)
    status: str = "IN_PROGRESS"
    status_reason: str | None = None
    created_at: datetime = field(default_factory=now)
    started_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    rollback: dict[str, Any] | None = None
    deployment_circuit_breaker: dict[str, Any] | None = None
    alarms: dict[str, Any] | None = None

    @property
    def target_service_revision_arn(self) -> str:
        return self.target_service_revision["arn"]


@dataclass(eq=False)
class Deployment:
    """What a service runs, or ran and still has tasks of."""

    definition: moto.TaskDefinition
    desired_count: int
    revision_arn: str
    balancers: list[dict[str, Any]]
    history: ServiceDeployment | None = None
    id: str = field(default_factory=lambda: f"ecs-svc/{10**18 + secrets.randbelow(9 * 10**18)}")
    status: str = "PRIMARY"
    launch_type: str | None = None
    capacity_provider_strategy: list[dict[str, Any]] | None = None
    network_configuration: dict[str, Any] | None = None
    platform_version: str = PLATFORM
    platform_family: str = "Linux"
    rollout_state: str = "IN_PROGRESS"
    rollout_state_reason: str = ""
    pending_count: int = 0
    running_count: int = 0
    failed_tasks: int = 0
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    # What follows is the emulator's own.
    tasks: list[Task] = field(default_factory=list)
    quiet_alarms: frozenset[str] = frozenset()
    baking_since: float | None = None
    told: set[str] = field(default_factory=set)
    next_start: float = 0.0
    setbacks: int = 0

    def __post_init__(self) -> None:
        self.rollout_state_reason = f"ECS deployment {self.id} in progress."

    @property
    def task_definition(self) -> str:
        return self.definition.arn

    def say(self, state: str, reason: str) -> None:
        """Change the rollout's state."""
        self.rollout_state, self.rollout_state_reason, self.updated_at = state, reason, now()

    def count(self) -> None:
        """Bring the numbers of an answer up to date."""
        self.running_count = sum(one.running for one in self.tasks)
        self.pending_count = sum(one.live and one.last_status in STARTING for one in self.tasks)


_MotoService: Any = moto.Service
"""Loosely typed: what is overridden gives classes of our own."""


class Service(_MotoService):
    """A service that keeps the whole request it was made from."""

    deployments: list[Deployment]

    def __init__(self, request: Mapping[str, Any], **parts: Any) -> None:
        super().__init__(**parts)
        self.deployments = []
        self.history: list[ServiceDeployment] = []
        self.created_at = now()
        self.platform_family = "Linux"
        self.steady = False
        self.last_completed: Deployment | None = None
        self.rolling_back: Deployment | None = None
        self.running_count = self.pending_count = 0
        self.keep({"healthCheckGracePeriodSeconds": 0, "availabilityZoneRebalancing": "ENABLED"})
        self.keep({"enableECSManagedTags": False, "enableExecuteCommand": False})
        self.deployment_configuration: dict[str, Any] = dict(ROLLING)
        self.keep(request)

    def keep(self, request: Mapping[str, Any]) -> None:
        """Take over what a request says, under AWS's own names."""
        for name, value in request.items():
            if name == "deploymentConfiguration":
                self.deployment_configuration = {**self.deployment_configuration, **(value or {})}
            elif name in _KEPT and value is not None:
                setattr(self, name, value)

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def tasks(self) -> Iterator[Task]:
        return (task for deployment in self.deployments for task in deployment.tasks)

    @property
    def current_service_deployment(self) -> str | None:
        running = (one for one in self.history if one.finished_at is None and one.stopped_at is None)
        return next((one.service_deployment_arn for one in running), None)

    @property
    def current_service_revisions(self) -> list[dict[str, Any]]:
        return [
            {
                "arn": one.revision_arn,
                "requestedTaskCount": one.desired_count,
                "runningTaskCount": one.running_count,
                "pendingTaskCount": one.pending_count,
            }
            for one in self.deployments
        ]

    def tell(self, message: str, *, deployment: str = "") -> None:
        """Add an event; AWS keeps the newest 100.

        Args:
            deployment: whose task set the event is about. Defaults to the service itself.
        """
        who = f"{self.name}, taskSet {deployment}" if deployment else self.name
        event = {"id": str(uuid.uuid4()), "createdAt": now(), "message": f"(service {who}) {message}"}
        self.events = [event, *self.events][:EVENTS]

    def count(self) -> None:
        """Bring the numbers of an answer up to date."""
        for one in self.deployments:
            one.count()
        self.running_count = sum(one.running_count for one in self.deployments)
        self.pending_count = sum(one.pending_count for one in self.deployments)


_KEPT = frozenset(
    [
        "availabilityZoneRebalancing",
        "capacityProviderStrategy",
        "enableECSManagedTags",
        "enableExecuteCommand",
        "healthCheckGracePeriodSeconds",
        "placementConstraints",
        "placementStrategy",
        "propagateTags",
        "serviceConnectConfiguration",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
    ]
)
