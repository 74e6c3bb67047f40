"""DockerService: antgent on one developer's Docker engine.

Replacing a container leaves a gap of seconds: the published port belongs to one container at a time.
Environments that may not drop a request use the Kubernetes or the ECS runtime.
"""

from dataclasses import dataclass, field
from socket import create_connection
from typing import Any

import docker as docker_client
import pulumi
import pulumi_docker as docker
from docker.errors import DockerException
from pulumi import Input, ResourceOptions

from components.errors import ArgumentError
from components.rollout import Rollout
from components.service import HealthArgs, ServiceArgs, ServiceOutputs, WorkloadArgs

USER = "10001:10001"
STACK_LABEL = "antgent.stack"


@dataclass(frozen=True, kw_only=True)
class DockerServiceArgs:
    """What the Docker runtime needs beside the service."""

    service: ServiceArgs
    """What runs. No default."""
    stack: str
    """Labels the containers, so that a later run knows its own. No default."""
    host: str = "unix:///var/run/docker.sock"
    """The Docker engine that the provider in `opts` drives. Defaults to the machine's own socket."""
    publish_address: str = "127.0.0.1"
    """The host address the server is published on. Defaults to loopback."""
    publish_port: int = 8080
    """The host port the server is published on. Defaults to 8080."""
    restart: str = "unless-stopped"
    """Docker's restart policy. Defaults to `unless-stopped`."""
    labels: dict[str, str] = field(default_factory=dict)
    """Further labels of both containers. Defaults to none."""


class DockerService(pulumi.ComponentResource):
    """One network, one server and one worker container, and the verdict on them.

    Raises:
        ArgumentError: no Docker engine answers, or the port is another program's.
    """

    outputs: ServiceOutputs

    def __init__(self, name: str, args: DockerServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:docker:DockerService", name, None, opts)
        _check(args)
        self._name, self._args = name, args
        network = docker.Network(f"{name}-network", opts=ResourceOptions(parent=self))
        server = self._create_container("server", args.service.server, network, self._create_port())
        worker = self._create_container("worker", args.service.worker, network, None)
        verdict = self._create_rollout(server, worker)
        self.outputs = ServiceOutputs(
            url=pulumi.Output.format("http://{}:{}", args.publish_address, args.publish_port),
            image=pulumi.Output.from_input(args.service.image),
            revision=verdict.revision,
            logs=pulumi.Output.format("docker logs --follow {}", server.name),
        )
        self.register_outputs(vars(self.outputs))

    def _create_port(self) -> docker.ContainerPortArgs:
        args = self._args
        return docker.ContainerPortArgs(
            internal=args.service.server.port, external=args.publish_port, ip=args.publish_address
        )

    def _create_container(
        self,
        role: str,
        workload: WorkloadArgs,
        network: docker.Network,
        port: docker.ContainerPortArgs | None,
    ) -> docker.Container:
        args = self._args
        return docker.Container(
            f"{self._name}-{role}",
            image=args.service.image,
            command=list(workload.command),
            envs=_environment(args.service),
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[role])],
            hosts=[docker.ContainerHostArgs(host="host.docker.internal", ip="host-gateway")],
            ports=[port] if port else None,
            healthcheck=_healthcheck(workload.health),
            labels=_labels(args, role),
            restart=args.restart,
            # `up` must not wait or judge here: the provider's own wait hides reason and logs.
            wait=False,
            must_run=False,
            opts=ResourceOptions(parent=self, delete_before_replace=True, additional_secret_outputs=["envs"]),
            **_limits(workload),
            **_confinement(),
        )

    def _create_rollout(self, server: docker.Container, worker: docker.Container) -> Rollout:
        return Rollout(
            f"{self._name}-rollout",
            runtime="docker",
            revision=pulumi.Output.concat(server.id, "/", worker.id),
            target={
                "host": self._args.host,
                "image": self._args.service.image,
                "containers": {"server": server.id, "worker": worker.id},
            },
            deadline=self._args.service.deadline,
            opts=ResourceOptions(parent=self),
        )


def _environment(service: ServiceArgs) -> list[Input[str]]:
    """Sorted as the Docker provider reads them back, so that order alone is never a change."""
    plain = {key: pulumi.Output.concat(key, "=", value) for key, value in service.environment.items()}
    secret = {
        key: pulumi.Output.secret(pulumi.Output.concat(key, "=", value))
        for key, value in service.secrets.items()
    }
    return [value for _, value in sorted((plain | secret).items())]


def _healthcheck(health: HealthArgs) -> docker.ContainerHealthcheckArgs | None:
    if not health.command:
        return None
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *health.command],
        interval=f"{health.interval}s",
        timeout=f"{health.timeout}s",
        retries=health.retries,
        start_period=f"{health.start_period}s",
    )


def _labels(args: DockerServiceArgs, role: str) -> list[docker.ContainerLabelArgs]:
    labels = {STACK_LABEL: args.stack, "antgent.workload": role, "antgent.release": args.service.release}
    return [
        docker.ContainerLabelArgs(label=key, value=value)
        for key, value in sorted((args.labels | labels).items())
    ]


def _limits(workload: WorkloadArgs) -> dict[str, Any]:
    return {
        "memory": workload.memory,
        # Equal to `memory`: no swap. Unset, the provider computes it and shows a change at every `up`.
        "memory_swap": workload.memory,
        "cpus": f"{workload.cpu:g}",
        "stop_timeout": workload.stop_grace,
        "destroy_grace_seconds": workload.stop_grace,
        "log_driver": "json-file",
        "log_opts": {"max-file": "3", "max-size": "10m"},
    }


def _confinement() -> dict[str, Any]:
    return {
        "user": USER,
        "read_only": True,
        "tmpfs": {"/tmp": "rw,size=64m"},
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges:true"],
        "init": True,
    }


def _check(args: DockerServiceArgs) -> None:
    """Refuse what cannot work, before anything is registered."""
    for role, workload in (("server", args.service.server), ("worker", args.service.worker)):
        if workload.replicas != 1 or workload.max_replicas:
            pulumi.warn(f"{role}: the docker runtime runs one copy; replicas and autoscaling are not used")
    _check_port(args, ping(args.host))


def ping(host: str) -> docker_client.DockerClient:
    """A client of the Docker engine at `host`.

    Raises:
        ArgumentError: it does not answer; one line with the command that mends it.
    """
    try:
        client = docker_client.DockerClient(base_url=host, timeout=10)
        client.ping()
    except DockerException as error:
        raise ArgumentError(
            f"no Docker engine answers at {host}: this stack builds or runs containers, so even a "
            f"preview needs one\n  fix: start Docker, or `make up` for the sandbox's own"
        ) from error
    return client


def _check_port(args: DockerServiceArgs, client: docker_client.DockerClient) -> None:
    """The port must be free, or held by a container of this very stack."""
    try:
        create_connection((args.publish_address, args.publish_port), timeout=1).close()
    except OSError:
        return
    for container in client.containers.list(filters={"label": f"{STACK_LABEL}={args.stack}"}):
        for bindings in container.ports.values():
            if any(one["HostPort"] == str(args.publish_port) for one in bindings or []):
                return
    raise ArgumentError(
        f"port {args.publish_port} of {args.publish_address} is taken by another program\n"
        f"  fix: stop it, or choose another: "
        f"pulumi config set --path 'antgent:service.docker.publish.port' {args.publish_port + 1}"
    )
