"""`aws:ec2/*`, the network itself: VPCs, subnets, gateways and addresses."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class Ec2Resource(AwsResource):
    """What all of EC2 has in common: tags by id, filters, ARNs that nobody says."""

    service, tagging, meta = "ec2", "ec2", "{}"

    def tag_target(self, id: str, outputs: Props) -> str:
        return id

    @staticmethod
    def tags(kind: str, inputs: Props) -> list[Props]:
        """The tags of a create call."""
        found = pairs(inputs.get("tagsAll"))
        return [{"ResourceType": kind, "Tags": found}] if found else []

    @staticmethod
    def arn(aws: AwsClients, kind: str, id: str, owner: str = "") -> str:
        return f"arn:{aws.partition}:ec2:{aws.region}:{owner or aws.account}:{kind}/{id}"


class Vpc(Ec2Resource):
    """A virtual network."""

    token = "aws:ec2/vpc:Vpc"
    args = "pulumi_aws.ec2:VpcArgs"
    label, meta = "EC2 VPC", '{"schema_version":"1"}'
    block = Block(
        absent={
            **computed("arn cidrBlock defaultNetworkAclId defaultRouteTableId defaultSecurityGroupId"),
            **computed("dhcpOptionsId mainRouteTableId ownerId region ipv6AssociationId ipv6CidrBlock"),
            **computed("ipv6CidrBlockNetworkBorderGroup enableDnsHostnames enableNetworkAddressUsageMetrics"),
            **nothing("ipv4IpamPoolId ipv4NetmaskLength ipv6IpamPoolId ipv6NetmaskLength"),
            "assignGeneratedIpv6CidrBlock": False, "enableDnsSupport": True, "instanceTenancy": "default", **TAGS,
        },
        defaults={"enableDnsSupport": True},
        replaces=words("cidrBlock region"),
        unsupported=words("ipv4IpamPoolId ipv4NetmaskLength ipv6IpamPoolId ipv6NetmaskLength ipv6CidrBlock"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.of("ec2").create_vpc(
            CidrBlock=inputs["cidrBlock"],
            InstanceTenancy=inputs.get("instanceTenancy", "default"),
            AmazonProvidedIpv6CidrBlock=inputs.get("assignGeneratedIpv6CidrBlock", False),
            TagSpecifications=self.tags("vpc", inputs),
        )["Vpc"]["VpcId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        ec2 = aws.of("ec2")
        ec2.modify_vpc_attribute(VpcId=id, EnableDnsSupport={"Value": inputs["enableDnsSupport"]})
        for name in ("enableDnsHostnames", "enableNetworkAddressUsageMetrics"):
            if name in inputs:
                ec2.modify_vpc_attribute(VpcId=id, **{name[0].upper() + name[1:]: {"Value": inputs[name]}})

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        ec2 = aws.of("ec2")
        vpc = ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]
        ipv6 = (vpc.get("Ipv6CidrBlockAssociationSet") or [{}])[0]
        main = self._main_table(ec2, id)
        return {
            "arn": self.arn(aws, "vpc", id, vpc.get("OwnerId", "")),
            "assignGeneratedIpv6CidrBlock": bool(ipv6),
            "cidrBlock": vpc["CidrBlock"],
            **self._attributes(ec2, id),
            "defaultNetworkAclId": self._default(ec2, id),
            "defaultRouteTableId": main,
            "defaultSecurityGroupId": _default_group(ec2, id),
            "dhcpOptionsId": vpc["DhcpOptionsId"],
            "instanceTenancy": vpc["InstanceTenancy"],
            "ipv6AssociationId": ipv6.get("AssociationId", ""),
            "ipv6CidrBlock": ipv6.get("Ipv6CidrBlock", ""),
            "ipv6CidrBlockNetworkBorderGroup": ipv6.get("NetworkBorderGroup", ""),
            "ipv6IpamPoolId": "",
            "ipv6NetmaskLength": 0,
            "mainRouteTableId": main,
            "ownerId": vpc.get("OwnerId", aws.account),
            "tagsAll": mapped(vpc.get("Tags")),
        }

    @staticmethod
    def _attributes(ec2: Any, id: str) -> Props:
        names = ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics")
        return {
            name: ec2.describe_vpc_attribute(VpcId=id, Attribute=name)[name[0].upper() + name[1:]]["Value"]
            for name in names
        }

    @staticmethod
    def _main_table(ec2: Any, id: str) -> str:
        found = ec2.describe_route_tables(
            Filters=[by("vpc-id", id), by("association.main", "true")]
        )["RouteTables"]  # fmt: skip
        return found[0]["RouteTableId"] if found else ""

    @staticmethod
    def _default(ec2: Any, id: str) -> str:
        found = ec2.describe_network_acls(Filters=[by("vpc-id", id), by("default", "true")])["NetworkAcls"]
        return found[0]["NetworkAclId"] if found else ""

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_vpc(VpcId=id)


_SUBNET_FLAGS = {
    "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
    "enableDns64": "EnableDns64",
    "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
    "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
    "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
}


class Subnet(Ec2Resource):
    """A part of a VPC, in one zone."""

    token = "aws:ec2/subnet:Subnet"
    args = "pulumi_aws.ec2:SubnetArgs"
    label, meta = "EC2 Subnet", '{"schema_version":"1"}'
    block = Block(
        absent={
            **dict.fromkeys(_SUBNET_FLAGS, False), "ipv6Native": False, **TAGS,
            **computed("arn availabilityZone availabilityZoneId ipv6CidrBlockAssociationId ownerId region"),
            **computed("privateDnsHostnameTypeOnLaunch"),
            **nothing("cidrBlock customerOwnedIpv4Pool enableLniAtDeviceIndex ipv4IpamPoolId ipv4NetmaskLength"),
            **nothing("ipv6CidrBlock ipv6IpamPoolId ipv6NetmaskLength mapCustomerOwnedIpOnLaunch outpostArn vpcId"),
        },
        defaults={**dict.fromkeys(_SUBNET_FLAGS, False), "ipv6Native": False},
        replaces=words("availabilityZone availabilityZoneId cidrBlock ipv6Native vpcId region"),
        unsupported=words(
            "customerOwnedIpv4Pool ipv4IpamPoolId ipv6IpamPoolId mapCustomerOwnedIpOnLaunch outpostArn"
        ),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {
            "vpcId": "VpcId", "cidrBlock": "CidrBlock", "ipv6CidrBlock": "Ipv6CidrBlock",
            "availabilityZone": "AvailabilityZone", "availabilityZoneId": "AvailabilityZoneId",
        }  # fmt: skip
        wanted = {theirs: inputs[ours] for ours, theirs in names.items() if inputs.get(ours)}
        return aws.of("ec2").create_subnet(**wanted, TagSpecifications=self.tags("subnet", inputs))["Subnet"][
            "SubnetId"
        ]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        for name, theirs in _SUBNET_FLAGS.items():
            before = seen.get(name, False)
            if inputs[name] != before:
                aws.of("ec2").modify_subnet_attribute(SubnetId=id, **{theirs: {"Value": inputs[name]}})

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        subnet = aws.of("ec2").describe_subnets(SubnetIds=[id])["Subnets"][0]
        ipv6 = (subnet.get("Ipv6CidrBlockAssociationSet") or [{}])[0]
        dns = subnet.get("PrivateDnsNameOptionsOnLaunch") or {}
        flags = {name: subnet.get(theirs, inputs.get(name, False)) for name, theirs in _SUBNET_FLAGS.items()}
        return {
            **flags,
            "arn": subnet.get("SubnetArn") or self.arn(aws, "subnet", id),
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
            "cidrBlock": subnet["CidrBlock"],
            "customerOwnedIpv4Pool": "",
            "enableLniAtDeviceIndex": 0,
            "ipv6CidrBlock": ipv6.get("Ipv6CidrBlock", ""),
            "ipv6CidrBlockAssociationId": ipv6.get("AssociationId", ""),
            "ipv6Native": subnet.get("Ipv6Native", False),
            "mapCustomerOwnedIpOnLaunch": False,
            "outpostArn": "",
            "ownerId": subnet.get("OwnerId", aws.account),
            "privateDnsHostnameTypeOnLaunch": dns.get("HostnameType", "ip-name"),
            "tagsAll": mapped(subnet.get("Tags")),
            "vpcId": subnet["VpcId"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_subnet(SubnetId=id)


def _default_group(ec2: Any, id: str) -> str:
    found = ec2.describe_security_groups(Filters=[by("vpc-id", id), by("group-name", "default")])
    return found["SecurityGroups"][0]["GroupId"] if found["SecurityGroups"] else ""


def by(name: str, value: str) -> Props:
    """One filter of a describe call."""
    return {"Name": name, "Values": [value]}
