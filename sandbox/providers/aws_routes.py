"""`aws:ec2/*`, routing: tables, their routes, and which subnets use them."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

import zlib

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS
from sandbox.providers.aws_tags import mapped
from sandbox.providers.aws_values import computed, nothing, renamed, words
from sandbox.providers.aws_vpc import Ec2Resource
from sandbox.providers.bridge import Block
from sandbox.providers.resource import CheckError, Props
from sandbox.providers.session import Call

DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
TARGETS = {
    "carrierGatewayId": "CarrierGatewayId", "coreNetworkArn": "CoreNetworkArn",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId", "gatewayId": "GatewayId",
    "localGatewayId": "LocalGatewayId", "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId", "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId", "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}  # fmt: skip
# In a table's own list, routes name some properties otherwise.
INLINE = {"cidrBlock": "DestinationCidrBlock", "ipv6CidrBlock": "DestinationIpv6CidrBlock"}


class RouteTable(Ec2Resource):
    """A table; its routes here or as resources of their own, not both."""

    token = "aws:ec2/routeTable:RouteTable"
    args = "pulumi_aws.ec2:RouteTableArgs"
    label = "EC2 Route Table"
    block = Block(
        absent={**computed("arn ownerId propagatingVgws routes region"), **nothing("vpcId"), **TAGS},
        replaces=words("vpcId region"),
        sets=words("propagatingVgws routes"),
        unsupported=words("propagatingVgws"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        found = aws.of("ec2").create_route_table(
            VpcId=inputs["vpcId"], TagSpecifications=self.tags("route-table", inputs)
        )
        return found["RouteTable"]["RouteTableId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if "routes" not in inputs:
            return
        ec2, names = aws.of("ec2"), {**INLINE, **TARGETS}
        before = [renamed(one, names) for one in (self.find(aws, id, inputs) or {})["routes"]]
        after = [renamed(one, names) for one in inputs["routes"]]
        for one in [one for one in before if one not in after]:
            key = {name: one[name] for name in INLINE.values() if name in one}
            ec2.delete_route(RouteTableId=id, **key)
        for one in [one for one in after if one not in before]:
            ec2.create_route(RouteTableId=id, **one)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ec2").describe_route_tables(RouteTableIds=[id])["RouteTables"][0]
        owner = found.get("OwnerId") or aws.account
        routes = [
            {ours: one.get(theirs) or "" for ours, theirs in {**INLINE, **TARGETS}.items()}
            for one in found["Routes"]
            # A gateway endpoint puts routes of its own into the table.
            if one.get("Origin") == "CreateRoute" and not (one.get("GatewayId") or "").startswith("vpce-")
        ]
        return {
            "arn": self.arn(aws, "route-table", id, owner),
            "ownerId": owner,
            "propagatingVgws": [],
            "routes": sorted(routes, key=repr),
            "tagsAll": mapped(found.get("Tags")),
            "vpcId": found["VpcId"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_route_table(RouteTableId=id)


class Route(Ec2Resource):
    """One route of a table."""

    token = "aws:ec2/route:Route"
    args = "pulumi_aws.ec2:RouteArgs"
    label, tagging, deleted_first = "EC2 Route", "", True
    block = Block(
        absent={
            **nothing(" ".join(DESTINATIONS)), **nothing(" ".join(TARGETS)), **nothing("routeTableId"),
            **computed("instanceId instanceOwnerId networkInterfaceId origin state region odbNetworkArn"),
        },
        replaces=words(f"routeTableId region {' '.join(DESTINATIONS)}"),
        unsupported=words("odbNetworkArn"),
    )  # fmt: skip

    def check(self, call: Call, old: Props, new: Props) -> Props:
        filled = super().check(call, old, new)
        for wanted in (DESTINATIONS, TARGETS):
            if len([name for name in wanted if filled.get(name)]) != 1:
                raise CheckError({"": f"one of `{','.join(wanted)}` must be specified"})
        return filled

    def make(self, aws: AwsClients, inputs: Props) -> str:
        aws.of("ec2").create_route(
            RouteTableId=inputs["routeTableId"], **renamed(inputs, {**DESTINATIONS, **TARGETS})
        )
        destination = next(inputs[name] for name in DESTINATIONS if inputs.get(name))
        return f"r-{inputs['routeTableId']}{zlib.crc32(destination.encode())}"

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            wanted = renamed(inputs, {**DESTINATIONS, **TARGETS})
            aws.of("ec2").replace_route(RouteTableId=inputs["routeTableId"], **wanted)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        table = aws.of("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"][0]
        wanted = renamed(inputs, DESTINATIONS)
        for one in table["Routes"]:
            if all(one.get(name) == value for name, value in wanted.items()):
                return {
                    **{ours: one.get(theirs) or "" for ours, theirs in {**DESTINATIONS, **TARGETS}.items()},
                    "instanceId": one.get("InstanceId") or "",
                    "instanceOwnerId": one.get("InstanceOwnerId") or "",
                    "origin": one.get("Origin") or "",
                    "routeTableId": inputs["routeTableId"],
                    "state": one.get("State") or "",
                }
        return None

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_route(RouteTableId=outputs["routeTableId"], **renamed(outputs, DESTINATIONS))


class RouteTableAssociation(Ec2Resource):
    """A subnet's, or a gateway's, choice of a table."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    args = "pulumi_aws.ec2:RouteTableAssociationArgs"
    label, tagging, deleted_first = "EC2 Route Table Association", "", True
    block = Block(
        absent={**nothing("gatewayId routeTableId subnetId"), **computed("region")},
        replaces=words("gatewayId subnetId region"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {"routeTableId": "RouteTableId", "subnetId": "SubnetId", "gatewayId": "GatewayId"}
        return aws.of("ec2").associate_route_table(**renamed(inputs, names))["AssociationId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen and seen.get("routeTableId") != inputs["routeTableId"]:
            aws.of("ec2").replace_route_table_association(
                AssociationId=id, RouteTableId=inputs["routeTableId"]
            )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        subnet, gateway = inputs.get("subnetId"), inputs.get("gatewayId")
        table = aws.of("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"][0]
        for one in table["Associations"]:
            if (subnet and one.get("SubnetId") == subnet) or (gateway and one.get("GatewayId") == gateway):
                return {
                    "gatewayId": gateway or "",
                    "routeTableId": table["RouteTableId"],
                    "subnetId": subnet or "",
                }
        return None

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        # A change of the table gives the association a new id, which state does not learn.
        table = aws.of("ec2").describe_route_tables(RouteTableIds=[outputs["routeTableId"]])["RouteTables"][0]
        for one in table["Associations"]:
            mine = one["RouteTableAssociationId"] == id or (
                outputs.get("subnetId") and one.get("SubnetId") == outputs["subnetId"]
            )
            if mine:
                aws.of("ec2").disassociate_route_table(AssociationId=one["RouteTableAssociationId"])
