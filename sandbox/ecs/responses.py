"""ECS's front: the requests that moto's own one cuts short, with everything they say."""

from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import ecs_backends
from moto.ecs.responses import DESCRIBE_SERVICES_TAGS, DESCRIBE_TASKS_TAGS, EC2ContainerServiceResponse

from sandbox.ecs.backend import EcsBackend
from sandbox.ecs.model import LOCK, Service, ServiceDeployment


class EcsResponse(EC2ContainerServiceResponse):
    """One request; the scheduler waits meanwhile."""

    @property
    def ecs_backend(self) -> EcsBackend:
        found = ecs_backends[self.current_account][self.region]
        assert isinstance(found, EcsBackend)
        return found

    def call_action(self) -> Any:
        with LOCK:
            return super().call_action()

    def create_service(self) -> ActionResult:
        return ActionResult({"service": self._counted(self.ecs_backend.make_service(self._get_params()))})

    def update_service(self) -> ActionResult:
        return ActionResult({"service": self._counted(self.ecs_backend.change_service(self._get_params()))})

    def run_task(self) -> ActionResult:
        return ActionResult({"tasks": self.ecs_backend.run(self._get_params()), "failures": []})

    def describe_services(self) -> ActionResult:
        services, failures = self.ecs_backend.describe_services(
            self._get_param("cluster", "default"), self._get_param("services", [])
        )
        for one in services:
            one.count()
        self._tags(DESCRIBE_SERVICES_TAGS)
        return ActionResult({"services": services, "failures": failures})

    def describe_clusters(self) -> ActionResult:
        backend = self.ecs_backend
        for cluster in backend.clusters.values():
            tasks = backend.tasks.get(cluster.name, {}).values()
            services = [one for one in backend.services.values() if one.cluster_name == cluster.name]
            cluster.running_tasks_count = sum(one.running for one in tasks)
            cluster.pending_tasks_count = sum(one.live and not one.running for one in tasks)
            cluster.active_services_count = sum(one.status == "ACTIVE" for one in services)
        return super().describe_clusters()

    def describe_tasks(self) -> ActionResult:
        wanted = self._get_param("tasks", [])
        tasks = self.ecs_backend.describe_tasks(self._get_param("cluster", "default"), wanted)
        known = {name for one in tasks for name in (one.task_arn, one.id)}
        self._tags(DESCRIBE_TASKS_TAGS)
        failures = [{"arn": one, "reason": "MISSING"} for one in wanted if one not in known]
        return ActionResult({"tasks": tasks, "failures": failures})

    def list_service_deployments(self) -> ActionResult:
        service = self._service()
        wanted = self._get_param("status", [])
        found = [one for one in service.history if not wanted or one.status in wanted]
        return ActionResult({"serviceDeployments": found})

    def describe_service_deployments(self) -> ActionResult:
        wanted: list[str] = self._get_param("serviceDeploymentArns", [])
        if not wanted:
            raise InvalidParameterException("serviceDeploymentArns cannot be empty.")
        known: dict[str, ServiceDeployment] = {
            one.service_deployment_arn: one
            for service in self.ecs_backend.services.values()
            for one in service.history
        }
        failures = [{"arn": one, "reason": "MISSING"} for one in wanted if one not in known]
        found = [known[one] for one in wanted if one in known]
        return ActionResult({"serviceDeployments": found, "failures": failures})

    def _service(self) -> Service:
        backend, name = self.ecs_backend, self._get_param("service")
        return backend._get_service(self._get_param("cluster", "default"), name)

    def _counted(self, service: Service) -> Service:
        service.count()
        return service

    def _tags(self, path: str) -> None:
        if "TAGS" in self._get_param("include", []):
            self._include_in_response(path)
        else:
            self._exclude_from_response(path)
