"""The registry as a container, for a machine that can pull images but has no Debian packages."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from docker.errors import APIError, DockerException, NotFound

from sandbox.docker_engine import DockerEngine
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.process import wait_until

IMAGE = "registry:2.8.3"
READY_SECONDS = 30


def marker(home: Home) -> Path:
    """The file that exists while the home's registry is a container."""
    return home.folder("registry") / "container"


def start(docker: DockerEngine, home: Home, port: int, ready: Callable[[], bool]) -> None:
    """Run the `registry` image on loopback `port`, storing in the home; waits until `ready`.

    Raises SandboxError when the image cannot be had or the container does not come up.
    """
    storage = home.folder("registry") / "data"
    storage.mkdir(exist_ok=True, mode=0o700)
    marker(home).touch()
    try:
        with contextlib.closing(docker.client(timeout=300)) as client:
            one = client.containers.run(
                IMAGE,
                name=_name(home),
                detach=True,
                user=f"{os.getuid()}:{os.getgid()}",
                ports={"5000/tcp": ("127.0.0.1", port)},
                volumes={str(storage): {"bind": "/var/lib/registry", "mode": "rw"}},
                environment={"REGISTRY_STORAGE_DELETE_ENABLED": "true", "OTEL_TRACES_EXPORTER": "none"},
                restart_policy={"Name": "unless-stopped"},
                labels={"antgent.sandbox": home.id},
            )
            if not wait_until(ready, seconds=READY_SECONDS, every=0.3):
                raise SandboxError(f"the registry container does not answer:\n{one.logs(tail=10).decode()}")
    except (APIError, DockerException) as error:
        remove(docker, home)
        why = getattr(error, "explanation", None) or error
        raise SandboxError(
            f"the registry runs neither as a package nor as `{IMAGE}`: {why}",
            fix=f"docker pull {IMAGE}, or install Debian's docker-registry",
        ) from error
    except BaseException:
        remove(docker, home)
        raise


def remove(docker: DockerEngine | None, home: Home) -> bool:
    """Remove the home's registry container; returns whether there was one."""
    if docker is None:
        return False
    with contextlib.closing(docker.client()) as client:
        try:
            client.containers.get(_name(home)).remove(force=True)
        except NotFound:
            return False
        finally:
            marker(home).unlink(missing_ok=True)
    return True


def _name(home: Home) -> str:
    return f"antgent-registry-{home.id}"
