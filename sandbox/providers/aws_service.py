"""`aws:ecs/service`: a number of tasks kept running."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

# What create and update take under the same name.
_SAME = (
    "availabilityZoneRebalancing", "desiredCount", "enableExecuteCommand", "healthCheckGracePeriodSeconds",
    "loadBalancers", "placementConstraints", "platformVersion", "serviceConnectConfiguration",
    "taskDefinition", "volumeConfiguration",
)  # fmt: skip
_RENAMED = {
    "capacityProviderStrategies": "capacityProviderStrategy",
    "enableEcsManagedTags": "enableECSManagedTags",
    "orderedPlacementStrategies": "placementStrategy",
    "vpcLatticeConfigurations": "vpcLatticeConfigurations",
}
_NO_BREAKER = {"enable": False, "rollback": False}


class Service(AwsResource):
    """A number of tasks kept running; it never waits for them (the program's Rollout does)."""

    token = "aws:ecs/service:Service"
    args = "pulumi_aws.ecs:ServiceArgs"
    service, label, tagging, autoname, meta = "ecs", "ECS Service", "ecs", True, "{}"
    block = Block(
        absent={
            **computed("arn cluster iamRole launchType name platformVersion region triggers desiredCount"),
            **computed("deploymentCircuitBreaker deploymentController deploymentConfiguration"),
            **computed("availabilityZoneRebalancing"),
            **nothing("capacityProviderStrategies loadBalancers orderedPlacementStrategies", []),
            **nothing("placementConstraints vpcLatticeConfigurations", []),
            **nothing("alarms forceDelete forceNewDeployment networkConfiguration serviceConnectConfiguration"),
            **nothing("serviceRegistries sigintRollback taskDefinition volumeConfiguration"),
            "deploymentMaximumPercent": 200, "deploymentMinimumHealthyPercent": 100,
            "enableEcsManagedTags": False, "enableExecuteCommand": False,
            "healthCheckGracePeriodSeconds": 0, "propagateTags": "NONE", "schedulingStrategy": "REPLICA",
            "waitForSteadyState": False, **TAGS,
        },
        defaults={
            "availabilityZoneRebalancing": "DISABLED", "deploymentMaximumPercent": 200,
            "deploymentMinimumHealthyPercent": 100, "enableEcsManagedTags": False,
            "enableExecuteCommand": False, "schedulingStrategy": "REPLICA", "waitForSteadyState": False,
        },
        replaces=words("cluster iamRole launchType name schedulingStrategy region deploymentController"),
        sets=words("capacityProviderStrategies loadBalancers placementConstraints"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        if inputs.get("launchType") and inputs.get("capacityProviderStrategies"):
            return {"launchType": "conflicts with capacityProviderStrategies"}
        if inputs.get("waitForSteadyState"):
            return {"waitForSteadyState": "is not supported by the stand-in; the program's Rollout waits"}
        return {}

    def make(self, aws: AwsClients, inputs: Props) -> str:
        wanted = _request(inputs)
        wanted |= {name: inputs[name] for name in ("launchType", "schedulingStrategy") if name in inputs}
        if inputs.get("deploymentController"):
            wanted["deploymentController"] = inputs["deploymentController"]
        tags = pairs(inputs.get("tagsAll"), "key", "value")
        found = aws.of("ecs").create_service(
            cluster=inputs.get("cluster", "default"), serviceName=inputs["name"], tags=tags, **wanted
        )
        return found["service"]["serviceArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        wanted = {"capacityProviderStrategy": [], "loadBalancers": [], **_request(inputs)}
        if not inputs.get("capacityProviderStrategies") and not seen.get("capacityProviderStrategies"):
            del wanted["capacityProviderStrategy"]
        # A number that autoscaling has changed since is only reset when another one is asked for.
        if inputs.get("desiredCount") == seen.get("desiredCount"):
            wanted.pop("desiredCount", None)
        aws.of("ecs").update_service(cluster=inputs.get("cluster", "default"), service=id, **wanted)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of("ecs").describe_services(
            cluster=inputs.get("cluster", "default"), services=[id], include=["TAGS"]
        )["services"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        return _described(found[0], inputs)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        cluster, ecs = outputs.get("cluster") or "default", aws.of("ecs")
        if outputs.get("schedulingStrategy") == "REPLICA":
            ecs.update_service(cluster=cluster, service=id, desiredCount=0)
        ecs.delete_service(cluster=cluster, service=id, force=bool(outputs.get("forceDelete")))
        # Its tasks drain first; until then neither its cluster nor its security groups can go.
        ecs.get_waiter("services_inactive").wait(
            cluster=cluster, services=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 20 * 60}
        )


def _request(inputs: Props) -> Props:
    """What the create and update calls have in common, in AWS's form."""
    wanted = {name: inputs[name] for name in _SAME if name in inputs}
    wanted |= {theirs: inputs[ours] for ours, theirs in _RENAMED.items() if ours in inputs}
    if "volumeConfiguration" in wanted:
        wanted["volumeConfigurations"] = [wanted.pop("volumeConfiguration")]
    if "propagateTags" in inputs and inputs["propagateTags"] != "NONE":
        wanted["propagateTags"] = inputs["propagateTags"]
    if registries := inputs.get("serviceRegistries"):
        wanted["serviceRegistries"] = [registries]
    if "placementStrategy" in wanted:
        wanted["placementStrategy"] = [
            {"type": one["type"], **({"field": one["field"]} if one.get("field") else {})}
            for one in wanted["placementStrategy"]
        ]
    if network := inputs.get("networkConfiguration"):
        public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
        wanted["networkConfiguration"] = {"awsvpcConfiguration": {**network, "assignPublicIp": public}}
    if "loadBalancers" in wanted:
        wanted["loadBalancers"] = [_balancer(one) for one in wanted["loadBalancers"]]
    return wanted | {"deploymentConfiguration": _deployment(inputs)}


def _balancer(one: Props) -> Props:
    renamed = {"elbName": "loadBalancerName"}
    return {renamed.get(name, name): value for name, value in one.items()}


def _deployment(inputs: Props) -> Props:
    """How a service moves from one task definition to the next."""
    wanted: Props = {
        "maximumPercent": inputs["deploymentMaximumPercent"],
        "minimumHealthyPercent": inputs["deploymentMinimumHealthyPercent"],
    }
    if breaker := inputs.get("deploymentCircuitBreaker"):
        wanted["deploymentCircuitBreaker"] = breaker
    if alarms := inputs.get("alarms"):
        wanted["alarms"] = alarms
    for name, value in (inputs.get("deploymentConfiguration") or {}).items():
        wanted[name] = _numbers(value, name)
    return wanted


def _numbers(value: Any, name: str) -> Any:
    """Minutes and percentages, which are texts here and numbers at AWS."""
    if isinstance(value, dict):
        return {key: _numbers(item, key) for key, item in value.items()}
    if name.endswith("InMinutes"):
        return int(value)
    return float(value) if name.endswith("Percent") else value


def _described(found: Props, inputs: Props) -> Props:
    """AWS's answer as outputs; what it leaves out is as it was asked for."""
    deployment = found.get("deploymentConfiguration") or {}
    role = "/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    same = {name: found.get(name, inputs.get(name)) for name in ("launchType", "schedulingStrategy")}
    return {
        **_kept(found, deployment, inputs),
        **same,
        "arn": found["serviceArn"],
        "capacityProviderStrategies": _ordered(
            found.get("capacityProviderStrategy"), {"base": 0, "weight": 0}
        ),
        "cluster": inputs.get("cluster") or found["clusterArn"],
        "deploymentConfiguration": inputs.get("deploymentConfiguration"),
        "deploymentController": found.get("deploymentController") or {"type": "ECS"},
        "deploymentMaximumPercent": deployment.get("maximumPercent", inputs.get("deploymentMaximumPercent")),
        "deploymentMinimumHealthyPercent": deployment.get(
            "minimumHealthyPercent", inputs.get("deploymentMinimumHealthyPercent")
        ),
        "desiredCount": found["desiredCount"],
        "enableExecuteCommand": found.get("enableExecuteCommand", inputs.get("enableExecuteCommand", False)),
        "iamRole": found.get("roleArn") or role,
        "loadBalancers": _ordered(found.get("loadBalancers")),
        "name": found["serviceName"],
        "networkConfiguration": _network(found) or inputs.get("networkConfiguration"),
        "placementConstraints": _ordered(found.get("placementConstraints")),
        "platformVersion": found.get("platformVersion") or inputs.get("platformVersion", "LATEST"),
        "propagateTags": found.get("propagateTags") or inputs.get("propagateTags", "NONE"),
        "tagsAll": mapped(found.get("tags"), "key", "value"),
        "taskDefinition": _like(found["taskDefinition"], inputs.get("taskDefinition", "")),
        "triggers": inputs.get("triggers", {}),
    }


def _kept(found: Props, deployment: Props, inputs: Props) -> Props:
    """What moto forgets of a service: AWS's answer where there is one, else what was asked for."""
    return {
        "healthCheckGracePeriodSeconds": found.get("healthCheckGracePeriodSeconds")
        or inputs.get("healthCheckGracePeriodSeconds", 0),
        "availabilityZoneRebalancing": found.get("availabilityZoneRebalancing")
        or inputs.get("availabilityZoneRebalancing", "DISABLED"),
        "deploymentCircuitBreaker": deployment.get("deploymentCircuitBreaker")
        or inputs.get("deploymentCircuitBreaker")
        or _NO_BREAKER,
        "alarms": deployment.get("alarms") or inputs.get("alarms"),
    }


def _like(arn: str, wanted: str) -> str:
    """The task definition in the form in which it was given: ARN, `family:revision`, or family."""
    if wanted.startswith("arn:") or not wanted:
        return arn
    short = arn.rpartition("/")[2]
    return short if ":" in wanted else short.partition(":")[0]


def _ordered(found: list[Props] | None, base: Props | None = None) -> list[Any]:
    return sorted(({**(base or {}), **one} for one in found or []), key=repr)


def _network(found: Props) -> Props | None:
    network = (found.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not network:
        return None
    return {
        "assignPublicIp": network.get("assignPublicIp") == "ENABLED",
        "securityGroups": sorted(network.get("securityGroups") or []),
        "subnets": sorted(network.get("subnets") or []),
    }
