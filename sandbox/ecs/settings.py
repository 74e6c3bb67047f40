"""What the emulator is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Settings:
    """How the emulator runs.

    Args:
        docker_host: address of the Docker engine that runs the tasks.
        home: id of the sandbox; every container and volume carries it as a label.
        registry: `host:port` that answers for ECR. Defaults to none: ECR's names are pulled as they are.
        names: a JSON file, host name → address, for the hosts file of every task. Defaults to none.
        interval: seconds between two looks at services and tasks. Defaults to 0.3.
        settle: seconds that a task without any health check must run to count as healthy. Defaults to 3.
        bake: seconds that alarms are watched after the last old task was stopped. Defaults to 3.
    """

    docker_host: str
    home: str
    registry: str = ""
    names: Path | None = None
    interval: float = 0.3
    settle: float = 3.0
    bake: float = 3.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], home: str) -> "Settings | None":
        """None without `DOCKER_HOST`: then nothing can run tasks.

        Raises:
            SandboxError: a number is none.
        """
        if not environment.get("DOCKER_HOST"):
            return None
        names = environment.get("SANDBOX_NAMES")
        return cls(
            docker_host=environment["DOCKER_HOST"],
            home=home,
            registry=environment.get("SANDBOX_REGISTRY", ""),
            names=Path(names) if names else None,
            interval=_seconds(environment, "ANTGENT_ECS_INTERVAL", cls.interval),
            settle=_seconds(environment, "ANTGENT_ECS_SETTLE", cls.settle),
            bake=_seconds(environment, "ANTGENT_ECS_BAKE", cls.bake),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if value < 0:
        raise SandboxError(f"{name} is {text!r}, and must be a number of seconds", fix=f"unset {name}")
    return value
