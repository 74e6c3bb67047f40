"""moto's ECS backend, with services and tasks that keep everything and run."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.ecs import models as moto
from moto.ecs import urls
from moto.ecs.exceptions import ECSException, InvalidParameterException

from sandbox.ecs import requests
from sandbox.ecs.engine import Engine
from sandbox.ecs.life import Life
from sandbox.ecs.model import Deployment, Service
from sandbox.ecs.new_tasks import new_task
from sandbox.ecs.task_model import Task

FARGATE = ("FARGATE", "FARGATE_SPOT")


_Moto: Any = moto.EC2ContainerServiceBackend
"""Loosely typed: what is overridden gives classes of our own."""


class EcsBackend(_Moto):
    """One account's ECS in one region.

    `engine` is set before the first request, for all of them.
    """

    engine: Engine
    services: dict[str, Service]
    tasks: dict[str, dict[str, Task]]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lives: dict[str, Life] = {}

    @property
    def _url_module(self) -> Any:
        return urls

    def make_service(self, request: Mapping[str, Any]) -> Service:
        """`CreateService`, with everything that was asked for."""
        cluster = self._get_cluster(request.get("cluster", "default"))
        key = f"{cluster.name}:{request['serviceName']}"
        before = self.services.get(key)
        if before is not None and before.status != "INACTIVE":
            state = {"ACTIVE": "Creation of service was not idempotent."}
            raise InvalidParameterException(
                state.get(before.status, "Unable to Start a service that is still Draining.")
            )
        definition = self.describe_task_definition(request["taskDefinition"])
        requests.check(self, request, definition)
        service = Service(request, **requests.parts(self, cluster, definition, request))
        self.services[key] = service
        self.deploy(service, definition)
        return service

    def change_service(self, request: Mapping[str, Any]) -> Service:
        """`UpdateService`; a new deployment only where AWS starts one."""
        service = self._get_service(request.get("cluster", "default"), request["service"])
        if service.status != "ACTIVE":
            raise ECSException("ServiceNotActiveException", "Service was not ACTIVE.")
        wanted = request.get("taskDefinition") or service.primary.definition.arn
        definition = self.describe_task_definition(wanted)
        requests.check(self, request, definition)
        needed = requests.redeploys(service, request, definition)
        service.keep(request)
        if request.get("desiredCount") is not None:
            self.scale(service, int(request["desiredCount"]))
        requests.apply(service, request)
        if needed:
            self.deploy(service, definition)
        return service

    def scale(self, service: Service, count: int) -> None:
        """Ask for another number of tasks; no deployment."""
        if service.desired_count != count:
            service.desired_count = service.primary.desired_count = count
            service.steady = False

    def deploy(self, service: Service, definition: moto.TaskDefinition) -> None:
        """Make `definition` what the service runs; the scheduler does the rest."""
        if service.deployments:
            service.primary.status = "ACTIVE"
            requests.supersede(service)
        made = requests.deployment(self, service, definition)
        service.deployments.insert(0, made)
        if made.history is not None:
            service.history.insert(0, made.history)
        service.task_definition, service.steady = definition.arn, False

    def delete_service(self, cluster_name: str, service_name: str, force: bool) -> Service:
        service = self._get_service(cluster_name, service_name)
        if service.desired_count > 0 and not force:
            raise InvalidParameterException("The service cannot be stopped while it is scaled above 0.")
        if service.status == "ACTIVE":
            service.status = "DRAINING"
            self.scale(service, 0)
        return service

    def list_services(
        self, cluster_str: str, scheduling_strategy: str | None = None, launch_type: str | None = None
    ) -> list[str]:
        found = super().list_services(cluster_str, scheduling_strategy, launch_type)
        gone = {one.arn for one in self.services.values() if one.status == "INACTIVE"}
        return [arn for arn in found if arn not in gone]

    def delete_cluster(self, cluster_str: str) -> moto.Cluster:
        cluster = self._get_cluster(cluster_str)
        services = (one for one in self.services.values() if one.cluster_name == cluster.name)
        if any(one.status != "INACTIVE" for one in services):
            raise ECSException(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        if any(one.last_status != "STOPPED" for one in self.tasks.get(cluster.name, {}).values()):
            raise ECSException(
                "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active."
            )
        return super().delete_cluster(cluster_str)

    def launch(self, service: Service, deployment: Deployment) -> Task:
        """Start one task of a deployment."""
        tags = requests.propagated(service, deployment.definition)
        task = new_task(
            self,
            self.clusters[service.cluster_name],
            deployment.definition,
            deployment.network_configuration,
            group=f"service:{service.name}",
            started_by=deployment.id,
            launch_type=deployment.launch_type,
            capacity_provider_name=requests.provider(deployment.capacity_provider_strategy),
            tags=tags,
            balancers=deployment.balancers,
        )
        deployment.tasks.append(task)
        self._begin(task, service.tell)
        return task

    def run(self, request: Mapping[str, Any]) -> list[Task]:
        """`RunTask`."""
        cluster = self._get_cluster(request.get("cluster", "default"))
        definition = self.describe_task_definition(request["taskDefinition"])
        launch, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
        if not launch:
            strategy = strategy or cluster.default_capacity_provider_strategy
        provider = requests.provider(strategy)
        if (launch or provider) not in FARGATE:
            raise InvalidParameterException("No Container Instances were found in your cluster.")
        network = request.get("networkConfiguration")
        if definition.network_mode == "awsvpc" and not network:
            raise InvalidParameterException(requests.NO_NETWORK)
        facts = {
            "group": request.get("group") or f"family:{definition.family}",
            "started_by": request.get("startedBy") or "",
            "launch_type": launch or "FARGATE",
            "capacity_provider_name": provider,
            "overrides": request.get("overrides") or {},
            "tags": request.get("tags") or [],
        }
        made = [
            new_task(self, cluster, definition, network, **facts)
            for _ in range(int(request.get("count") or 1))
        ]
        for task in made:
            self._begin(task, lambda _: None)
        return made

    def stop_task(self, cluster_str: str, task_str: str, reason: str) -> Task:
        cluster = self._get_cluster(cluster_str)
        known = self.tasks.get(cluster.name, {})
        found = next((one for one in known.values() if task_str in (one.task_arn, one.id)), None)
        if found is None:
            raise InvalidParameterException("The referenced task was not found.")
        self.stop(found, "UserInitiated", reason or "Task stopped by user")
        return found

    def stop(self, task: Task, code: str, reason: str) -> None:
        """Stop a task; nothing happens when it stops already."""
        self.lives[task.task_arn].stop(code, reason)

    def describe_tasks(self, cluster_str: str, tasks: list[str]) -> list[Task]:
        if not tasks:
            raise InvalidParameterException("Tasks cannot be empty.")
        known = self.tasks.get(self._get_cluster(cluster_str).name, {})
        return [one for one in known.values() if one.task_arn in tasks or one.id in tasks]

    def list_tasks(
        self,
        cluster_str: str | None = None,
        container_instance: str | None = None,
        family: str | None = None,
        started_by: str | None = None,
        service_name: str | None = None,
        desiredStatus: str | None = None,  # noqa: N803
    ) -> list[Task]:
        cluster = self._get_cluster(cluster_str or "default")
        group = f"service:{service_name.rpartition('/')[2]}" if service_name else None
        return [
            one
            for one in self.tasks.get(cluster.name, {}).values()
            if one.desired_status == (desiredStatus or "RUNNING")
            and container_instance is None
            and (family is None or one.definition.family == family)
            and (started_by is None or one.started_by == started_by)
            and (group is None or one.group == group)
        ]

    def service_tasks(self, service: Service) -> Iterator[Task]:
        """All tasks of a service that AWS still remembers, of every deployment."""
        group = f"service:{service.name}"
        return (one for one in self.tasks.get(service.cluster_name, {}).values() if one.group == group)

    def _begin(self, task: Task, tell: Callable[[str], None]) -> None:
        cluster = re.split("/", task.cluster_arn)[-1]
        self.tasks.setdefault(cluster, {})[task.task_arn] = task
        self.lives[task.task_arn] = Life(task, self.engine, self.account_id, self.region_name, tell)
        self.lives[task.task_arn].start()
