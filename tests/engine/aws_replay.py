"""Creates recorded resources of the official AWS plugin through the stand-in and compares what came out.

What differs by nature (ids, addresses, made-up names) is learned: a recorded value and its live
counterpart are noted when they first meet, later inputs are translated by that, and outputs must agree.
"""

import json
from pathlib import Path
from typing import Any

from tests.engine.aws_client import Client, Made, RpcError

RECORDINGS = Path(__file__).parent / "recordings" / "aws"
Props = dict[str, Any]

# In the order in which they can be created: each needs some of those before.
ORDER = [
    "ec2-Vpc",
    "ec2-Subnet",
    "ec2-InternetGateway",
    "ec2-Eip",
    "ec2-NatGateway",
    "ec2-RouteTable",
    "ec2-RouteTableAssociation",
    "ec2-Route",
    "ec2-SecurityGroup",
    "ec2-SecurityGroupRule",
    "ecr-Repository",
    "ecr-LifecyclePolicy",
    "ecr-RepositoryPolicy",
    "iam-Role",
    "iam-RolePolicy",
    "iam-RolePolicyAttachment",
    "iam-OpenIdConnectProvider",
    "cloudwatch-LogGroup",
    "lb-LoadBalancer",
    "lb-TargetGroup",
    "lb-Listener",
    "ecs-Cluster",
    "ecs-TaskDefinition",
    "ecs-Service",
    "kms-Key",
    "secretsmanager-Secret",
    "sns-Topic",
]

# Outputs that AWS makes up: learned, not compared, but of the same kind.
LEARNED = {
    "id", "allocationId", "associationId", "availabilityZone", "availabilityZoneId", "createDate",
    "defaultNetworkAclId", "defaultRouteTableId", "defaultSecurityGroupId", "dhcpOptionsId", "dnsName", "keyId",
    "mainRouteTableId", "networkInterface", "networkInterfaceId", "privateIp", "publicDns", "publicIp",
    "revision", "securityGroupRuleId", "uniqueId",
}  # fmt: skip

# Where the recording cannot be met: property, or type and property, to reason.
EXCEPTIONS = {
    "__meta": "the bridge's private note, left out of the recording",
    "region": "new in version 7 of the provider; the recordings are of 6.78",
    "Eip.vpc": "gone in version 7",
    "TaskDefinition.inferenceAccelerators": "gone in version 7",
}
# What version 7 of the SDK added to a type; the recordings are of 6.78.
NEWER = {
    "LogGroup": "deletionProtectionEnabled", "Repository": "imageTagMutabilityExclusionFilters",
    "LoadBalancer": "enablePrefixForIpv6SourceNat healthCheckLogs minimumLoadBalancerCapacity "
    "secondaryIpsAutoAssignedPerSubnet",
    "NatGateway": "autoProvisionZones autoScalingIps availabilityMode availabilityZoneAddresses "
    "regionalNatGatewayAddresses regionalNatGatewayAutoMode routeTableId vpcId",
    "Route": "odbNetworkArn", "Secret": "type", "Service": "arn deploymentConfiguration sigintRollback",
    "Subnet": "ipv4IpamPoolId ipv4NetmaskLength ipv6IpamPoolId ipv6NetmaskLength",
    "TargetGroup": "targetControlPort", "Topic": "fifoThroughputScope maximumMessageSize",
}  # fmt: skip
# Compared as text on purpose, as the recordings' README has it: the program must send AWS's own form.
NOT_CANONICAL = {"ecs-TaskDefinition": {"containerDefinitions"}}


class Replay:
    """Everything recorded, created once.

    Attributes:
        made: recording's name to what the stand-in made of it.
        failed: recording's name to why it could not be created.
    """

    def __init__(self, client: Client, known: Props) -> None:
        self.client = client
        self.known = known
        self.made: dict[str, Made] = {}
        self.failed: dict[str, str] = {}

    def create(self, name: str) -> None:
        recording = load(name)
        inputs = self.live(asked(recording))
        try:
            made = self.client.create(recording["type"], inputs, name=logical_name(recording))
        except RpcError as error:  # each type's own test says why it failed
            self.failed[name] = error.details()
            return
        self.made[name] = made
        if "name" in recording["inputs"].get("__defaults", []):
            self.known[recording["outputs"]["name"]] = made["name"]
        self.known[recording["id"]] = made.id
        for key in LEARNED | {"arn", "arnSuffix"}:
            recorded, live = recording["outputs"].get(key), made.outputs.get(key)
            if isinstance(recorded, str) and recorded and isinstance(live, str):
                self.known[recorded] = live

    def live(self, value: Any) -> Any:
        """A recorded value with everything in it that is known by another name here."""
        if isinstance(value, dict):
            return {key: self.live(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.live(item) for item in value]
        if isinstance(value, str):
            for recorded in sorted(self.known, key=len, reverse=True):
                value = value.replace(recorded, self.known[recorded])
        return value


def load(name: str) -> Props:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def logical_name(recording: Props) -> str:
    """The resource's name in the program, from which the provider made its physical one."""
    return str(recording["inputs"].get("name", "thing")).rpartition("-")[0] or "thing"


def asked(recording: Props) -> Props:
    """What the program asked for: the recorded inputs without what the provider filled in."""
    inputs = _asked(recording["inputs"])
    inputs.pop("tagsAll", None)
    if str(inputs.get("policy", "")).endswith("..."):  # cut in the recording
        inputs["policy"] = POLICIES[recording["type"]]
    return inputs


def _asked(value: Any) -> Any:
    if isinstance(value, dict):
        made_up = {*value.get("__defaults", []), "__defaults"}
        return {key: _asked(item) for key, item in value.items() if key not in made_up}
    return [_asked(item) for item in value] if isinstance(value, list) else value


POLICIES = {
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": json.dumps(
        {
            "rules": [
                {
                    "rulePriority": 1,
                    "description": "Expire images older than 14 days",
                    "selection": {
                        "tagStatus": "untagged",
                        "countType": "sinceImagePushed",
                        "countUnit": "days",
                        "countNumber": 14,
                    },
                    "action": {"type": "expire"},
                }
            ]
        },
        indent=4,
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": json.dumps(
        {
            "Statement": [
                {
                    "Action": ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
                    "Effect": "Allow",
                    "Principal": "*",
                }
            ]
        }
    ),
}


def differences(replay: Replay, name: str) -> list[str]:
    """Where the outputs are not what was recorded: key, type and value; exceptions left out."""
    recording, made = load(name), replay.made[name]
    kind = recording["type"].rpartition(":")[2]
    retired = {*recording["outputs"]} - {*made.outputs}
    added = {*made.outputs} - {*recording["outputs"]} - {*NEWER.get(kind, "").split()}
    found = [f"{key}: new" for key in sorted(added)] + [f"{key}: missing" for key in sorted(retired)]
    for key, recorded in recording["outputs"].items():
        if key in made.outputs:
            live = made.outputs[key]
            if key in LEARNED:
                same = type(recorded) is type(live) or recorded is None
            elif isinstance(recorded, str) and recorded.endswith("..."):
                same = isinstance(live, str)
            else:
                same = unordered(replay.live(recorded)) == unordered(live)
            if not same:
                found.append(f"{key}: recorded {replay.live(recorded)!r}, here {live!r}")
    return [one for one in found if not _excepted(kind, one.partition(":")[0])]


def unordered(value: Any) -> Any:
    """Without the order of lists, which follows from ids that are others here."""
    if isinstance(value, dict):
        return {key: unordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((unordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def input_differences(replay: Replay, name: str) -> list[str]:
    """Where the checked inputs, with defaults and their list, are not what was recorded."""
    recorded, live = replay.live(load(name)["inputs"]), replay.made[name].inputs
    names = [key for key in {*recorded, *live} if not str(recorded.get(key)).endswith("...")]
    return [
        f"{key}: recorded {recorded.get(key)!r}, here {live.get(key)!r}"
        for key in sorted(names)
        if recorded.get(key) != live.get(key)
    ]


def surroundings(client: Client) -> Props:
    """Makes what the recordings refer to but do not contain; recorded name to live one."""

    def make(kind: str, inputs: Props) -> str:
        return client.create(f"aws:{kind}", inputs, name="around").id

    vpc = make("ec2/vpc:Vpc", {"cidrBlock": "10.1.0.0/16"})
    subnets = [
        make("ec2/subnet:Subnet", {"vpcId": vpc, "cidrBlock": f"10.1.{place}.0/24",
                                   "availabilityZone": f"{client.config['region']}{zone}"})
        for place, zone in enumerate("abca")
    ]  # fmt: skip
    trust = load("iam-Role")["inputs"]["assumeRolePolicy"]
    make("iam/role:Role", {"name": "everyMinute-4713c0f", "assumeRolePolicy": trust})
    make("ecr/repository:Repository", {"name": "bar"})
    names = ("0b7224450e4697d6e", "096be47caafb36579", "01bd85cdd125c12a4", "0303f30b85f68d1a9")
    return {
        "vpc-0d7121f808351fef0": vpc,
        "vpc-03a4174436d5c215d": vpc,
        "sg-0a4994565d092c4fe": make("ec2/securityGroup:SecurityGroup", {"vpcId": vpc}),
        **{f"subnet-{name}": subnet for name, subnet in zip(names, subnets, strict=True)},
    }


def _excepted(kind: str, key: str) -> bool:
    return key in EXCEPTIONS or f"{kind}.{key}" in EXCEPTIONS
