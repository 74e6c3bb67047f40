"""Blue/green by ECS itself: the new release beside the last one, then all requests to it at once."""

from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from pulumi import Input, Output

from components.ecs_documents import assume_policy, shift_policy
from components.ecs_load_balancer import LoadBalancer, LoadBalancerArgs, create_targets
from components.ecs_roles import document
from components.service import ServerArgs

if TYPE_CHECKING:
    from components.ecs_service import EcsService

BAKE_MINUTES = 5
"""How long the last release stays beside the new one, so that an alarm brings it back at once."""


def create_shift(
    owner: "EcsService",
    name: str,
    args: LoadBalancerArgs,
    server: ServerArgs,
    balancer: LoadBalancer,
    *,
    vpc_id: Input[str],
    account: Output[str],
) -> aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs:
    """A second target group, a rule that ECS moves between the two, and the role to do so."""
    blue, listener = balancer.target_group, balancer.listeners[-1]
    green = create_targets(owner, f"{name}-green", args, server, vpc_id)
    group = aws.lb.ListenerRuleActionForwardTargetGroupArgs
    weights = [group(arn=blue.arn, weight=100), group(arn=green.arn, weight=0)]
    every_path = aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
    rule = aws.lb.ListenerRule(
        f"{name}-production",
        listener_arn=listener.arn,
        priority=1,
        conditions=[aws.lb.ListenerRuleConditionArgs(path_pattern=every_path)],
        actions=[
            aws.lb.ListenerRuleActionArgs(
                type="forward", forward=aws.lb.ListenerRuleActionForwardArgs(target_groups=weights)
            )
        ],
        # ECS moves the weights with every release.
        opts=owner.child(ignore_changes=["actions"]),
    )
    arns = Output.all(listener.arn, rule.arn, blue.arn, green.arn)
    return aws.ecs.ServiceLoadBalancerAdvancedConfigurationArgs(
        alternate_target_group_arn=green.arn,
        production_listener_rule=rule.arn,
        role_arn=_create_role(owner, f"{name}-shift", account, arns),
    )


def _create_role(
    owner: "EcsService", name: str, account: Output[str], arns: Output[list[str]]
) -> Output[str]:
    """The ARN of a role that may shift requests, known once it may.

    Args:
        arns: of the listener, its rule and both target groups.
    """
    role = aws.iam.Role(
        name,
        assume_role_policy=document(account.apply(lambda one: assume_policy(one, "ecs.amazonaws.com"))),
        opts=owner.child(),
    )
    allowed = aws.iam.RolePolicy(
        f"{name}-policy",
        role=role.name,
        policy=document(arns.apply(lambda all_: shift_policy(listeners=all_[:2], targets=all_[2:]))),
        opts=owner.child(),
    )
    return Output.all(role.arn, allowed.id).apply(lambda all_: all_[0])


def blue_green() -> dict[str, Any]:
    """The service's side of it; the circuit breaker is for rolling updates only, alarms remain."""
    return {
        "deployment_circuit_breaker": None,
        "deployment_configuration": aws.ecs.ServiceDeploymentConfigurationArgs(
            strategy="BLUE_GREEN", bake_time_in_minutes=str(BAKE_MINUTES)
        ),
    }
