"""A container of a task definition as arguments for the Docker engine. Pure functions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docker.types import Mount, Ulimit

NANO = 1_000_000_000
LABEL = "antgent.sandbox"
"""Carries the sandbox's id; who starts next removes what a killed predecessor left."""
MIB = 1024 * 1024
DEFAULT_STOP, MOST_STOP = 30, 120
NOT_DONE = {
    "environmentFiles": "environment files", "firelensConfiguration": "FireLens", "dependsOn": "dependsOn",
    "resourceRequirements": "GPUs and accelerators", "restartPolicy": "restart policies",
    "volumesFrom": "volumesFrom", "credentialSpecs": "credential specs", "links": "links",
    "extraHosts": "extraHosts, which awsvpc tasks cannot have", "privileged": "privileged containers",
}  # fmt: skip


class UnsupportedError(Exception):
    """The task definition asks for what this emulator does not do."""


def check(containers: Sequence[Mapping[str, Any]], volumes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what would otherwise be left out silently.

    Raises:
        UnsupportedError: with the names of all of it.
    """
    found = {
        what
        for one in containers
        for name, what in NOT_DONE.items()
        if one.get(name) not in (None, [], False)
    }
    drivers = {one["logConfiguration"]["logDriver"] for one in containers if one.get("logConfiguration")}
    found |= {f"the log driver {one}" for one in drivers - {"awslogs"}}
    kinds = {
        name for one in volumes for name, value in one.items() if value and name.endswith("Configuration")
    }
    found |= {f"volumes with {one}" for one in kinds}
    if found:
        raise UnsupportedError("the sandbox's ECS does not do " + ", ".join(sorted(found)))


def options(
    definition: Mapping[str, Any],
    *,
    override: Mapping[str, Any],
    environment: Mapping[str, str],
    cpu: str | None,
    memory: str | None,
    processors: int,
) -> dict[str, Any]:
    """Arguments for `containers.create`, without image, name, network and mounts.

    Args:
        override: of `RunTask`, for this container.
        environment: what is added: secrets and AWS's own variables.
        cpu: the task's, in units of 1/1024 of a processor.
        memory: the task's, in MiB.
        processors: how many the machine has; Docker refuses more.
    """
    limit = int(override.get("memory") or definition.get("memory") or memory or 0) * MIB
    wanted: dict[str, Any] = {
        "command": override.get("command") or definition.get("command"),
        "entrypoint": definition.get("entryPoint"),
        "environment": variables(definition, override) | dict(environment),
        "user": definition.get("user"),
        "working_dir": definition.get("workingDirectory"),
        "read_only": bool(definition.get("readonlyRootFilesystem")),
        "healthcheck": health_check(definition.get("healthCheck")),
        "mem_limit": limit or None,
        # No swap beside it: Fargate has none, and a container that needs too much must be killed.
        "memswap_limit": limit or None,
        "nano_cpus": nano_cpus(cpu, definition, processors),
        **_linux(definition),
    }
    return {name: value for name, value in wanted.items() if value not in (None, [], {})}


def _linux(definition: Mapping[str, Any]) -> dict[str, Any]:
    linux = definition.get("linuxParameters") or {}
    capabilities = linux.get("capabilities") or {}
    return {
        "init": bool(linux.get("initProcessEnabled")),
        "cap_add": capabilities.get("add"),
        "cap_drop": capabilities.get("drop"),
        "tmpfs": tmpfs(linux.get("tmpfs") or []),
        "sysctls": {one["namespace"]: one["value"] for one in definition.get("systemControls") or []},
        "ulimits": [
            Ulimit(name=one["name"], soft=one["softLimit"], hard=one["hardLimit"])
            for one in definition.get("ulimits") or []
        ],
    }


def nano_cpus(cpu: str | None, definition: Mapping[str, Any], processors: int) -> int | None:
    """The limit of a container: the task's, but no more than the machine has."""
    units = float(cpu or definition.get("cpu") or 0)
    return int(min(units / 1024, processors) * NANO) if units else None


def variables(definition: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, str]:
    """The plain ones; what `RunTask` overrides wins."""
    both = [*(definition.get("environment") or []), *(override.get("environment") or [])]
    return {one["name"]: one["value"] for one in both}


def health_check(wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """As Docker takes it, in nanoseconds; with AWS's defaults. None leaves the image's own out, as ECS does."""
    if not wanted:
        return {"test": ["NONE"]}
    command = list(wanted["command"])
    if command and command[0] not in ("CMD", "CMD-SHELL", "NONE"):
        command = ["CMD-SHELL", " ".join(command)]
    return {
        "test": command,
        "interval": int(wanted.get("interval") or 30) * NANO,
        "timeout": int(wanted.get("timeout") or 5) * NANO,
        "retries": int(wanted.get("retries") or 3),
        "start_period": int(wanted.get("startPeriod") or 0) * NANO,
    }


def tmpfs(wanted: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Path → options."""
    return {
        one["containerPath"]: ",".join([f"size={one['size']}m", *(one.get("mountOptions") or [])])
        for one in wanted
    }


def mounts(definition: Mapping[str, Any], volumes: Mapping[str, str], declared: Sequence[str]) -> list[Mount]:
    """The task's volumes in this container.

    Args:
        volumes: the task definition's name of a volume → Docker's, or an absolute host path.
        declared: the paths that the image declares with VOLUME; only there does a new volume start
            with the image's files and owner. Elsewhere it is empty and root's, as on Fargate.
    """
    found = []
    for point in definition.get("mountPoints") or []:
        source, target = volumes[point["sourceVolume"]], point["containerPath"]
        kind = "bind" if source.startswith("/") else "volume"
        more = {"no_copy": target not in declared} if kind == "volume" else {}
        found.append(Mount(target, source, type=kind, read_only=bool(point.get("readOnly")), **more))
    return found


def stop_seconds(definition: Mapping[str, Any]) -> int:
    """From SIGTERM to SIGKILL: 30 by default, 120 at most, as on Fargate."""
    wanted = definition.get("stopTimeout")
    return min(DEFAULT_STOP if wanted is None else int(wanted), MOST_STOP)


def labels(
    definition: Mapping[str, Any], *, home: str, cluster: str, task: str, family: str, revision: int
) -> dict[str, str]:
    """The task definition's own, those that the ECS agent sets, and the sandbox's."""
    prefix = "com.amazonaws.ecs"
    return {
        **(definition.get("dockerLabels") or {}),
        f"{prefix}.cluster": cluster,
        f"{prefix}.container-name": definition["name"],
        f"{prefix}.task-arn": task,
        f"{prefix}.task-definition-family": family,
        f"{prefix}.task-definition-version": str(revision),
        LABEL: home,
    }


def hosts(names: Path | None) -> dict[str, str]:
    """Host name → address for the hosts file of every task; none where the file is missing.

    Raises:
        UnsupportedError: the file is no JSON object of names.
    """
    if names is None or not names.exists():
        return {}
    try:
        found = json.loads(names.read_text())
        return {str(name): str(address) for name, address in found.items()}
    except (ValueError, AttributeError) as error:
        raise UnsupportedError(f"{names} is no JSON object of host names and addresses") from error
