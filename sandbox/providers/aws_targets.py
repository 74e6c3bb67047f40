"""`aws:lb/targetGroup`: where a load balancer sends its requests."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_lb import text, value
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, renamed, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_CHECK = {
    "enabled": "HealthCheckEnabled", "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds", "path": "HealthCheckPath", "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol", "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}  # fmt: skip
_ATTRIBUTES = {
    "deregistrationDelay": ("deregistration_delay.timeout_seconds", 300),
    "loadBalancingAlgorithmType": ("load_balancing.algorithm.type", "round_robin"),
    "loadBalancingAnomalyMitigation": ("load_balancing.algorithm.anomaly_mitigation", "off"),
    "loadBalancingCrossZoneEnabled": (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
    ),
    "slowStart": ("slow_start.duration_seconds", 0),
}
_STICKINESS = {
    "enabled": ("stickiness.enabled", False),
    "type": ("stickiness.type", "lb_cookie"),
    "cookieDuration": ("stickiness.lb_cookie.duration_seconds", 86400),
    "cookieName": ("stickiness.app_cookie.cookie_name", ""),
}
_HEALTH = {
    "dnsFailover": {"minimumHealthyTargetsCount": "1", "minimumHealthyTargetsPercentage": "off"},
    "unhealthyStateRouting": {"minimumHealthyTargetsCount": 1, "minimumHealthyTargetsPercentage": "off"},
}
_PLAIN_CHECK = {
    "enabled": True, "healthyThreshold": 3, "interval": 30, "port": "traffic-port", "protocol": "HTTP",
    "unhealthyThreshold": 3,
}  # fmt: skip


class TargetGroup(AwsResource):
    """A group of targets with a health check."""

    token = "aws:lb/targetGroup:TargetGroup"
    args = "pulumi_aws.lb:TargetGroupArgs"
    service, label, tagging, autoname, longest = "elbv2", "ELBv2 Target Group", "elbv2", True, 32
    block = Block(
        absent={
            **computed("arn arnSuffix healthCheck ipAddressType loadBalancerArns name namePrefix region"),
            **computed("loadBalancingAlgorithmType loadBalancingAnomalyMitigation loadBalancingCrossZoneEnabled"),
            **computed("preserveClientIp protocolVersion stickiness targetFailovers targetGroupHealth"),
            **computed("targetHealthStates connectionTermination"),
            **nothing("port protocol vpcId targetControlPort"), "deregistrationDelay": 300,
            "lambdaMultiValueHeadersEnabled": False, "proxyProtocolV2": False, "slowStart": 0,
            "targetType": "instance", **TAGS,
        },
        defaults={
            "lambdaMultiValueHeadersEnabled": False, "proxyProtocolV2": False, "slowStart": 0,
            "targetType": "instance",
        },
        replaces=words("ipAddressType name port protocol protocolVersion targetType vpcId region"),
        blocks={
            "healthCheck": Block(absent={}, defaults=_PLAIN_CHECK),
            "stickiness": Block(absent={}, defaults={"cookieDuration": 86400, "enabled": True}),
        },
        unsupported=words(
            "connectionTermination preserveClientIp targetControlPort targetFailovers targetGroupHealth "
            "targetHealthStates"
        ),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {
            "port": "Port", "protocol": "Protocol", "protocolVersion": "ProtocolVersion", "vpcId": "VpcId",
            "targetType": "TargetType", "ipAddressType": "IpAddressType",
        }  # fmt: skip
        found = aws.of("elbv2").create_target_group(
            Name=inputs["name"],
            **renamed(inputs, names),
            **_check(inputs),
            **({"Tags": pairs(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )
        return found["TargetGroups"][0]["TargetGroupArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        elb = aws.of("elbv2")
        if seen and "healthCheck" in inputs:
            elb.modify_target_group(TargetGroupArn=id, **_check(inputs))
        wanted = {
            key: text(inputs.get(name, default))
            for name, (key, default) in _ATTRIBUTES.items()
            if name in inputs or (seen and seen.get(name) != default)
        }
        sticky = inputs.get("stickiness") or {}
        wanted |= {key: text(sticky[name]) for name, (key, _) in _STICKINESS.items() if sticky.get(name)}
        if wanted.get("slow_start.duration_seconds") == "0" and not seen:
            del wanted["slow_start.duration_seconds"]
        if wanted:
            elb.modify_target_group_attributes(TargetGroupArn=id, Attributes=pairs(wanted))

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        elb = aws.of("elbv2")
        found = elb.describe_target_groups(TargetGroupArns=[id])["TargetGroups"]
        if not found:
            return None
        one = found[0]
        attributes = mapped(elb.describe_target_group_attributes(TargetGroupArn=id)["Attributes"])
        return {
            **_values(attributes, _ATTRIBUTES),
            "arn": id,
            "arnSuffix": id.rpartition(":")[2],
            "healthCheck": {
                **{ours: one.get(theirs) for ours, theirs in _CHECK.items()},
                "matcher": one.get("Matcher", {}).get("HttpCode", ""),
            },
            "ipAddressType": one.get("IpAddressType") or "ipv4",
            "loadBalancerArns": sorted(one.get("LoadBalancerArns") or []),
            "name": one["TargetGroupName"],
            "namePrefix": "",
            "port": one.get("Port"),
            "protocol": one.get("Protocol"),
            "protocolVersion": one.get("ProtocolVersion") or "HTTP1",
            "stickiness": _values(attributes, _STICKINESS),
            "tagsAll": mapped(elb.describe_tags(ResourceArns=[id])["TagDescriptions"][0]["Tags"]),
            "targetFailovers": [],
            "targetGroupHealth": _HEALTH,
            "targetHealthStates": [],
            "targetType": one.get("TargetType") or "instance",
            "vpcId": one.get("VpcId"),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("elbv2").delete_target_group(TargetGroupArn=id)


def _values(attributes: dict[str, str], names: dict[str, tuple[str, Any]]) -> Props:
    return {name: value(attributes.get(key), default) for name, (key, default) in names.items()}


def _check(inputs: Props) -> Props:
    """A health check in AWS's form."""
    check = inputs.get("healthCheck") or {}
    wanted = {theirs: check[ours] for ours, theirs in _CHECK.items() if check.get(ours) is not None}
    if check.get("matcher"):
        wanted["Matcher"] = {"HttpCode": check["matcher"]}
    return wanted
