"""`aws:ecs/taskDefinition`: what one task runs. Every change is a new revision."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

import json
from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props
from sandbox.providers.values import UNKNOWN

# What AWS adds to a container that says nothing of it.
_ADDED: Props = {
    "environment": [], "essential": True, "mountPoints": [], "systemControls": [], "volumesFrom": [],
}  # fmt: skip
_STRINGS = (
    "cpu", "enableFaultInjection", "executionRoleArn", "ipcMode", "memory", "networkMode", "pidMode",
    "taskRoleArn", "runtimePlatform", "requiresCompatibilities", "placementConstraints", "ephemeralStorage",
)  # fmt: skip


class TaskDefinition(AwsResource):
    """A family's revision; containers come back compact, sorted, with AWS's additions."""

    token = "aws:ecs/taskDefinition:TaskDefinition"
    args = "pulumi_aws.ecs:TaskDefinitionArgs"
    service, label, tagging, meta = "ecs", "ECS Task Definition", "ecs", '{"schema_version":"1"}'
    block = Block(
        absent={
            **computed("arn arnWithoutRevision revision networkMode enableFaultInjection region"),
            **nothing("containerDefinitions cpu ephemeralStorage executionRoleArn family ipcMode memory pidMode"),
            **nothing("proxyConfiguration runtimePlatform taskRoleArn"),
            **nothing("placementConstraints requiresCompatibilities volumes", []),
            "skipDestroy": False, "trackLatest": False, **TAGS,
        },
        defaults={"skipDestroy": False, "trackLatest": False},
        replaces=words(
            "containerDefinitions cpu enableFaultInjection ephemeralStorage executionRoleArn family ipcMode "
            "memory networkMode pidMode placementConstraints proxyConfiguration requiresCompatibilities "
            "runtimePlatform taskRoleArn volumes region"
        ),
        sets=words("placementConstraints requiresCompatibilities volumes"),
        unsupported=words("proxyConfiguration"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        if found := document_problem(inputs, "containerDefinitions"):
            return found
        text = inputs["containerDefinitions"]
        if text == UNKNOWN:
            return {}
        containers = json.loads(text)
        if not isinstance(containers, list):
            return {"containerDefinitions": "must be a JSON list of containers"}
        return _container_problems(containers)

    def make(self, aws: AwsClients, inputs: Props) -> str:
        wanted = {name: inputs[name] for name in _STRINGS if name in inputs}
        if "volumes" in inputs:
            wanted["volumes"] = [_volume(one) for one in inputs["volumes"]]
        if "ephemeralStorage" in wanted:
            wanted["ephemeralStorage"] = {"sizeInGiB": wanted["ephemeralStorage"]["sizeInGib"]}
        tags = pairs(inputs.get("tagsAll"), "key", "value")
        aws.of("ecs").register_task_definition(
            family=inputs["family"],
            containerDefinitions=json.loads(inputs["containerDefinitions"]),
            **({"tags": tags} if tags else {}),
            **wanted,
        )
        return inputs["family"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        """Only tags change in place."""

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        # After a create, the newest; later, the one that state knows.
        wanted = inputs.get("arn") or id
        answer = aws.of("ecs").describe_task_definition(taskDefinition=wanted, include=["TAGS"])
        found = answer["taskDefinition"]
        if found["status"] == "INACTIVE":
            return None
        storage = found.get("ephemeralStorage")
        return {
            "arn": found["taskDefinitionArn"],
            "arnWithoutRevision": found["taskDefinitionArn"].rpartition(":")[0],
            "containerDefinitions": normal(found["containerDefinitions"]),
            "cpu": found.get("cpu"),
            "enableFaultInjection": found.get("enableFaultInjection", False),
            "ephemeralStorage": {"sizeInGib": storage["sizeInGiB"]} if storage else None,
            "executionRoleArn": found.get("executionRoleArn") or "",
            "family": found["family"],
            "inferenceAccelerators": [],
            "ipcMode": found.get("ipcMode") or "",
            "memory": found.get("memory"),
            "networkMode": found.get("networkMode") or "",
            "pidMode": found.get("pidMode") or "",
            "placementConstraints": found.get("placementConstraints") or [],
            "requiresCompatibilities": sorted(found.get("requiresCompatibilities") or []),
            "revision": found["revision"],
            "runtimePlatform": found.get("runtimePlatform") or inputs.get("runtimePlatform"),
            "tagsAll": mapped(answer.get("tags"), "key", "value"),
            "taskRoleArn": found.get("taskRoleArn") or "",
            "volumes": inputs.get("volumes", []),
        }

    def update(self, call: Any, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:
        arn = old_outputs.get("arn")
        return super().update(call, id, old_inputs, old_outputs, {**new, **({"arn": arn} if arn else {})})

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        if not inputs.get("skipDestroy"):
            aws.of("ecs").deregister_task_definition(taskDefinition=outputs["arn"])


def normal(containers: list[Props]) -> str:
    """Containers as the official plugin shows what AWS gives back: its empty lists added, no CPU of 0."""
    return compact([_normal({**_ADDED, **_without_nulls(one)}) for one in containers])


def _normal(container: Props) -> Props:
    return {name: value for name, value in container.items() if (name, value) != ("cpu", 0)}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _volume(one: Props) -> Props:
    wanted = {name: value for name, value in one.items() if name != "hostPath"}
    return wanted | ({"host": {"sourcePath": one["hostPath"]}} if one.get("hostPath") else {})


def _container_problems(containers: list[Props]) -> dict[str, str]:
    """Names that AWS does not know, found by its own description of the call."""
    from botocore.session import Session
    from botocore.validate import ParamValidator

    model = Session().get_service_model("ecs").shape_for("ContainerDefinitions")
    report = ParamValidator().validate(containers, model)
    return {"containerDefinitions": report.generate_report()} if report.has_errors() else {}
