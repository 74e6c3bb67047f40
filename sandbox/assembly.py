"""The sandbox as a whole: its parts started, stopped and described together."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox import base_image, cluster, docker_engine, registry, standins, temporal, workloads
from sandbox.engine import ensure_engine, find_engine
from sandbox.engine_env import engine_env
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.status import PartStatus

PROVIDERS = {"docker": ["docker"], "kubernetes": ["docker", "kubernetes"]}
"""Runtime → the providers its stacks need; every stack that builds needs Docker's."""


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    Args:
        home: where its state is.
        env: what `pulumi`, `docker` and the program need to find it.
    """

    home: Home
    env: dict[str, str]


def start(
    home: Home, runtime: str = "docker", *, context: str | None = None, pid: int | None = None
) -> Sandbox:
    """Start every part that is not running yet.

    Args:
        runtime: `docker` or `kubernetes`; the latter brings a cluster.
        context: a kubeconfig context to use instead of a cluster of our own. Defaults to our own.
        pid: a process whose end releases what checkouts share (tests). Defaults to none.

    Raises:
        SandboxError: a part cannot be had or does not come up; those already started stay, and the
            next start goes on from there.
    """
    _check_writable(home)
    engine = ensure_engine()
    env = {**os.environ, **engine_env(engine, home)}
    docker = docker_engine.ensure_docker(home, pid=pid)
    with ThreadPoolExecutor() as pool:
        local_registry = pool.submit(registry.ensure_registry, home, docker)
        local_temporal = pool.submit(temporal.ensure_temporal, home, docker)
        images = pool.submit(base_image.ensure_base_images, docker)
        attached = pool.submit(standins.ensure_providers, home, engine, env, PROVIDERS[runtime])
        env |= attached.result() | {
            "DOCKER_HOST": docker.host,
            "SANDBOX_REGISTRY": local_registry.result().address,
            "SANDBOX_TEMPORAL": local_temporal.result().address,
            "SANDBOX_BASE_IMAGE": images.result().runtime,
            "SANDBOX_BUILDER_IMAGE": images.result().builder,
        }
    if runtime == "kubernetes":
        if context is None:
            _cluster_mark(home).touch()
        env |= _cluster_env(home, env, context)
    return Sandbox(home, env)


def attach(home: Home) -> Sandbox:
    """A sandbox that runs already, with a cluster if it has one.

    Raises:
        SandboxError: a part of it is down.
    """
    down = [row.part for row in status(home) if row.health != "healthy"]
    if down:
        raise SandboxError(f"the sandbox is not up ({', '.join(down)})", fix="make up")
    return start(home, "kubernetes" if _cluster_mark(home).exists() else "docker")


def stop(home: Home, *, purge: bool = False) -> None:
    """End every part this home started; what another checkout still uses stays.

    Args:
        purge: remove the state too (Pulumi's backend, the registry's content, logs).
    """
    steps: list[Callable[[], object]] = [
        lambda: standins.stop_providers(home),
        lambda: _stop_cluster(home),
        lambda: workloads.remove(home),
        lambda: temporal.stop_temporal(home),
        lambda: registry.stop_registry(home),
        lambda: docker_engine.release_docker(home),
    ]
    problems = [problem for one in steps if (problem := _attempt(one))]
    if purge and not problems:
        problems += [problem for one in _removals(home) if (problem := _attempt(one))]
    if problems:
        raise SandboxError("not everything could be stopped:\n" + "\n".join(problems), fix="make doctor")


def status(home: Home) -> list[PartStatus]:
    """A row a part, also of those that are down."""
    return [
        _engine_status(),
        docker_engine.status(home),
        registry.status(home),
        temporal.status(home),
        *standins.status(home),
        *(cluster.status(home) if _cluster_mark(home).exists() else []),
    ]


def _cluster_env(home: Home, env: dict[str, str], context: str | None) -> dict[str, str]:
    services = {"temporal": env["SANDBOX_TEMPORAL"]}
    found = cluster.ensure_cluster(home, env["SANDBOX_REGISTRY"], services=services, context=context)
    path = f"{found.bin}{os.pathsep}{env['PATH']}" if found.bin else env["PATH"]
    return {"KUBECONFIG": str(found.kubeconfig), "PATH": path}


def _stop_cluster(home: Home) -> None:
    cluster.stop_cluster(home)
    _cluster_mark(home).unlink(missing_ok=True)


def _cluster_mark(home: Home) -> Path:
    """There once the home has had a cluster."""
    return home.root / "has-cluster"


def _engine_status() -> PartStatus:
    found = find_engine()
    if found is None:
        return PartStatus("pulumi")
    return PartStatus("pulumi", found.version, str(found.bin / "pulumi"), health="healthy")


def _attempt(action: Callable[[], object]) -> str:
    """Run it; the problem when there is one, so that one stuck part does not keep the others up."""
    try:
        action()
    except SandboxError as error:
        return str(error)
    return ""


def _removals(home: Home) -> list[Callable[[], object]]:
    return [lambda: cluster.purge(home), lambda: _remove(home)]


def _remove(home: Home) -> None:
    shutil.rmtree(home.root, ignore_errors=True)
    if home.root.exists():
        raise SandboxError(f"{home.root} could not be removed", fix=f"rm -rf {home.root}")


def _check_writable(home: Home) -> None:
    try:
        home.folder("logs")
        probe = home.root / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise SandboxError(
            f"the sandbox cannot write to {home.root}: {error.strerror}",
            fix="make the folder writable, or export ANTGENT_SANDBOX_HOME=<a folder that is>",
        ) from error
