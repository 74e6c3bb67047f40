"""Network: an existing VPC, or a new one of two or three zones."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Literal

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output, ResourceOptions

from components.errors import ArgumentError
from components.network_egress import create_endpoints, create_nat_routes, create_public_routes

MOST_ZONES = 3


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Either `vpc_id` and its subnets, or the shape of a new VPC."""

    region: str
    """The AWS region, for the names of its endpoints. No default."""
    vpc_id: str | None = None
    """An existing VPC. Defaults to a new one."""
    public_subnets: Sequence[str] = ()
    """Subnets of an existing VPC for load balancers. Defaults to none."""
    private_subnets: Sequence[str] = ()
    """Subnets of an existing VPC for tasks. Defaults to none."""
    cidr: str = "10.20.0.0/16"
    """Addresses of a new VPC. Defaults to 10.20.0.0/16."""
    zones: int = 2
    """Availability zones of a new VPC, 2 or 3. Defaults to 2."""
    nat: Literal["none", "one", "each-zone"] = "one"
    """NAT gateways of a new VPC. Defaults to `one`."""
    endpoints: bool = True
    """Private ways to ECR, S3, Logs and Secrets Manager, in a new VPC. Defaults to true."""


class Network(pulumi.ComponentResource):
    """Where load balancers (public) and tasks (private) live.

    Raises:
        ArgumentError: too few subnets or zones, or no way to pull an image.
    """

    vpc_id: Output[str]
    """The VPC."""
    public_subnets: Output[list[str]]
    """Subnets that the internet reaches, one a zone."""
    private_subnets: Output[list[str]]
    """Subnets that it does not, one a zone."""

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:network:Network", name, None, opts)
        self._name, self._args = name, args
        check(args)
        if args.vpc_id:
            self.vpc_id = Output.from_input(args.vpc_id)
            self.public_subnets = Output.from_input(list(args.public_subnets))
            self.private_subnets = Output.from_input(list(args.private_subnets))
        else:
            self._create_vpc()
        self.register_outputs(
            {
                "vpcId": self.vpc_id,
                "publicSubnets": self.public_subnets,
                "privateSubnets": self.private_subnets,
            }
        )

    def child(self, **more: Any) -> ResourceOptions:
        """Options of a child."""
        return ResourceOptions(parent=self, **more)

    def _create_vpc(self) -> None:
        args, name = self._args, self._name
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=self.child(),
        )
        zones = zone_names(args, self)
        public = self._create_subnets("public", vpc.id, zones)
        private = self._create_subnets("private", vpc.id, zones)
        internet = create_public_routes(self, name, vpc.id, public)
        tables, out = create_nat_routes(self, name, vpc.id, public, private, nat=args.nat, needs=internet)
        if args.endpoints:
            out += create_endpoints(self, name, vpc, private, tables, region=args.region)
        self.vpc_id = vpc.id
        self.public_subnets = _usable(public, internet)
        self.private_subnets = _usable(private, out)

    def _create_subnets(self, kind: str, vpc_id: Input[str], zones: list[str]) -> list[aws.ec2.Subnet]:
        blocks = subnet_blocks(self._args.cidr)[kind]
        return [
            aws.ec2.Subnet(
                f"{self._name}-{kind}-{number}",
                vpc_id=vpc_id,
                cidr_block=blocks[number],
                # Without it two subnets may land in one zone, and a load balancer needs two.
                availability_zone=zone,
                tags={"Name": f"{self._name}-{kind}-{number}"},
                opts=self.child(),
            )
            for number, zone in enumerate(zones)
        ]


def _usable(subnets: list[aws.ec2.Subnet], ways: list[pulumi.CustomResource]) -> Output[list[str]]:
    """The ids of subnets, known once what is put there has a way out."""
    ids = [subnet.id for subnet in subnets]
    return Output.all(*ids, *[way.id for way in ways]).apply(lambda known: known[: len(ids)])


def subnet_blocks(cidr: str) -> dict[str, list[str]]:
    """Eighths of a VPC: public from the first, private from the fifth, so that a third zone moves nothing."""
    eighths = [str(block) for block in IPv4Network(cidr).subnets(prefixlen_diff=3)]
    return {"public": eighths[:MOST_ZONES], "private": eighths[4 : 4 + MOST_ZONES]}


def zone_names(args: NetworkArgs, owner: pulumi.Resource) -> list[str]:
    """The first zones of the region, by name, that need no opting in.

    Raises:
        ArgumentError: the region has fewer.
    """
    found = aws.get_availability_zones(
        state="available",
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        opts=pulumi.InvokeOptions(parent=owner),
    )
    names = sorted(found.names)
    if len(names) < args.zones:
        raise ArgumentError(
            f"{args.region} offers {len(names)} availability zones, and zones is {args.zones}\n"
            f"  fix: pulumi config set --path 'antgent:service.ecs.network.zones' {max(len(names), 2)}"
        )
    return names[: args.zones]


def check(args: NetworkArgs) -> None:
    """Refuse what no task or load balancer could use.

    Raises:
        ArgumentError: with the rule, the value and the remedy.
    """
    path = "antgent:service.ecs.network"
    if args.vpc_id:
        if len(set(args.public_subnets)) < 2 or not args.private_subnets:
            raise ArgumentError(
                f"{args.vpc_id} comes with {len(set(args.public_subnets))} public and "
                f"{len(args.private_subnets)} private subnets; a load balancer needs two public ones, in two "
                f"zones, and tasks need a private one\n  fix: add them to {path}.publicSubnets and privateSubnets"
            )
        return
    if not 2 <= args.zones <= MOST_ZONES:
        raise ArgumentError(
            f"zones is {args.zones}, and must be 2 or {MOST_ZONES}\n"
            f"  fix: pulumi config set --path '{path}.zones' 2"
        )
    if not 16 <= IPv4Network(args.cidr).prefixlen <= 24:
        raise ArgumentError(
            f"cidr is {args.cidr}, and must be a block of a /16 to a /24\n"
            f"  fix: pulumi config set --path '{path}.cidr' 10.20.0.0/16"
        )
    if args.nat == "none" and not args.endpoints:
        raise ArgumentError(
            "nat is none and endpoints is false: no task could pull its image\n"
            f"  fix: pulumi config set --path '{path}.endpoints' true"
        )
