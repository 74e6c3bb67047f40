"""The AWS stand-in: the types the product uses, by boto3 against `AWS_ENDPOINT_URL`.

Each type is a row: its token, the SDK's class that checks names and types, a `Block` of facts (what
replaces it, defaults, what AWS decides), and four handlers. aws_resource.py says what is common.

Where it differs from the official plugin on purpose:
- in the sandbox (`SANDBOX_REGISTRY`), a repository's URL, the registry login and image look-ups lead to
  the sandbox's real registry, and a repository counts as empty when that has no tag of it;
- of what moto forgets (an ECS service's alarms, circuit breaker, grace period and rebalancing, a scalable
  target's tags), state shows what was asked for, and a refresh finds no drift of it;
- it waits for nothing: in moto everything is there at once, and `waitForSteadyState` is refused;
- `namePrefix` and each type's `unsupported` properties are refused rather than ignored.
"""

import contextlib

from sandbox.providers import (
    aws_ecr,
    aws_ecs,
    aws_edge,
    aws_gateways,
    aws_iam,
    aws_lb,
    aws_listener,
    aws_listener_rule,
    aws_oidc,
    aws_routes,
    aws_rules,
    aws_scaling,
    aws_secrets,
    aws_security,
    aws_service,
    aws_sns,
    aws_targets,
    aws_tasks,
    aws_vpc,
    aws_watch,
)
from sandbox.providers.aws_client import AwsClients, check_settings, opened
from sandbox.providers.aws_functions import FUNCTIONS
from sandbox.providers.base import Provider
from sandbox.providers.diffs import Diff, compare
from sandbox.providers.resource import Props
from sandbox.providers.session import Call

# The rest of the settings say how to reach AWS, not where things are.
_MOVES = {"region"}


class Aws(Provider):
    """Serves `aws:*`; every session has clients of its own account and region."""

    package = "aws"
    resources = (
        aws_ecr.Repository(), aws_ecr.LifecyclePolicy(), aws_ecr.RepositoryPolicy(),
        aws_ecr.ReplicationConfiguration(), aws_ecr.RegistryScanningConfiguration(),
        aws_iam.Role(), aws_iam.RolePolicy(), aws_iam.Policy(), aws_iam.RolePolicyAttachment(),
        aws_oidc.OpenIdConnectProvider(),
        aws_vpc.Vpc(), aws_vpc.Subnet(), aws_gateways.InternetGateway(), aws_gateways.Eip(),
        aws_gateways.NatGateway(), aws_gateways.VpcEndpoint(),
        aws_routes.RouteTable(), aws_routes.Route(), aws_routes.RouteTableAssociation(),
        aws_security.SecurityGroup(), aws_rules.SecurityGroupRule(),
        aws_rules.SecurityGroupIngressRule(), aws_rules.SecurityGroupEgressRule(),
        aws_ecs.Cluster(), aws_ecs.ClusterCapacityProviders(), aws_tasks.TaskDefinition(), aws_service.Service(),
        aws_lb.LoadBalancer(), aws_targets.TargetGroup(), aws_listener.Listener(), aws_listener_rule.ListenerRule(),
        aws_scaling.Target(), aws_scaling.Policy(),
        aws_watch.LogGroup(), aws_watch.MetricAlarm(), aws_watch.Dashboard(),
        aws_sns.Topic(), aws_sns.TopicSubscription(),
        aws_secrets.Secret(), aws_secrets.SecretVersion(), aws_secrets.Key(), aws_secrets.Alias(),
        aws_edge.Record(), aws_edge.Certificate(), aws_edge.WebAclAssociation(),
    )  # fmt: skip
    functions = FUNCTIONS

    def check_config(self, call: Call, old: Props, new: Props) -> Props:  # noqa: ARG002
        check_settings(opened(new))
        return new

    def diff_config(self, call: Call, old: Props, new: Props) -> Diff:  # noqa: ARG002
        changes = compare(old, new)
        replaces = sorted(_MOVES & {*changes})
        detailed = {path: f"{kind}_REPLACE" if path in _MOVES else kind for path, kind in changes.items()}
        return Diff(detailed=detailed, diffs=sorted(changes), replaces=replaces)

    def connect(self, config: Props) -> AwsClients:
        clients = AwsClients(opened(config))
        clients.check_account()
        return clients

    def warm_up(self) -> None:
        import boto3  # noqa: F401
        import httpx  # noqa: F401

        from sandbox.providers.sdk_types import problems

        for resource in self.resources:
            with contextlib.suppress(Exception):
                problems(resource.args, {})
