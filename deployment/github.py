"""What a stack does for its CI: GitHub's identity provider and the roles of the workflows."""

from typing import Any

from pulumi import ResourceOptions

from components.github_oidc import GithubOidc, GithubOidcArgs
from deployment.aws import aws_provider
from deployment.workloads import NAME
from settings import Settings
from settings.github import Github


def run(stack: Settings, wanted: Github) -> dict[str, Any]:
    """The stack's outputs about CI: `ciRoles`, role → ARN."""
    created = GithubOidc(
        f"{NAME}-ci", GithubOidcArgs(**dict(wanted)), opts=ResourceOptions(provider=aws_provider(stack))
    )
    return {"ciRoles": created.roles}
