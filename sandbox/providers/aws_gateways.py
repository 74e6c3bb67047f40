"""`aws:ec2/*`, ways in and out of a VPC: internet and NAT gateways, addresses, endpoints."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS
from sandbox.providers.aws_tags import mapped
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, renamed, words
from sandbox.providers.aws_vpc import Ec2Resource, by
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class InternetGateway(Ec2Resource):
    """A VPC's way to the internet."""

    token = "aws:ec2/internetGateway:InternetGateway"
    args = "pulumi_aws.ec2:InternetGatewayArgs"
    label = "EC2 Internet Gateway"
    block = Block(absent={**computed("arn ownerId vpcId region"), **TAGS}, replaces=words("region"))

    def make(self, aws: AwsClients, inputs: Props) -> str:
        found = aws.of("ec2").create_internet_gateway(TagSpecifications=self.tags("internet-gateway", inputs))
        return found["InternetGateway"]["InternetGatewayId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        ec2, before, after = aws.of("ec2"), seen.get("vpcId"), inputs.get("vpcId")
        if before and after and before != after:
            ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=before)
        if after and before != after:
            ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=after)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ec2").describe_internet_gateways(InternetGatewayIds=[id])["InternetGateways"][0]
        owner = found.get("OwnerId", aws.account)
        return {
            "arn": self.arn(aws, "internet-gateway", id, owner),
            "ownerId": owner,
            "tagsAll": mapped(found.get("Tags")),
            "vpcId": (found.get("Attachments") or [{}])[0].get("VpcId", ""),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        if vpc := outputs.get("vpcId"):
            aws.of("ec2").detach_internet_gateway(InternetGatewayId=id, VpcId=vpc)
        aws.of("ec2").delete_internet_gateway(InternetGatewayId=id)


class Eip(Ec2Resource):
    """A public address."""

    token = "aws:ec2/eip:Eip"
    args = "pulumi_aws.ec2:EipArgs"
    label = "EC2 EIP"
    block = Block(
        absent={
            **computed("allocationId arn associationId carrierIp customerOwnedIp domain instance region"),
            **computed("networkBorderGroup networkInterface privateDns privateIp ptrRecord publicDns publicIp"),
            **computed("publicIpv4Pool ipamPoolId"),
            **nothing("address associateWithPrivateIp customerOwnedIpv4Pool"), **TAGS,
        },
        replaces=words("address customerOwnedIpv4Pool domain networkBorderGroup publicIpv4Pool region"),
        unsupported=words(
            "address associateWithPrivateIp customerOwnedIpv4Pool instance ipamPoolId networkInterface"
        ),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        found = aws.of("ec2").allocate_address(
            Domain=inputs.get("domain", "vpc"), TagSpecifications=self.tags("elastic-ip", inputs)
        )
        return found["AllocationId"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ec2").describe_addresses(AllocationIds=[id])["Addresses"][0]
        address = found["PublicIp"]
        dns = f"ec2-{address.replace('.', '-')}.{aws.region}.compute.amazonaws.com"
        return {
            "allocationId": id,
            "arn": self.arn(aws, "elastic-ip", id),
            "associationId": found.get("AssociationId") or "",
            "carrierIp": "",
            "customerOwnedIp": "",
            "customerOwnedIpv4Pool": "",
            "domain": found.get("Domain", "vpc"),
            "instance": found.get("InstanceId") or "",
            "networkBorderGroup": found.get("NetworkBorderGroup") or aws.region,
            "networkInterface": found.get("NetworkInterfaceId") or "",
            "privateIp": found.get("PrivateIpAddress") or "",
            "ptrRecord": "",
            "publicDns": dns,
            "publicIp": address,
            "publicIpv4Pool": found.get("PublicIpv4Pool") or "amazon",
            "tagsAll": mapped(found.get("Tags")),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").release_address(AllocationId=id)


class NatGateway(Ec2Resource):
    """The way out for subnets without public addresses."""

    token = "aws:ec2/natGateway:NatGateway"
    args = "pulumi_aws.ec2:NatGatewayArgs"
    label = "EC2 NAT Gateway"
    block = Block(
        absent={
            **computed("associationId networkInterfaceId privateIp publicIp region vpcId availabilityMode"),
            **computed("autoProvisionZones autoScalingIps regionalNatGatewayAddresses routeTableId"),
            **computed("regionalNatGatewayAutoMode availabilityZoneAddresses"),
            **computed("secondaryPrivateIpAddressCount secondaryPrivateIpAddresses"),
            **nothing("allocationId secondaryAllocationIds subnetId"), "connectivityType": "public", **TAGS,
        },
        defaults={"connectivityType": "public"},
        replaces=words("allocationId connectivityType privateIp subnetId region"),
        unsupported=words("availabilityZoneAddresses availabilityMode vpcId secondaryAllocationIds"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {
            "allocationId": "AllocationId",
            "subnetId": "SubnetId",
            "connectivityType": "ConnectivityType",
        }
        found = aws.of("ec2").create_nat_gateway(
            **renamed(inputs, names), TagSpecifications=self.tags("natgateway", inputs)
        )
        return found["NatGateway"]["NatGatewayId"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of("ec2").describe_nat_gateways(NatGatewayIds=[id])["NatGateways"]
        # A deleted gateway is still listed for an hour.
        if not found or found[0]["State"] in ("deleting", "deleted"):
            return None
        address = (found[0].get("NatGatewayAddresses") or [{}])[0]
        return {
            "allocationId": address.get("AllocationId"),
            "associationId": address.get("AssociationId") or "",
            "connectivityType": found[0].get("ConnectivityType", "public"),
            "networkInterfaceId": address.get("NetworkInterfaceId") or "",
            "privateIp": address.get("PrivateIp") or "",
            "publicIp": address.get("PublicIp") or "",
            "secondaryPrivateIpAddressCount": 0,
            "secondaryPrivateIpAddresses": [],
            "subnetId": found[0]["SubnetId"],
            "tagsAll": mapped(found[0].get("Tags")),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_nat_gateway(NatGatewayId=id)


class VpcEndpoint(Ec2Resource):
    """A private way to an AWS service."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    args = "pulumi_aws.ec2:VpcEndpointArgs"
    label, documents = "EC2 VPC Endpoint", words("policy")
    block = Block(
        absent={
            **computed("arn cidrBlocks dnsEntries dnsOptions ipAddressType networkInterfaceIds ownerId policy"),
            **computed("prefixListId requesterManaged routeTableIds securityGroupIds serviceRegion state"),
            **computed("subnetIds region privateDnsEnabled subnetConfigurations"),
            **nothing("autoAccept resourceConfigurationArn serviceName serviceNetworkArn vpcId"),
            "vpcEndpointType": "Gateway", **TAGS,
        },
        replaces=words("serviceName vpcId vpcEndpointType serviceRegion region"),
        sets=words("routeTableIds securityGroupIds subnetIds"),
        unsupported=words("resourceConfigurationArn serviceNetworkArn subnetConfigurations"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {
            "vpcId": "VpcId", "serviceName": "ServiceName", "vpcEndpointType": "VpcEndpointType",
            "routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds",
            "privateDnsEnabled": "PrivateDnsEnabled", "policy": "PolicyDocument", "ipAddressType": "IpAddressType",
        }  # fmt: skip
        found = aws.of("ec2").create_vpc_endpoint(
            **renamed(inputs, names), TagSpecifications=self.tags("vpc-endpoint", inputs)
        )
        return found["VpcEndpoint"]["VpcEndpointId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        changes: Props = {}
        for ours, theirs in {"routeTableIds": "RouteTable", "subnetIds": "Subnet", "securityGroupIds": "SecurityGroup"}.items():  # fmt: skip
            before, after = set(seen.get(ours) or []), set(inputs.get(ours, seen.get(ours)) or [])
            changes |= {f"Add{theirs}Ids": sorted(after - before)} if after - before else {}
            changes |= {f"Remove{theirs}Ids": sorted(before - after)} if before - after else {}
        if "policy" in inputs:
            changes["PolicyDocument"] = inputs["policy"]
        if "privateDnsEnabled" in inputs:
            changes["PrivateDnsEnabled"] = inputs["privateDnsEnabled"]
        if changes:
            aws.of("ec2").modify_vpc_endpoint(VpcEndpointId=id, **changes)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        ec2 = aws.of("ec2")
        found = ec2.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"]
        if not found or found[0]["State"].lower() in ("deleting", "deleted"):
            return None
        one, lists = found[0], {"cidrBlocks": [], "prefixListId": ""}
        if one["VpcEndpointType"] == "Gateway":
            known = ec2.describe_prefix_lists(Filters=[by("prefix-list-name", one["ServiceName"])])
            for entry in known["PrefixLists"][:1]:
                lists = {"cidrBlocks": entry.get("Cidrs") or [], "prefixListId": entry["PrefixListId"]}
        return lists | self._described(aws, id, one)

    def _described(self, aws: AwsClients, id: str, one: Props) -> Props:
        owner = one.get("OwnerId") or aws.account
        return {
            "arn": self.arn(aws, "vpc-endpoint", id, owner),
            "dnsEntries": [
                {"dnsName": entry.get("DnsName", ""), "hostedZoneId": entry.get("HostedZoneId", "")}
                for entry in one.get("DnsEntries") or []
            ],
            "ipAddressType": one.get("IpAddressType") or "",
            "networkInterfaceIds": sorted(one.get("NetworkInterfaceIds") or []),
            "ownerId": owner,
            "policy": compact(one["PolicyDocument"]) if one.get("PolicyDocument") else "",
            "privateDnsEnabled": one.get("PrivateDnsEnabled") or False,
            "requesterManaged": one.get("RequesterManaged") or False,
            "routeTableIds": sorted(one.get("RouteTableIds") or []),
            "securityGroupIds": sorted(group["GroupId"] for group in one.get("Groups") or []),
            "serviceName": one["ServiceName"],
            "serviceRegion": aws.region,
            "state": one["State"],
            "subnetIds": sorted(one.get("SubnetIds") or []),
            "tagsAll": mapped(one.get("Tags")),
            "vpcEndpointType": one["VpcEndpointType"],
            "vpcId": one["VpcId"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_vpc_endpoints(VpcEndpointIds=[id])
