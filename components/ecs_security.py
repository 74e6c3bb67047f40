"""Who may talk to whom: the load balancer to the server, nobody to the worker."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Input

if TYPE_CHECKING:
    from components.ecs_service import EcsService

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class SecurityGroups:
    """The three groups of a service."""

    load_balancer: aws.ec2.SecurityGroup
    server: aws.ec2.SecurityGroup
    worker: aws.ec2.SecurityGroup


def create_security_groups(
    owner: "EcsService", name: str, *, vpc_id: Input[str], port: int, public_ports: list[int]
) -> SecurityGroups:
    """Create the groups; tasks may go out anywhere, because antgent's model APIs have no fixed addresses.

    Args:
        port: the server's.
        public_ports: the load balancer's.
    """
    described = {
        "load-balancer": "Load balancer: what comes in from its clients",
        "server": "Server tasks: only the load balancer comes in",
        "worker": "Worker tasks: nobody comes in",
    }
    groups = {
        role: aws.ec2.SecurityGroup(
            f"{name}-{role}", description=description, vpc_id=vpc_id, opts=owner.child()
        )
        for role, description in described.items()
    }
    found = SecurityGroups(*groups.values())
    _let_in(owner, name, found, port, public_ports)
    for role, group in (("server", found.server), ("worker", found.worker)):
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-{role}-out",
            security_group_id=group.id,
            description="Temporal, model APIs, AWS",
            cidr_ipv4=ANYWHERE,
            ip_protocol="-1",
            opts=owner.child(),
        )
    return found


def _let_in(
    owner: "EcsService", name: str, groups: SecurityGroups, port: int, public_ports: list[int]
) -> None:
    """From clients to the load balancer, and from there to the server."""
    balancer, server = groups.load_balancer, groups.server
    for public in public_ports:
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-load-balancer-{public}",
            security_group_id=balancer.id,
            description=f"Clients on {public}",
            cidr_ipv4=ANYWHERE,
            **_tcp(public),
            opts=owner.child(),
        )
    aws.vpc.SecurityGroupEgressRule(
        f"{name}-load-balancer-to-server",
        security_group_id=balancer.id,
        description="Requests and health checks",
        referenced_security_group_id=server.id,
        **_tcp(port),
        opts=owner.child(),
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-server-from-load-balancer",
        security_group_id=server.id,
        description="Requests and health checks",
        referenced_security_group_id=balancer.id,
        **_tcp(port),
        opts=owner.child(),
    )


def _tcp(port: int) -> dict[str, Any]:
    return {"ip_protocol": "tcp", "from_port": port, "to_port": port}
