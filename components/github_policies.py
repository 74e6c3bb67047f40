"""The documents of CI's roles: who may take each, and what it may do. Pure functions, tested alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.registry_policies import PUSH_ACTIONS, READ_ACTIONS, policy, statement

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
PROJECT = "antgent"
ROLE_PREFIX = "antgent-ci"

READS: Mapping[str, Sequence[str]] = {
    "application-autoscaling": ("DescribeScalableTargets", "DescribeScalingPolicies", "ListTagsForResource"),
    "cloudwatch": ("DescribeAlarms", "GetDashboard", "ListTagsForResource"),
    "ec2": tuple(
        f"Describe{what}"
        for what in (
            "Addresses", "AddressesAttribute", "AvailabilityZones", "InternetGateways", "NatGateways",
            "NetworkAcls", "NetworkInterfaces", "PrefixLists", "RouteTables", "SecurityGroupRules",
            "SecurityGroups", "Subnets", "Tags", "VpcAttribute", "VpcEndpoints", "Vpcs",
        )
    ),
    "ecr": (
        "DescribeRegistry", "DescribeRepositories", "GetAuthorizationToken", "GetLifecyclePolicy",
        "GetRegistryScanningConfiguration", "GetRepositoryPolicy", "ListTagsForResource",
        *(action.partition(":")[2] for action in READ_ACTIONS),
    ),
    "ecs": (
        "DescribeClusters", "DescribeServiceDeployments", "DescribeServiceRevisions", "DescribeServices",
        "DescribeTaskDefinition", "DescribeTasks", "ListServiceDeployments", "ListServices",
        "ListTagsForResource", "ListTasks",
    ),
    "elasticloadbalancing": tuple(
        f"Describe{what}"
        for what in (
            "ListenerAttributes", "ListenerCertificates", "Listeners", "LoadBalancerAttributes",
            "LoadBalancers", "Rules", "Tags", "TargetGroupAttributes", "TargetGroups", "TargetHealth",
        )
    ),
    "iam": (
        "GetOpenIDConnectProvider", "GetPolicy", "GetPolicyVersion", "GetRole", "GetRolePolicy",
        "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListOpenIDConnectProviders",
        "ListPolicyVersions", "ListRolePolicies", "ListRoleTags",
    ),
    "logs": ("DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents",
             "ListTagsForResource"),
    "route53": ("GetChange", "GetHostedZone", "ListResourceRecordSets"),
    "secretsmanager": ("DescribeSecret", "GetResourcePolicy", "ListSecretVersionIds"),
    "sns": ("GetSubscriptionAttributes", "GetTopicAttributes", "ListSubscriptionsByTopic",
            "ListTagsForResource"),
    "wafv2": ("GetWebACL", "GetWebACLForResource"),
}  # fmt: skip
"""What previews and drift checks read. No secret's value is among it."""

NAMED: Mapping[str, tuple[Sequence[str], str]] = {
    "application-autoscaling": (
        ("DeleteScalingPolicy", "DeregisterScalableTarget", "PutScalingPolicy", "RegisterScalableTarget",
         "TagResource", "UntagResource"),
        "scalable-target/*",
    ),
    "cloudwatch": (
        ("DeleteAlarms", "DeleteDashboards", "PutDashboard", "PutMetricAlarm", "TagResource",
         "UntagResource"),
        "alarm:{project}-*",
    ),
    "ecs": (
        ("CreateService", "DeleteCluster", "DeleteService", "PutClusterCapacityProviders",
         "RegisterTaskDefinition", "TagResource", "UntagResource", "UpdateCluster", "UpdateService"),
        "*/{project}-*",
    ),
    "logs": (
        ("CreateLogGroup", "DeleteLogGroup", "DeleteRetentionPolicy", "PutRetentionPolicy", "TagResource",
         "UntagResource"),
        "log-group:{project}-*",
    ),
    "secretsmanager": (
        ("CreateSecret", "DeleteSecret", "GetSecretValue", "PutSecretValue", "TagResource",
         "UntagResource", "UpdateSecret"),
        "secret:{project}-*",
    ),
    "sns": (
        ("CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"),
        "{project}-*",
    ),
}  # fmt: skip
"""What a deploy changes by name: actions, and the resources below the account."""

TAGGED: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "ec2": (
        ("AllocateAddress", "CreateInternetGateway", "CreateNatGateway", "CreateRouteTable",
         "CreateSecurityGroup", "CreateSubnet", "CreateVpc", "CreateVpcEndpoint"),
        ("AssociateRouteTable", "AttachInternetGateway", "AuthorizeSecurityGroupEgress",
         "AuthorizeSecurityGroupIngress", "CreateRoute", "DeleteInternetGateway", "DeleteNatGateway",
         "DeleteRoute", "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet", "DeleteTags",
         "DeleteVpc", "DeleteVpcEndpoints", "DetachInternetGateway", "DisassociateRouteTable",
         "ModifySecurityGroupRules", "ModifySubnetAttribute", "ModifyVpcAttribute", "ModifyVpcEndpoint",
         "ReleaseAddress", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
    ),
    "ecs": (("CreateCluster",), ()),
    "elasticloadbalancing": (
        ("CreateListener", "CreateLoadBalancer", "CreateRule", "CreateTargetGroup"),
        ("DeleteListener", "DeleteLoadBalancer", "DeleteRule", "DeleteTargetGroup", "DeregisterTargets",
         "ModifyListener", "ModifyListenerAttributes", "ModifyLoadBalancerAttributes", "ModifyRule",
         "ModifyTargetGroup", "ModifyTargetGroupAttributes", "RemoveTags", "SetRulePriorities",
         "SetSecurityGroups", "SetSubnets"),
    ),
}  # fmt: skip
"""What a deploy changes by the tag `project`: actions that set it, and actions on what has it."""

ROLES = [
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRole",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePolicy",
    "TagRole",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
]


def trust_policy(provider: str, repository: str, subjects: Sequence[str]) -> dict[str, Any]:
    """Who may take a role: the repository's tokens with one of these subjects, and no others.

    Args:
        provider: ARN of the identity provider.
        repository: `owner/name`.
        subjects: what GitHub writes after the repository: `pull_request`, `environment:production`.
    """
    wanted = [f"repo:{repository}:{subject}" for subject in sorted(subjects)]
    return policy(
        {
            "Sid": "Workflows",
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": AUDIENCE,
                    f"{ISSUER}:sub": wanted[0] if len(wanted) == 1 else wanted,
                }
            },
        }
    )


def preview_policy(*, bucket: str | None, key: str | None, assume: Sequence[str] = ()) -> dict[str, Any]:
    """What the preview role may do: read, and decrypt what the stacks' state encrypts.

    Args:
        bucket: the S3 bucket of the state, None where it is elsewhere.
        key: ARN of the KMS key of the stacks' secrets, None for another secrets provider.
        assume: ARNs of read-only roles in other accounts.
    """
    reads = [f"{service}:{action}" for service, actions in READS.items() for action in actions]
    statements = [statement(sorted(set(reads)), ["*"], sid="Read")]
    if bucket:
        statements += _state(bucket, write=False)
    if key:
        statements.append(statement(["kms:Decrypt", "kms:DescribeKey"], [key], sid="DecryptState"))
    if assume:
        statements.append(statement(["sts:AssumeRole"], list(assume), sid="OtherAccounts"))
    return policy(*statements)


def deploy_policy(
    account: str, *, bucket: str | None, key: str | None, assume: Sequence[str] = ()
) -> dict[str, Any]:
    """What a role that deploys may do, beside reading: change what is the project's, and push images.

    Args:
        account: the account whose resources it may change; the others are as for `preview_policy`.
    """
    statements = [
        statement(sorted(PUSH_ACTIONS), [f"arn:aws:ecr:*:{account}:repository/{PROJECT}*"], sid="Push"),
        *_named(account),
        *_tagged(),
        *_roles(account),
        # A deregistered revision has no resource that AWS would check.
        _where(["ecs:DeregisterTaskDefinition"], {"StringEquals": {"aws:PrincipalAccount": account}},
               sid="GiveUpTaskDefinitions"),
        statement(["route53:ChangeResourceRecordSets"], ["arn:aws:route53:::hostedzone/*"], sid="Names"),
    ]  # fmt: skip
    if bucket:
        statements += _state(bucket, write=True)
    if key:
        statements.append(
            statement(["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"], [key], sid="StateSecrets")
        )
    if assume:
        statements.append(statement(["sts:AssumeRole"], list(assume), sid="OtherAccounts"))
    return policy(*statements)


def _named(account: str) -> list[dict[str, Any]]:
    return [
        statement(
            [f"{service}:{action}" for action in actions],
            [f"arn:aws:{service}:*:{account}:{resource.format(project=PROJECT)}"],
            sid=f"Own{service.title().replace('-', '')}",
        )
        for service, (actions, resource) in NAMED.items()
    ]


def _tagged() -> list[dict[str, Any]]:
    asked = {"StringEquals": {"aws:RequestTag/project": PROJECT}}
    has = {"StringEquals": {"aws:ResourceTag/project": PROJECT}}
    found = []
    for service, (creates, changes) in TAGGED.items():
        name = service.title()
        found.append(_where([f"{service}:{action}" for action in creates], asked, sid=f"Create{name}"))
        if changes:
            found.append(_where([f"{service}:{action}" for action in changes], has, sid=f"Change{name}"))
    # Without it nothing can be created with the tag in the first place.
    found.append(_where(["ec2:CreateTags", "elasticloadbalancing:AddTags"], asked, sid="Tag"))
    # What is created stands in the VPC or on the load balancer, which have the tag already.
    within = ["ec2:CreateNatGateway", "ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet",
              "ec2:CreateVpcEndpoint", "elasticloadbalancing:CreateListener",
              "elasticloadbalancing:CreateRule"]  # fmt: skip
    return [*found, _where(within, has, sid="CreateWithin")]


def _roles(account: str) -> list[dict[str, Any]]:
    """The roles of tasks; CI's own are denied, or a workflow could give itself more rights."""
    own = f"arn:aws:iam::{account}:role/{PROJECT}-*"
    to_ecs = {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]}}
    mine = statement([f"iam:{action}" for action in ROLES], [f"arn:aws:iam::{account}:role/{ROLE_PREFIX}-*"],
                     sid="NotItself")  # fmt: skip
    return [
        statement([f"iam:{action}" for action in ROLES], [own], sid="TaskRoles"),
        statement(["iam:PassRole"], [own], sid="PassTaskRoles") | {"Condition": to_ecs},
        mine | {"Effect": "Deny"},
    ]


def _state(bucket: str, *, write: bool) -> list[dict[str, Any]]:
    arn = f"arn:aws:s3:::{bucket}"
    objects = ["s3:GetObject", *(["s3:DeleteObject", "s3:PutObject"] if write else [])]
    return [
        statement(["s3:GetBucketLocation", "s3:ListBucket"], [arn], sid="ListState"),
        statement(objects, [f"{arn}/*"], sid="State"),
    ]


def _where(actions: Sequence[str], condition: Mapping[str, Any], *, sid: str) -> dict[str, Any]:
    return statement(actions, ["*"], sid=sid) | {"Condition": dict(condition)}
