"""What every runtime shares: the two workloads, their sizes and their health."""

from typing import Annotated

from pydantic import Field

from settings.values import HeaderName, HttpPath, Section, Some, Word

Replicas = Annotated[int, Field(ge=1, le=100)]


class Autoscaling(Section):
    """How many copies run when the runtime decides. The Docker runtime does not scale: it runs `min`."""

    min: Replicas = 2
    """Copies that always run. Defaults to 2."""
    max: Replicas = 4
    """Copies that run at most. Defaults to 4."""
    cpu_percent: int = Field(default=70, ge=10, le=95)
    """CPU utilisation the runtime aims for, in percent of `cpu`. Defaults to 70."""


class Health(Section):
    """How a runtime finds out that the server is ready, and that it still is."""

    path: HttpPath = "/metrics"
    """Path of the probe; `/metrics` answers without the server's token. Defaults to `/metrics`."""
    command: Some[Word] | None = None
    """The probe as a command in the container, for Docker. Defaults to antgent's own on `path`."""
    headers: dict[HeaderName, Word] = {}
    """Headers of the probe, in plain text, so never a token; load balancers send none. Defaults to none."""
    interval: int = Field(default=10, ge=1, le=300)
    """Seconds between two probes. Defaults to 10."""
    timeout: int = Field(default=5, ge=1, le=120)
    """Seconds a probe may take, at most `interval`. Defaults to 5."""
    retries: int = Field(default=3, ge=1, le=10)
    """Failed probes in a row that make a copy unhealthy. Defaults to 3."""
    start_period: int = Field(default=60, ge=0, le=600)
    """Seconds a starting copy may fail its probes; antgent needs about 5 with a whole CPU. Defaults to 60."""


class Workload(Section):
    """The size of one workload."""

    autoscaling: Autoscaling | None = None
    """Let the runtime choose the number of copies; excludes `replicas`. Defaults to a fixed number."""
    cpu: float = Field(default=0.5, ge=0.05, le=64)
    """CPU of one copy, in vCPU. Fargate offers 0.25, 0.5, 1, 2, 4, 8, 16. Defaults to 0.5."""
    memory: int = Field(default=1024, ge=16, le=262144)
    """Memory of one copy, in MiB. antgent is OOM-killed at 128, tight at 256 and sane at 512; the lower bound
    leaves room for small test programs, Kubernetes needs 64. Defaults to 1024, Fargate's least for 0.5 vCPU."""
    stop_grace: int = Field(default=30, ge=2, le=120)
    """Seconds between SIGTERM and SIGKILL, 120 at most (Fargate's limit). Defaults to 30."""
    command: Some[Word] | None = None
    """Arguments to the image's entry point. Defaults to the workload's own name."""


class Server(Workload):
    """The workload that answers HTTP."""

    replicas: Replicas = 1
    """Copies that run; excludes `autoscaling`. Defaults to 1."""
    port: int = Field(default=8080, ge=1024, le=65535)
    """The container's port; the process is not root, so 1024 at least. Defaults to 8080."""
    health: Health = Health()
    """The health check. Defaults to a GET of `/metrics` every 10 seconds."""


class Worker(Workload):
    """The workload that polls Temporal and listens on nothing."""

    replicas: int = Field(default=1, ge=0, le=100)
    """Copies that run, 0 for none; excludes `autoscaling`. Defaults to 1."""
    health_command: Some[Word] | None = None
    """The probe as a command in the container. Defaults to antgent's own: is Temporal connected?"""


class Rollout(Section):
    """How long a release may take."""

    deadline: int = Field(default=300, ge=10, le=3600)
    """Seconds until the requested revision must run and be ready, else `up` fails. Defaults to 300."""
    pollers: bool = True
    """On ECS, wait until the worker is seen polling the task queues of `verify.worker`; set it to false where
    the deployer cannot reach Temporal. Defaults to true."""
