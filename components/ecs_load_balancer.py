"""How requests reach the server on ECS: load balancer, certificate, name."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from components.errors import ArgumentError
from components.service import ServerArgs

if TYPE_CHECKING:
    from components.ecs_service import EcsService

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3, forward secrecy only."""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """The load balancer, and the name it answers to."""

    domain: str | None = None
    """The name; needs `certificate`. Defaults to the load balancer's own."""
    certificate: str | None = None
    """ACM certificate. Defaults to plain HTTP, with a warning."""
    zone_id: str | None = None
    """Route 53 zone that gets a record for `domain`. Defaults to none."""
    access_logs_bucket: str | None = None
    """S3 bucket of the access logs. Defaults to none."""
    web_acl: str | None = None
    """WAF web ACL. Defaults to none."""
    deletion_protection: bool = False
    """Refuse to delete it, its record and the services; in AWS and in Pulumi. Defaults to false."""
    internal: bool = False
    """Reachable from inside the VPC only. Defaults to false."""
    healthy_codes: str = "200-399"
    """Status codes of a healthy answer. Defaults to 200-399."""


@dataclass(frozen=True)
class LoadBalancer:
    """A load balancer that forwards to a target group.

    Args:
        url: where the server answers.
        listeners: what must exist before a service may register targets; the last one serves clients.
    """

    url: Output[str]
    resource: aws.lb.LoadBalancer
    target_group: aws.lb.TargetGroup
    listeners: list[aws.lb.Listener]


def public_ports(args: LoadBalancerArgs) -> list[int]:
    """The ports that clients reach."""
    return [80, 443] if args.certificate else [80]


def create_load_balancer(
    owner: "EcsService",
    name: str,
    args: LoadBalancerArgs,
    server: ServerArgs,
    *,
    vpc_id: Input[str],
    subnets: Input[list[str]],
    security_group: Input[str],
) -> LoadBalancer:
    """Create the load balancer, its listeners, and the record of its name.

    Raises:
        ArgumentError: a name without a certificate, or a record without a name.
    """
    _check(args)
    balancer = _create_balancer(owner, name, args, subnets, security_group)
    targets = create_targets(owner, f"{name}-server", args, server, vpc_id)
    forward = aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)
    listeners = _create_listeners(owner, name, args, balancer, forward)
    if args.zone_id and args.domain:
        _create_record(owner, name, args, balancer)
    if args.web_acl:
        aws.wafv2.WebAclAssociation(
            f"{name}-waf", resource_arn=balancer.arn, web_acl_arn=args.web_acl, opts=owner.child()
        )
    scheme = "https" if args.certificate else "http"
    url = Output.concat(scheme, "://", args.domain or balancer.dns_name)
    return LoadBalancer(url, balancer, targets, listeners)


def _create_balancer(
    owner: "EcsService",
    name: str,
    args: LoadBalancerArgs,
    subnets: Input[list[str]],
    security_group: Input[str],
) -> aws.lb.LoadBalancer:
    logs = None
    if args.access_logs_bucket:
        logs = aws.lb.LoadBalancerAccessLogsArgs(bucket=args.access_logs_bucket, enabled=True)
    return aws.lb.LoadBalancer(
        f"{name}-lb",
        load_balancer_type="application",
        internal=args.internal,
        subnets=subnets,
        security_groups=[security_group],
        access_logs=logs,
        drop_invalid_header_fields=True,
        enable_deletion_protection=args.deletion_protection,
        # Services and record are protected with it: AWS's refusal alone would come after they are gone.
        opts=owner.child(protect=args.deletion_protection),
    )


def create_targets(
    owner: "EcsService", name: str, args: LoadBalancerArgs, server: ServerArgs, vpc_id: Input[str]
) -> aws.lb.TargetGroup:
    """A group of server tasks, with their health check."""
    health = server.health
    interval = min(max(health.interval, 5), 300)
    return aws.lb.TargetGroup(
        name,
        port=server.port,
        protocol="HTTP",
        target_type="ip",
        vpc_id=vpc_id,
        # As long as the process gets to finish: later there is nobody to finish requests.
        deregistration_delay=server.stop_grace,
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            enabled=True,
            protocol="HTTP",
            port="traffic-port",
            path=health.path,
            matcher=args.healthy_codes,
            interval=interval,
            timeout=min(max(health.timeout, 2), interval - 1),
            healthy_threshold=2,
            unhealthy_threshold=min(max(health.retries, 2), 10),
        ),
        opts=owner.child(),
    )


def _create_listeners(
    owner: "EcsService",
    name: str,
    args: LoadBalancerArgs,
    balancer: aws.lb.LoadBalancer,
    forward: aws.lb.ListenerDefaultActionArgs,
) -> list[aws.lb.Listener]:
    if not args.certificate:
        pulumi.warn(
            "the server answers plain HTTP, which anybody on the way can read: set "
            "service.ecs.loadBalancer.domain and certificate for HTTPS",
            owner,
        )
        return [_create_listener(owner, f"{name}-http", balancer, 80, forward)]
    redirect = aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(
            port="443", protocol="HTTPS", status_code="HTTP_301"
        ),
    )
    return [
        _create_listener(owner, f"{name}-http", balancer, 80, redirect),
        _create_listener(owner, f"{name}-https", balancer, 443, forward, certificate=args.certificate),
    ]


def _create_listener(
    owner: "EcsService",
    name: str,
    balancer: aws.lb.LoadBalancer,
    port: int,
    action: aws.lb.ListenerDefaultActionArgs,
    certificate: str | None = None,
) -> aws.lb.Listener:
    return aws.lb.Listener(
        name,
        load_balancer_arn=balancer.arn,
        port=port,
        protocol="HTTPS" if certificate else "HTTP",
        certificate_arn=certificate,
        ssl_policy=TLS_POLICY if certificate else None,
        default_actions=[action],
        opts=owner.child(),
    )


def _create_record(
    owner: "EcsService", name: str, args: LoadBalancerArgs, balancer: aws.lb.LoadBalancer
) -> None:
    aws.route53.Record(
        f"{name}-record",
        zone_id=args.zone_id,
        name=args.domain,
        type="A",
        aliases=[
            aws.route53.RecordAliasArgs(
                name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True
            )
        ],
        opts=owner.child(protect=args.deletion_protection),
    )


def _check(args: LoadBalancerArgs) -> None:
    path = "antgent:service.ecs.loadBalancer"
    if args.domain and not args.certificate:
        raise ArgumentError(
            f"{args.domain} has no certificate, and a name without HTTPS is not offered\n"
            f"  fix: pulumi config set --path '{path}.certificate' <ARN of an ACM certificate>"
        )
    if args.zone_id and not args.domain:
        raise ArgumentError(
            f"the zone {args.zone_id} gets no record without a name\n"
            f"  fix: pulumi config set --path '{path}.domain' antgent.example.com"
        )
