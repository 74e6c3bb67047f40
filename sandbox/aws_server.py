"""The process behind the sandbox's AWS API: moto's server, with an ECS and a load balancer that act.

Reads from its environment: `DOCKER_HOST`, `SANDBOX_REGISTRY` and `SANDBOX_NAMES` (`sandbox/ecs`), and
what is to be planted in it (`cloud_seed`). Without `DOCKER_HOST` it is plain moto: services are kept,
and no task runs.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from docker.errors import DockerException
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from sandbox import cloud_seed, ecs
from sandbox.ecs import targets
from sandbox.ecs.settings import Settings
from sandbox.errors import SandboxError
from sandbox.paths import Home

NO_DOCKER = "no DOCKER_HOST: services are kept as moto keeps them, and no task runs"


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; every container is gone when it returns."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws_server", description=__doc__)
    parser.add_argument("-H", "--host", default="127.0.0.1", help="address to listen on, default %(default)s")
    parser.add_argument("-p", "--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--home", type=Path, help="the sandbox's folder, default as for `python -m sandbox`")
    wanted = parser.parse_args(arguments)
    home = Home(wanted.home.resolve()) if wanted.home else Home.default()
    os.environ.setdefault("MOTO_PORT", str(wanted.port))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    cloud_seed.plant_now_and_when_told(os.environ)
    application = DomainDispatcherApplication(create_backend_app)
    # Before anything is started: it ends the process where the port is taken.
    server = make_server(
        wanted.host, wanted.port, application, threaded=True, request_handler=MotoRequestHandler
    )
    try:
        acting = start_acting(home)
    except (DockerException, SandboxError, OSError) as error:
        print(f"the AWS API cannot run tasks: {error}\n  fix: make doctor", file=sys.stderr, flush=True)
        return 1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended.wait()
    server.shutdown()
    stop_acting(acting)
    return 0


def start_acting(home: Home) -> ecs.Running | None:
    """Start the ECS emulator and the load balancer; None without a Docker engine.

    Raises:
        DockerException: the engine does not answer.
        SandboxError: a setting is wrong.
    """
    settings = Settings.from_environment(os.environ, home.id)
    if settings is None:
        print(NO_DOCKER, flush=True)
        return None
    running = ecs.install(settings)
    from sandbox import balancer

    balancer.start(home.folder("balancer"))
    targets.use(lambda group, address, port: _stated(*balancer.health(group, address, port)))
    return running


def stop_acting(running: ecs.Running | None) -> None:
    """End both, the load balancer first: nobody is to be sent to tasks that go."""
    if running is None:
        return
    from sandbox import balancer

    targets.use(None)
    balancer.stop()
    running.stop()


def _stated(state: str, reason: str | None) -> tuple[str, str]:
    return state, reason or ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
