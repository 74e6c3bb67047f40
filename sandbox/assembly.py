"""The sandbox as a whole: its parts started, stopped and described together."""

import json
import os
import shutil
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import certifi

from sandbox import (
    aws,
    base_image,
    cloud_seed,
    cluster,
    docker_engine,
    registry,
    standins,
    temporal,
    workloads,
)
from sandbox.base_image import BaseImages
from sandbox.console import say
from sandbox.docker_engine import DockerEngine
from sandbox.engine import ensure_engine, find_engine
from sandbox.engine_env import engine_env
from sandbox.errors import SandboxError
from sandbox.paths import Home
from sandbox.stack_names import Named
from sandbox.status import PartStatus

PROVIDERS = {"docker": ["docker"], "kubernetes": ["docker", "kubernetes"], "ecs": ["docker", "aws"]}
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
    home: Home,
    runtime: str = "docker",
    *,
    with_aws: bool = False,
    named: Named | None = None,
    context: str | None = None,
    pid: int | None = None,
) -> Sandbox:
    """Start every part that is not running yet.

    Args:
        runtime: `docker`, `kubernetes` (brings a cluster) or `ecs` (brings the AWS API).
        with_aws: bring the AWS API with another runtime too: a stack owns an ECR registry.
        named: what AWS, the cluster and Temporal must have because stack files name it. Defaults to
            nothing.
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
    env |= _services_env(home, docker)
    names = temporal.ensure_hosts(home, docker, named.hosts if named else [])
    if with_aws or runtime == "ecs":
        env |= _aws_env(home, env, names, named or Named())
    if runtime == "kubernetes":
        env |= _cluster_env(home, env, context, names, named or Named())
    wanted = dict.fromkeys([*PROVIDERS[runtime], *(["aws"] if with_aws else [])])
    return Sandbox(home, env | standins.ensure_providers(home, engine, env, list(wanted)))


def attach(home: Home, named: Named | None = None) -> Sandbox:
    """A sandbox that runs already, with a cluster and an AWS API if it has them.

    Args:
        named: as for `start`.

    Raises:
        SandboxError: a part of it is down.
    """
    down = [row.part for row in status(home) if row.health != "healthy"]
    if down:
        raise SandboxError(f"the sandbox is not up ({', '.join(down)})", fix="make up")
    runtime = "kubernetes" if _mark(home, "cluster").exists() else "docker"
    with_aws = _mark(home, "aws").exists()
    return start(home, runtime, with_aws=with_aws, named=named if with_aws else None)


def stop(home: Home, *, purge: bool = False) -> None:
    """End every part this home started; what another checkout still uses stays.

    Args:
        purge: remove the state too (Pulumi's backend, the registry's content, logs).
    """
    steps: list[Callable[[], object]] = [
        lambda: standins.stop_providers(home),
        lambda: _stop_aws(home),
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
        *([aws.status(home)] if _mark(home, "aws").exists() else []),
        *(cluster.status(home) if _mark(home, "cluster").exists() else []),
    ]


def _services_env(home: Home, docker: DockerEngine) -> dict[str, str]:
    """Registry, Temporal and base images, started together."""
    with ThreadPoolExecutor() as pool:
        local_registry = pool.submit(registry.ensure_registry, home, docker)
        local_temporal = pool.submit(temporal.ensure_temporal, home, docker)
        images = pool.submit(base_image.ensure_base_images, docker)
        return {
            "DOCKER_HOST": docker.host,
            "SANDBOX_REGISTRY": local_registry.result().address,
            "SANDBOX_TEMPORAL": local_temporal.result().address,
            "SANDBOX_BASE_IMAGE": images.result().runtime,
            "SANDBOX_BUILDER_IMAGE": images.result().builder,
            "SANDBOX_BUILD_DEFAULTS": _build_defaults(images.result()),
        }


def _build_defaults(images: BaseImages) -> str:
    """What a stack file need not say of this machine: the Dockerfile's bases, where they cannot be pulled."""
    official = base_image.official_image()
    if images == BaseImages(official, official):
        return ""
    args = {"BASE_IMAGE": images.runtime, "BUILDER_IMAGE": images.builder}
    return json.dumps({"args": args, "network": "host"})


def _aws_env(home: Home, env: dict[str, str], names: dict[str, str], named: Named) -> dict[str, str]:
    _mark(home, "aws").touch()
    # Apart from what other stacks push there: an account's registry is nobody else's.
    registry_of_account = {"SANDBOX_ECR": f"{env['SANDBOX_REGISTRY']}/ecr"}
    seed, hosts = home.folder("aws") / "seed.json", home.folder("aws") / "names.json"
    hosts.write_text(json.dumps(names))
    changed = cloud_seed.write(seed, named)
    settings = {
        cloud_seed.VARIABLE: str(seed),
        "SANDBOX_NAMES": str(hosts),
        "SANDBOX_REGISTRY": registry_of_account["SANDBOX_ECR"],
        "DOCKER_HOST": env["DOCKER_HOST"],
    }
    api = aws.ensure_aws(home, settings)
    if changed:
        aws.reload(home)
    _tell_this_machine(home, names)
    regions = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), named.region) if named.region else {}
    return registry_of_account | api.env | regions | _trust_env(home)


def _tell_this_machine(home: Home, names: dict[str, str]) -> None:
    """Let this machine resolve the names, too: who deploys asks Temporal for the worker's pollers."""
    from sandbox.balancer import names as hosts_file  # with all of moto

    try:
        hosts_file.write(names, f"names {home.id}")
    except OSError as error:
        say(
            f"  the hosts file cannot be written ({error.strerror}), so only containers know {', '.join(names)}"
        )


def _trust_env(home: Home) -> dict[str, str]:
    """Trust the load balancers' certificates, beside those that are trusted anyway."""
    authority, bundle = home.root / "balancer" / "ca.pem", home.folder("aws") / "trusted.pem"
    if not authority.exists():
        return {}
    usual = os.environ.get("SSL_CERT_FILE", "")
    if usual in ("", str(bundle)):
        usual = ssl.get_default_verify_paths().cafile or certifi.where()
    bundle.write_text(Path(usual).read_text().rstrip() + "\n" + authority.read_text())
    return {"SSL_CERT_FILE": str(bundle)}


def _stop_aws(home: Home) -> None:
    """End the API, and what a killed one left: the load balancer with its names, and tasks."""
    aws.stop_aws(home)
    if _mark(home, "aws").exists():
        from sandbox import balancer  # with all of moto

        balancer.clean(home.folder("balancer"))
        _tell_this_machine(home, {})
    _mark(home, "aws").unlink(missing_ok=True)


def _cluster_env(
    home: Home, env: dict[str, str], context: str | None, names: dict[str, str], named: Named
) -> dict[str, str]:
    if context is None:
        _mark(home, "cluster").touch()
    found = cluster.ensure_cluster(
        home,
        env["SANDBOX_REGISTRY"],
        services={"temporal": env["SANDBOX_TEMPORAL"]},
        names=names,
        contexts=named.contexts,
        context=context,
    )
    path = f"{found.bin}{os.pathsep}{env['PATH']}" if found.bin else env["PATH"]
    return {"KUBECONFIG": str(found.kubeconfig), "PATH": path}


def _stop_cluster(home: Home) -> None:
    cluster.stop_cluster(home)
    _mark(home, "cluster").unlink(missing_ok=True)


def _mark(home: Home, part: str) -> Path:
    """There while the home has a `cluster`, or an `aws`."""
    return home.root / f"has-{part}"


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
