"""The service contract's arguments, as every runtime takes them."""

from typing import TYPE_CHECKING, Any

from pulumi import Input

from components.service import HealthArgs, ServerArgs, ServiceArgs, WorkerArgs
from deployment.sections import required
from settings import Secret, Settings
from settings.workloads import Server, Worker

if TYPE_CHECKING:
    from components.image import BuiltImage
    from components.promoted_image import PromotedImage

NAME = "antgent"
PROBE = ("/opt/antgent/bin/antgent", "healthcheck")
"""The probe program of antgent's image (image/README.md); it needs neither shell nor curl."""


def service_args(stack: Settings, release: "BuiltImage | PromotedImage") -> ServiceArgs:
    """Both workloads of a stack, running `release`."""
    service = required(stack.service)
    health = service.server.health
    return ServiceArgs(
        image=release.reference,
        release=required(stack.image_tag),
        environment={"ANTGENT_SERVER__PORT": str(service.server.port), **service.environment},
        secrets={name: _secret(stack, secret) for name, secret in stack.secrets.items()},
        server=ServerArgs(
            **_size(service.server),
            command=service.server.command or ("server",),
            port=service.server.port,
            health=HealthArgs(
                command=health.command or (*PROBE, f"http://127.0.0.1:{service.server.port}{health.path}"),
                path=health.path,
                header=health.headers,
                interval=health.interval,
                timeout=health.timeout,
                retries=health.retries,
                start_period=health.start_period,
            ),
        ),
        worker=WorkerArgs(
            **_size(service.worker),
            command=service.worker.command or ("worker",),
            health=HealthArgs(
                command=service.worker.health_command or (*PROBE, "worker"),
                interval=health.interval,
                timeout=health.timeout,
                retries=health.retries,
                start_period=health.start_period,
            ),
        ),
        deadline=service.rollout.deadline,
    )


def _secret(stack: Settings, secret: Secret) -> Input[str]:
    """The reference where the runtime reads it by itself, else the value as a Pulumi secret."""
    if secret.kind == "aws" and required(stack.service).runtime == "kubernetes":
        from deployment.aws import secret_value

        return secret_value(stack, required(secret.reference))
    return secret.reference or secret.output()


def _size(workload: Server | Worker) -> dict[str, Any]:
    scaling = workload.autoscaling
    return {
        "replicas": scaling.min if scaling else workload.replicas,
        "max_replicas": scaling.max if scaling else None,
        "cpu_percent": scaling.cpu_percent if scaling else 70,
        "cpu": workload.cpu,
        "memory": workload.memory,
        "stop_grace": workload.stop_grace,
    }
