"""Tasks as they begin: named, placed in a subnet, with their containers."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from moto.ec2.models import ec2_backends
from moto.ecs import models as moto

from sandbox.ecs.task_model import Container, Task

if TYPE_CHECKING:
    from sandbox.ecs.backend import EcsBackend


def new_task(
    backend: "EcsBackend",
    cluster: moto.Cluster,
    definition: moto.TaskDefinition,
    network: Mapping[str, Any] | None,
    **facts: Any,
) -> Task:
    """A task that has not begun; its subnets take turns.

    Args:
        network: AWS's `networkConfiguration`.
        facts: further members of the task.
    """
    base = f"arn:{backend.partition}:ecs:{backend.region_name}:{backend.account_id}"
    arn = f"{base}:task/{cluster.name}/{secrets.token_hex(16)}"
    container = f"{base}:container/{arn.partition('task/')[2]}"
    subnets: Sequence[str] = ((network or {}).get("awsvpcConfiguration") or {}).get("subnets") or []
    subnet = subnets[len(backend.lives) % len(subnets)] if subnets else ""
    parts = [Container(one, f"{container}/{uuid.uuid4()}", arn) for one in definition.container_definitions]
    task = Task(arn, cluster.arn, definition, parts, **facts)
    task.attachments = [_interface(subnet)] if subnet else []
    task.availability_zone = _zone(backend, subnet)
    return task


def _zone(backend: "EcsBackend", subnet: str) -> str:
    known = ec2_backends[backend.account_id][backend.region_name].subnets
    zones = [zone for zone, subnets in known.items() if subnet in subnets]
    return zones[0] if zones else f"{backend.region_name}a"


def _interface(subnet: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "type": "ElasticNetworkInterface",
        "status": "PRECREATED",
        "details": [{"name": "subnetId", "value": subnet}],
    }
