"""How a new VPC reaches the internet and AWS: gateways, routes and endpoints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import CustomResource, Input

if TYPE_CHECKING:
    from components.network import Network

INTERFACES = ("ecr.api", "ecr.dkr", "logs", "secretsmanager")
"""Services that tasks call before and while they run; S3, where ECR keeps layers, has a gateway."""
ANYWHERE = "0.0.0.0/0"


def create_public_routes(
    owner: "Network", name: str, vpc_id: Input[str], subnets: Sequence[aws.ec2.Subnet]
) -> list[CustomResource]:
    """An internet gateway, and the public subnets' way to it; returns what a load balancer waits for."""
    gateway = aws.ec2.InternetGateway(
        f"{name}-internet", vpc_id=vpc_id, tags={"Name": name}, opts=owner.child()
    )
    table = _create_table(owner, f"{name}-public", vpc_id, subnets)
    route = aws.ec2.Route(
        f"{name}-public-internet",
        route_table_id=table.id,
        destination_cidr_block=ANYWHERE,
        gateway_id=gateway.id,
        opts=owner.child(),
    )
    return [route]


def create_nat_routes(
    owner: "Network",
    name: str,
    vpc_id: Input[str],
    public: Sequence[aws.ec2.Subnet],
    private: Sequence[aws.ec2.Subnet],
    *,
    nat: str,
    needs: Sequence[CustomResource],
) -> tuple[list[aws.ec2.RouteTable], list[CustomResource]]:
    """A route table for each private subnet, with a way out through NAT; and what tasks wait for.

    Args:
        nat: `none`, `one` (cheaper; its zone is everybody's) or `each-zone`.
        needs: the way to the internet, without which AWS makes no NAT gateway.
    """
    count = {"none": 0, "one": 1, "each-zone": len(public)}[nat]
    gateways = [_create_nat(owner, f"{name}-nat-{number}", public[number], needs) for number in range(count)]
    tables: list[aws.ec2.RouteTable] = []
    routes: list[CustomResource] = []
    for number, subnet in enumerate(private):
        table = _create_table(owner, f"{name}-private-{number}", vpc_id, [subnet])
        tables.append(table)
        if gateways:
            route = aws.ec2.Route(
                f"{name}-private-{number}-nat",
                route_table_id=table.id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=gateways[number % count].id,
                opts=owner.child(),
            )
            routes.append(route)
    return tables, routes


def create_endpoints(
    owner: "Network",
    name: str,
    vpc: aws.ec2.Vpc,
    subnets: Sequence[aws.ec2.Subnet],
    tables: Sequence[aws.ec2.RouteTable],
    *,
    region: str,
) -> list[CustomResource]:
    """Private ways to the AWS services that tasks need, so that pulling an image needs no NAT."""
    group = _create_group(owner, name, vpc)
    gateway = aws.ec2.VpcEndpoint(
        f"{name}-s3",
        vpc_id=vpc.id,
        vpc_endpoint_type="Gateway",
        service_name=f"com.amazonaws.{region}.s3",
        route_table_ids=[table.id for table in tables],
        tags={"Name": f"{name}-s3"},
        opts=owner.child(),
    )
    interfaces = [
        aws.ec2.VpcEndpoint(
            f"{name}-{service.replace('.', '-')}",
            vpc_id=vpc.id,
            vpc_endpoint_type="Interface",
            service_name=f"com.amazonaws.{region}.{service}",
            private_dns_enabled=True,
            subnet_ids=[subnet.id for subnet in subnets],
            security_group_ids=[group.id],
            tags={"Name": f"{name}-{service}"},
            opts=owner.child(),
        )
        for service in INTERFACES
    ]
    return [gateway, *interfaces]


def _create_group(owner: "Network", name: str, vpc: aws.ec2.Vpc) -> aws.ec2.SecurityGroup:
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description="HTTPS from inside the VPC to AWS endpoints",
        vpc_id=vpc.id,
        opts=owner.child(),
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-endpoints-https",
        security_group_id=group.id,
        description="HTTPS from inside the VPC",
        cidr_ipv4=vpc.cidr_block,
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        opts=owner.child(),
    )
    return group


def _create_table(
    owner: "Network", name: str, vpc_id: Input[str], subnets: Sequence[aws.ec2.Subnet]
) -> aws.ec2.RouteTable:
    table = aws.ec2.RouteTable(f"{name}-routes", vpc_id=vpc_id, tags={"Name": name}, opts=owner.child())
    for number, subnet in enumerate(subnets):
        aws.ec2.RouteTableAssociation(
            f"{name}-routes-{number}", route_table_id=table.id, subnet_id=subnet.id, opts=owner.child()
        )
    return table


def _create_nat(
    owner: "Network", name: str, subnet: aws.ec2.Subnet, needs: Sequence[CustomResource]
) -> aws.ec2.NatGateway:
    address = aws.ec2.Eip(f"{name}-address", domain="vpc", tags={"Name": name}, opts=owner.child())
    return aws.ec2.NatGateway(
        name,
        allocation_id=address.id,
        subnet_id=subnet.id,
        tags={"Name": name},
        opts=owner.child(depends_on=list(needs)),
    )
