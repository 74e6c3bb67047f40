"""What only one runtime understands, and the service that chooses between them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from settings.ecs import EcsOptions
from settings.kubernetes import KubernetesOptions
from settings.values import DockerHost, EnvName, IpAddress, Section, Setting
from settings.workloads import Rollout, Server, Worker


class Publish(Section):
    """Where the Docker runtime publishes the server."""

    address: IpAddress = "127.0.0.1"
    """Address on the Docker host. Defaults to loopback."""
    port: int = Field(default=8080, ge=1, le=65535)
    """Port on the Docker host. Defaults to 8080."""


class DockerOptions(Section):
    """Options of the Docker runtime: one developer's machine."""

    publish: Publish = Publish()
    """Where the server answers. Defaults to 127.0.0.1:8080."""
    host: DockerHost | None = None
    """The Docker engine. Defaults to DOCKER_HOST of the environment, else unix:///var/run/docker.sock."""
    restart: Literal["no", "on-failure", "unless-stopped", "always"] = "unless-stopped"
    """Docker's restart policy. Defaults to `unless-stopped`."""


class Service(Section):
    """What runs. The shared part means the same on every runtime; `runtime` chooses which one."""

    environment: dict[EnvName, Setting] = {}
    """Plain settings of both workloads by variable name, `__` nests. Defaults to none."""
    server: Server = Server()
    """The HTTP workload. Defaults to one copy of 0.5 vCPU and 1024 MiB."""
    worker: Worker = Worker()
    """The Temporal workload. Defaults to one copy of 0.5 vCPU and 1024 MiB."""
    rollout: Rollout = Rollout()
    """How long a release may take. Defaults to 300 seconds."""
    docker: DockerOptions = DockerOptions()
    """Options of the Docker runtime; checked, but not used by the others."""
    kubernetes: KubernetesOptions = KubernetesOptions()
    """Options of the Kubernetes runtime; checked, but not used by the others."""
    ecs: EcsOptions = EcsOptions()
    """Options of the ECS runtime; checked, but not used by the others."""

    secret_kinds: ClassVar[frozenset[str]]
    """Kinds of `Secret` this runtime can hand to a container."""


class DockerRuntime(Service):
    """Containers on a Docker engine."""

    runtime: Literal["docker"]
    """What runs the containers: `docker`, `kubernetes` or `ecs`. No default."""

    secret_kinds = frozenset({"value"})

    @property
    def options(self) -> DockerOptions:
        """The section of this runtime."""
        return self.docker


class KubernetesRuntime(Service):
    """Deployments on a Kubernetes cluster."""

    runtime: Literal["kubernetes"]
    """What runs the containers: `docker`, `kubernetes` or `ecs`. No default."""

    secret_kinds = frozenset({"value", "kubernetes", "aws"})

    @property
    def options(self) -> KubernetesOptions:
        """The section of this runtime."""
        return self.kubernetes


class EcsRuntime(Service):
    """Services on ECS Fargate."""

    runtime: Literal["ecs"]
    """What runs the containers: `docker`, `kubernetes` or `ecs`. No default."""

    secret_kinds = frozenset({"value", "aws"})

    @property
    def options(self) -> EcsOptions:
        """The section of this runtime."""
        return self.ecs


AnyService = Annotated[DockerRuntime | KubernetesRuntime | EcsRuntime, Field(discriminator="runtime")]
RUNTIMES: dict[str, type[Service]] = {
    "docker": DockerRuntime,
    "kubernetes": KubernetesRuntime,
    "ecs": EcsRuntime,
}
