"""ECS that acts: moto's ECS backend, extended so that tasks are containers on the sandbox's Docker.

README.md beside this file says which documented behaviour is emulated, and what is not.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.ecs.engine import Engine
    from sandbox.ecs.scheduler import Scheduler
    from sandbox.ecs.settings import Settings


@dataclass(frozen=True)
class Running:
    """The emulator, while it runs."""

    engine: "Engine"
    scheduler: "Scheduler"

    def stop(self) -> None:
        """End it with all its containers and volumes; a Docker engine that is gone has none left."""
        from docker.errors import DockerException

        self.scheduler.stop()
        try:
            self.engine.close()
        except (DockerException, OSError) as error:
            print(f"the containers of ECS tasks could not be removed: {error}", flush=True)


def install(settings: "Settings") -> Running:
    """Put the emulator in the place of moto's ECS, in this process, before its first request.

    What a killed predecessor left on the Docker engine is removed.

    Raises:
        DockerException: the engine does not answer.
    """
    from moto.ecs import urls
    from moto.ecs.models import ecs_backends

    from sandbox.ecs.backend import EcsBackend
    from sandbox.ecs.engine import Engine
    from sandbox.ecs.responses import EcsResponse
    from sandbox.ecs.scheduler import Scheduler

    engine = Engine(settings)
    engine.sweep()
    EcsBackend.engine = engine
    ecs_backends.backend = EcsBackend
    paths: Any = urls.url_paths
    paths["{0}/$"] = EcsResponse.dispatch
    scheduler = Scheduler(engine)
    scheduler.start()
    return Running(engine, scheduler)
