"""CI's roles: what each may do, decided action by action by moto's evaluation of IAM policies."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count
from moto.iam.access_control import IAMPolicy, PermissionResult
from policy_sentry.querying.actions import get_action_data, get_actions_with_access_level

from components.github_policies import ISSUER, READS, deploy_policy, preview_policy, trust_policy
from components.rollout_ecs import ACTIONS as ROLLOUT_ACTIONS
from policies import Resource, violations

ACCOUNT = "111122223333"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:iam::222233334444:role/antgent-ci-preview"
PREVIEW = preview_policy(bucket="antgent-state", key=KEY)
DEPLOY = deploy_policy(ACCOUNT, bucket="antgent-state", key=KEY)
WRITES = ("Write", "Tagging", "Permissions management")
SERVICES = sorted(
    {*READS, "acm", "ssm", "s3", "kms", "sts", "lambda", "dynamodb", "cloudtrail", "ssmmessages"}
)
ALLOWED_ALL_THE_SAME = {
    "kms:Decrypt": "AWS counts it as writing; it changes nothing, and without it no state can be read"
}
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allowed(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether moto's evaluation lets a policy do something to a resource."""
    found = IAMPolicy(json.dumps(policy)).is_action_permitted(action, resource)
    return found == PermissionResult.PERMITTED


def resources(policy: Mapping[str, Any]) -> list[str]:
    """Every resource that a policy names, and one that it does not."""
    named = {each for one in policy["Statement"] for each in listed(one["Resource"])}
    return [*sorted(named), f"arn:aws:iam::{ACCOUNT}:role/antgent-server-task"]


def writing_actions(service: str) -> list[str]:
    """What AWS's own reference says changes something."""
    return sorted({one for level in WRITES for one in get_actions_with_access_level(service, level)})


@pytest.mark.parametrize("service", SERVICES)
def test_the_preview_role_can_do_nothing_that_writes(service: str) -> None:
    """A pull request runs code that nobody has reviewed yet."""
    actions = writing_actions(service)
    assert actions, f"AWS's reference knows no writing action of {service}"
    found = {
        action for action in actions for resource in resources(PREVIEW) if allowed(PREVIEW, action, resource)
    }
    assert found <= ALLOWED_ALL_THE_SAME.keys()


def test_the_evaluation_would_see_a_preview_role_that_writes() -> None:
    """A test that can only pass protects nothing."""
    sloppy = {**PREVIEW, "Statement": [{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}]}
    assert all(allowed(sloppy, action, "*") for action in writing_actions("ecs"))


@pytest.mark.parametrize(
    "action", ["secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters", "iam:PassRole"]
)
def test_the_preview_role_reads_no_secrets(action: str) -> None:
    """What a pull request could read, it could send away."""
    assert not any(allowed(PREVIEW, action, resource) for resource in resources(PREVIEW))


def test_a_preview_reads_state_and_does_not_write_it() -> None:
    """The state of all stacks lies in one bucket."""
    here = "arn:aws:s3:::antgent-state/.pulumi/stacks/antgent/prod.json"
    assert allowed(PREVIEW, "s3:GetObject", here)
    assert not allowed(PREVIEW, "s3:PutObject", here)
    assert not allowed(PREVIEW, "s3:GetObject", "arn:aws:s3:::another/file")


def test_what_a_rollout_watches_every_role_may_read() -> None:
    """Without it a deploy could not say what became of it."""
    for action in ROLLOUT_ACTIONS:
        assert allowed(PREVIEW, action, "*"), action


def test_a_deploy_may_change_what_is_the_projects_and_nothing_else() -> None:
    """A wrong account or another team's service is out of reach."""
    service = "arn:aws:ecs:eu-west-1:{}:service/{}/antgent-server"
    assert allowed(DEPLOY, "ecs:UpdateService", service.format(ACCOUNT, "antgent-cluster"))
    assert not allowed(DEPLOY, "ecs:UpdateService", service.format("999999999999", "antgent-cluster"))
    assert not allowed(DEPLOY, "ecs:UpdateService", f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/shop/shop-web")
    assert allowed(DEPLOY, "ecr:PutImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/antgent")
    assert not allowed(DEPLOY, "ecr:PutImage", f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/shop")


@pytest.mark.parametrize("action", ["PutRolePolicy", "UpdateAssumeRolePolicy", "AttachRolePolicy"])
def test_a_deploy_cannot_give_itself_more_rights(action: str) -> None:
    """Whoever may write CI's roles is an administrator."""
    for role in ("preview", "staging", "production"):
        assert not allowed(DEPLOY, f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/antgent-ci-{role}")
    assert allowed(DEPLOY, f"iam:{action}", f"arn:aws:iam::{ACCOUNT}:role/antgent-server-task-1a2b")


@pytest.mark.parametrize("policy", [PREVIEW, DEPLOY], ids=["preview", "deploy"])
def test_every_action_is_one_that_aws_knows(policy: dict[str, Any]) -> None:
    """A misspelt action is silently never allowed."""
    for one in policy["Statement"]:
        for action in listed(one["Action"]):
            service, _, name = action.partition(":")
            assert get_action_data(service, name), action


def test_the_policies_of_a_role_fit_into_it() -> None:
    """AWS takes 10,240 characters of inline policies a role."""
    documents = [preview_policy(bucket=None, key=None), deploy_policy(ACCOUNT, bucket="b" * 63, key=KEY)]
    assert sum(len(json.dumps(one, separators=(",", ":"))) for one in documents) < 10_240


@pytest.mark.parametrize(
    "policy",
    [
        PREVIEW,
        DEPLOY,
        preview_policy(bucket=None, key=None, assume=[OTHER]),
        deploy_policy(ACCOUNT, bucket=None, key=None, assume=[OTHER]),
    ],
)
def test_the_documents_keep_the_house_rules(policy: dict[str, Any]) -> None:
    """The rules that judge other people's policies judge these as well."""
    assert violations([Resource("aws:iam/rolePolicy:RolePolicy", "ci", {"policy": json.dumps(policy)})]) == []
    sids = [one["Sid"] for one in policy["Statement"]]
    assert len(sids) == len(set(sids))
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


def trusts(subjects: list[str], subject: str, audience: str = "sts.amazonaws.com") -> bool:
    """Whether moto lets a token with this subject take a role."""
    policy = IAMPolicy(json.dumps(trust_policy(PROVIDER, "example/antgent", subjects)))
    token = {f"{ISSUER}:aud": audience, f"{ISSUER}:sub": subject}
    found = policy.is_action_permitted("sts:AssumeRoleWithWebIdentity", incoming_condition_values=token)
    return found == PermissionResult.PERMITTED


def test_production_is_for_jobs_of_the_protected_environment_alone() -> None:
    """The environment's reviewers are what stands between a branch and production."""
    subjects = ["environment:production"]
    assert trusts(subjects, "repo:example/antgent:environment:production")
    for other in (
        "repo:example/antgent:ref:refs/heads/main",
        "repo:example/antgent:pull_request",
        "repo:example/antgent:environment:staging",
        "repo:somebody/antgent:environment:production",
        "repo:example/antgent:environment:production-2",
    ):
        assert not trusts(subjects, other), other
    assert not trusts(subjects, "repo:example/antgent:environment:production", audience="somebody-else")


@pytest.fixture
def preview_session() -> Iterator[boto3.Session]:
    """AWS's API as the preview role sees it, with moto told to enforce its policy."""
    with mock_aws():
        iam = boto3.client("iam", region_name="eu-west-1")
        anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
        role = iam.create_role(RoleName="antgent-ci-preview", AssumeRolePolicyDocument=document)["Role"]
        iam.put_role_policy(
            RoleName="antgent-ci-preview", PolicyName="read", PolicyDocument=json.dumps(PREVIEW)
        )
        sts = boto3.client("sts", region_name="eu-west-1")
        keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="pr")["Credentials"]
        yield boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "eu-west-1")


@set_initial_no_auth_action_count(0)
def test_requests_of_the_preview_role_are_refused_where_they_write(preview_session: boto3.Session) -> None:
    """The same over HTTP requests that are signed with the role's own keys."""
    assert preview_session.client("ecs").describe_clusters()["clusters"] == []
    assert preview_session.client("ecr").describe_repositories()["repositories"] == []
    for service, operation, arguments in (
        ("ecs", "create_cluster", {"clusterName": "x"}),
        ("ecr", "create_repository", {"repositoryName": "xyz"}),
        ("iam", "create_role", {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}),
        ("secretsmanager", "create_secret", {"Name": "x"}),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            getattr(preview_session.client(service), operation)(**arguments)
