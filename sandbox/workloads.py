"""The containers that a stack of this sandbox runs, taken down with it."""

import contextlib

from docker.errors import APIError, NotFound

from sandbox import docker_engine, registry
from sandbox.paths import Home

LABEL = "antgent.workload"
TASK_LABEL = "antgent.sandbox"
"""Of containers and volumes of ECS tasks; its value is the sandbox's id."""


def remove(home: Home) -> int:
    """Remove the containers whose image came from this home's registry, their networks, and ECS tasks.

    The engine may be the user's own, so ending the sandbox does not end them by itself. The next `up`
    refreshes, misses them, and creates them anew. Returns how many there were.
    """
    engine, local = docker_engine.find_docker(home), registry.find_registry(home)
    if engine is None or local is None:
        return 0
    with contextlib.closing(engine.client()) as client:
        everything = client.containers.list(all=True, filters={"label": LABEL})
        mine = [one for one in everything if one.attrs["Config"]["Image"].startswith(f"{local.address}/")]
        task = {"label": f"{TASK_LABEL}={home.id}"}
        tasks = client.containers.list(all=True, filters=task)
        networks = {name for one in mine for name in one.attrs["NetworkSettings"]["Networks"]}
        for container in [*mine, *tasks]:
            with contextlib.suppress(NotFound):
                container.remove(force=True, v=True)
        for name in networks:
            with contextlib.suppress(NotFound):
                client.networks.get(name).remove()
        for volume in client.volumes.list(filters=task):
            with contextlib.suppress(APIError):
                volume.remove(force=True)
    return len(mine) + len(tasks)
