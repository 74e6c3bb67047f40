"""The one service contract: the same arguments and outputs for every runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi import Input

from components.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class HealthArgs:
    """How a runtime finds out that a workload is healthy."""

    command: Sequence[str] = ()
    """The probe a runtime without HTTP probes of its own executes in the container. Defaults to none."""
    path: str = "/"
    """The path an HTTP probe asks for; any 2xx or 3xx is healthy. Defaults to `/`."""
    header: Mapping[str, str] = field(default_factory=dict)
    """Headers an HTTP probe sends, for a server that wants a token. Defaults to none."""
    interval: int = 5
    """Seconds between two probes. Defaults to 5."""
    timeout: int = 3
    """Seconds one probe may take. Defaults to 3."""
    retries: int = 3
    """Failed probes in a row that make the workload unhealthy. Defaults to 3."""
    start_period: int = 60
    """Seconds a starting workload may fail its probes. Defaults to 60."""


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """The size and the shape of one workload."""

    command: Sequence[str]
    """Arguments to the image's entry point. No default: `server` and `worker` differ in it."""
    replicas: int = 1
    """Copies that run. Defaults to 1."""
    max_replicas: int | None = None
    """Upper bound when the runtime scales by itself, `replicas` then being the lower. Defaults to none."""
    cpu_percent: int = 70
    """CPU utilisation that scaling aims for, in percent. Defaults to 70."""
    cpu: float = 0.5
    """CPU limit of one copy, in vCPU. Defaults to 0.5."""
    memory: int = 512
    """Memory limit of one copy, in MiB. Defaults to 512."""
    stop_grace: int = 20
    """Seconds between SIGTERM and SIGKILL. Defaults to 20."""
    health: HealthArgs = field(default_factory=HealthArgs)
    """Its health check. Defaults to a GET of `/`."""


@dataclass(frozen=True, kw_only=True)
class ServerArgs(WorkloadArgs):
    """The workload that answers HTTP."""

    command: Sequence[str] = ("server",)
    """Arguments to the image's entry point. Defaults to `server`."""
    port: int = 8080
    """The container's port. Defaults to 8080."""


@dataclass(frozen=True, kw_only=True)
class WorkerArgs(WorkloadArgs):
    """The workload that polls Temporal and listens on nothing."""

    command: Sequence[str] = ("worker",)
    """Arguments to the image's entry point. Defaults to `worker`."""


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What runs: one image, two workloads.

    There is no way to give the workloads two images: a release moves both or none.
    """

    image: Input[str]
    """`repository@sha256:…`, never a tag. No default."""
    release: str
    """The release's tag, for labels. No default."""
    environment: Mapping[str, Input[str]] = field(default_factory=dict)
    """Plain settings by variable name (`ANTGENT_…`, `__` nests). Defaults to none."""
    secrets: Mapping[str, Input[str]] = field(default_factory=dict)
    """References by variable name, or Pulumi secrets on the Docker runtime. Defaults to none."""
    server: ServerArgs = field(default_factory=ServerArgs)
    """The HTTP workload. Defaults to one copy of 0.5 vCPU and 512 MiB."""
    worker: WorkerArgs = field(default_factory=WorkerArgs)
    """The Temporal workload. Defaults to one copy of 0.5 vCPU and 512 MiB."""
    deadline: int = 300
    """Seconds until the requested revision must run and be ready. Defaults to 300."""

    def __post_init__(self) -> None:
        both = self.environment.keys() & self.secrets.keys()
        if both:
            raise ArgumentError(
                f"{', '.join(sorted(both))}: both a plain setting and a secret; a variable has one source"
            )


@dataclass(frozen=True, kw_only=True)
class ServiceOutputs:
    """What every runtime gives back."""

    url: pulumi.Output[str]
    """Where the server answers."""
    image: pulumi.Output[str]
    """The digest reference that both workloads run, read after the verdict."""
    revision: pulumi.Output[str]
    """The runtime's own name of what runs."""
    logs: pulumi.Output[str]
    """The command that reads the logs."""
