"""`aws:lb/*`: load balancers and target groups."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

# Property to AWS's attribute; its value as text there, as what the default is here.
ATTRIBUTES = {
    "clientKeepAlive": ("client_keep_alive.seconds", 3600),
    "desyncMitigationMode": ("routing.http.desync_mitigation_mode", "defensive"),
    "dropInvalidHeaderFields": ("routing.http.drop_invalid_header_fields.enabled", False),
    "enableDeletionProtection": ("deletion_protection.enabled", False),
    "enableHttp2": ("routing.http2.enabled", True),
    "enableTlsVersionAndCipherSuiteHeaders": (
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        False,
    ),
    "enableWafFailOpen": ("waf.fail_open.enabled", False),
    "enableXffClientPort": ("routing.http.xff_client_port.enabled", False),
    "enableZonalShift": ("zonal_shift.config.enabled", False),
    "idleTimeout": ("idle_timeout.timeout_seconds", 60),
    "preserveHostHeader": ("routing.http.preserve_host_header.enabled", False),
    "xffHeaderProcessingMode": ("routing.http.xff_header_processing.mode", "append"),
}
_DEFAULTS = {
    **{name: default for name, (_, default) in ATTRIBUTES.items()},
    "dnsRecordClientRoutingPolicy": "any_availability_zone",
    "enableCrossZoneLoadBalancing": False,
}
# Elastic Load Balancing's own hosted zones, for alias records; other regions get the first.
ZONES = {
    "us-west-2": "Z1H1FL5HABSF5", "us-east-1": "Z35SXDOTRQ7X7K", "us-east-2": "Z3AADJGX6KTTL2",
    "eu-central-1": "Z215JYRZR1TBD5", "eu-west-1": "Z32O12XQLNTSW2",
}  # fmt: skip
_NO_LOGS = {"bucket": "", "enabled": False, "prefix": ""}


class LoadBalancer(AwsResource):
    """An application load balancer."""

    token = "aws:lb/loadBalancer:LoadBalancer"
    args = "pulumi_aws.lb:LoadBalancerArgs"
    service, label, tagging, autoname, longest = "elbv2", "ELBv2 application Load Balancer", "elbv2", True, 32
    meta = "{}"
    block = Block(
        absent={
            **_DEFAULTS, "loadBalancerType": "application", **TAGS,
            **computed("arn arnSuffix dnsName internal ipAddressType name namePrefix region securityGroups"),
            **computed("subnetMappings subnets vpcId zoneId secondaryIpsAutoAssignedPerSubnet"),
            **computed("enforceSecurityGroupInboundRulesOnPrivateLinkTraffic enablePrefixForIpv6SourceNat"),
            **nothing("accessLogs connectionLogs customerOwnedIpv4Pool healthCheckLogs ipamPools"),
            **nothing("minimumLoadBalancerCapacity"),
        },
        defaults=_DEFAULTS,
        replaces=words("customerOwnedIpv4Pool internal loadBalancerType name region"),
        sets=words("securityGroups subnetMappings subnets"),
        blocks={
            "accessLogs": Block(absent={}, defaults={"enabled": False}),
            "connectionLogs": Block(absent={}, defaults={"enabled": False}),
        },
        unsupported=words("customerOwnedIpv4Pool healthCheckLogs ipamPools minimumLoadBalancerCapacity"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        if inputs.get("loadBalancerType", "application") != "application":
            return {"loadBalancerType": "only `application` is supported by the stand-in"}
        return {}

    def make(self, aws: AwsClients, inputs: Props) -> str:
        places = {"subnets": "Subnets", "securityGroups": "SecurityGroups", "ipAddressType": "IpAddressType"}
        found = aws.of("elbv2").create_load_balancer(
            Name=inputs["name"],
            Scheme="internal" if inputs.get("internal") else "internet-facing",
            Type="application",
            **{theirs: inputs[ours] for ours, theirs in places.items() if inputs.get(ours)},
            **({"Tags": pairs(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )
        return found["LoadBalancers"][0]["LoadBalancerArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        elb = aws.of("elbv2")
        if (
            seen
            and "securityGroups" in inputs
            and sorted(inputs["securityGroups"]) != seen.get("securityGroups")
        ):
            elb.set_security_groups(LoadBalancerArn=id, SecurityGroups=inputs["securityGroups"])
        if seen and "subnets" in inputs and sorted(inputs["subnets"]) != seen.get("subnets"):
            elb.set_subnets(LoadBalancerArn=id, Subnets=inputs["subnets"])
        wanted = {key: text(inputs[name]) for name, (key, _) in ATTRIBUTES.items()}
        for name, prefix in {"accessLogs": "access_logs.s3", "connectionLogs": "connection_logs.s3"}.items():
            logs = inputs.get(name) or ({"enabled": False} if (seen.get(name) or {}).get("enabled") else None)
            if logs:
                wanted |= {f"{prefix}.{key}": text(value) for key, value in logs.items()}
        elb.modify_load_balancer_attributes(LoadBalancerArn=id, Attributes=pairs(wanted))

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        elb = aws.of("elbv2")
        found = elb.describe_load_balancers(LoadBalancerArns=[id])["LoadBalancers"]
        if not found:
            return None
        one = found[0]
        attributes = mapped(elb.describe_load_balancer_attributes(LoadBalancerArn=id)["Attributes"])
        subnets = sorted(zone["SubnetId"] for zone in one["AvailabilityZones"])
        mapping = {"allocationId": "", "ipv6Address": "", "outpostId": "", "privateIpv4Address": ""}
        return {
            **{
                name: value(attributes.get(key), inputs.get(name, default))
                for name, (key, default) in ATTRIBUTES.items()
            },
            "accessLogs": _logs(attributes, "access_logs.s3"),
            "arn": id,
            "arnSuffix": id.partition(":loadbalancer/")[2],
            "connectionLogs": _logs(attributes, "connection_logs.s3"),
            "customerOwnedIpv4Pool": "",
            "dnsName": one["DNSName"],
            "dnsRecordClientRoutingPolicy": None,
            "enableCrossZoneLoadBalancing": True,
            "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic": "",
            "internal": one["Scheme"] == "internal",
            "ipAddressType": one.get("IpAddressType") or "ipv4",
            "loadBalancerType": one["Type"],
            "name": one["LoadBalancerName"],
            "namePrefix": "",
            "securityGroups": sorted(one.get("SecurityGroups") or []),
            "subnetMappings": [{**mapping, "subnetId": subnet} for subnet in subnets],
            "subnets": subnets,
            "tagsAll": mapped(elb.describe_tags(ResourceArns=[id])["TagDescriptions"][0]["Tags"]),
            "vpcId": one["VpcId"],
            "zoneId": ZONES.get(aws.region, ZONES["us-west-2"]),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("elbv2").delete_load_balancer(LoadBalancerArn=id)

    def _changes(self, name: str, before: Any, old: Any, wanted: Props) -> dict[str, str]:
        # An application load balancer has no say in these two.
        if name in ("dnsRecordClientRoutingPolicy", "enableCrossZoneLoadBalancing"):
            return {}
        # Logs that are off are the same as logs that nobody speaks of.
        if name in ("accessLogs", "connectionLogs") and name not in wanted and not (old or {}).get("enabled"):
            return {}
        return super()._changes(name, before, old, wanted)


def text(item: Any) -> str:
    """A value as AWS's attributes have it."""
    return str(item).lower() if isinstance(item, bool) else str(item)


def value(found: str | None, like: Any) -> Any:
    """An attribute's text as a value of the kind of `like`; `like` when AWS says nothing."""
    if found is None:
        return like
    if isinstance(like, bool):
        return found == "true"
    return int(found) if isinstance(like, int) else found


def _logs(attributes: dict[str, str], prefix: str) -> Props:
    return {key: value(attributes.get(f"{prefix}.{key}"), default) for key, default in _NO_LOGS.items()}
