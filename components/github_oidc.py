"""GithubOidc: GitHub's identity provider, and the three roles that workflows take with their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import InvokeOutputOptions, Output, ResourceOptions

from components.github_policies import (
    AUDIENCE,
    ISSUER,
    ROLE_PREFIX,
    deploy_policy,
    preview_policy,
    trust_policy,
)


@dataclass(frozen=True, kw_only=True)
class GithubOidcArgs:
    """Which workflows may do what."""

    repository: str
    """The repository whose workflows may take the roles, `owner/name`. No default."""
    branch: str = "main"
    """The branch whose pushes and schedules may read. Defaults to `main`."""
    staging_environments: Sequence[str] = ("staging", "dev")
    """GitHub environments whose jobs may take the staging role. Defaults to `staging` and `dev`."""
    production_environments: Sequence[str] = ("production",)
    """Protected GitHub environments whose jobs may take the production role. Defaults to `production`."""
    create_provider: bool = True
    """Whether the account lacks GitHub's identity provider; an account has one at most. Defaults to True."""
    state_bucket: str | None = None
    """S3 bucket of the stacks' state. Defaults to none: the roles reach no state in S3."""
    state_key: str | None = None
    """ARN of the KMS key of the stacks' secrets. Defaults to none."""
    preview_roles: Sequence[str] = ()
    """ARNs of read-only roles in other accounts. Defaults to none."""
    staging_roles: Sequence[str] = ()
    """ARNs of roles in other accounts that staging deploys by. Defaults to none."""
    production_roles: Sequence[str] = ()
    """ARNs of roles in other accounts that production deploys by. Defaults to none."""


class GithubOidc(pulumi.ComponentResource):
    """Roles for CI, without any key that lasts longer than a job."""

    roles: dict[str, Output[str]]
    """`preview`, `staging`, `production` → the role's ARN."""

    def __init__(self, name: str, args: GithubOidcArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:github:GithubOidc", name, None, opts)
        self._name, self._args = name, args
        account = aws.get_caller_identity_output(opts=InvokeOutputOptions(parent=self)).account_id
        provider = self._create_provider(account)
        state = {"bucket": args.state_bucket, "key": args.state_key}
        reads = preview_policy(**state, assume=args.preview_roles)
        self.roles = {
            "preview": self._create_role(
                "preview", provider, ["pull_request", f"ref:refs/heads/{args.branch}"], [reads]
            )
        }
        reads = preview_policy(bucket=None, key=None)
        for role, environments, others in (
            ("staging", args.staging_environments, args.staging_roles),
            ("production", args.production_environments, args.production_roles),
        ):
            writes = account.apply(lambda own, assume=others: deploy_policy(str(own), **state, assume=assume))
            subjects = [f"environment:{one}" for one in environments]
            self.roles[role] = self._create_role(role, provider, subjects, [reads, writes])
        self.register_outputs({"roles": self.roles})

    def _create_provider(self, account: Output[str]) -> Output[str]:
        if not self._args.create_provider:
            return Output.format("arn:aws:iam::{}:oidc-provider/{}", account, ISSUER)
        created = aws.iam.OpenIdConnectProvider(
            f"{self._name}-provider",
            url=f"https://{ISSUER}",
            client_id_lists=[AUDIENCE],
            opts=ResourceOptions(parent=self),
        )
        return created.arn

    def _create_role(
        self,
        role: str,
        provider: Output[str],
        subjects: Sequence[str],
        policies: Sequence[pulumi.Input[Mapping[str, Any]]],
    ) -> Output[str]:
        trust = provider.apply(lambda arn: trust_policy(arn, self._args.repository, subjects))
        created = aws.iam.Role(
            f"{self._name}-{role}",
            # A contract with the workflows, whose variables name it.
            name=f"{ROLE_PREFIX}-{role}",
            description=f"GitHub workflows of {self._args.repository}: {role}",
            assume_role_policy=_document(trust),
            opts=ResourceOptions(parent=self),
        )
        for number, content in enumerate(policies):
            aws.iam.RolePolicy(
                f"{self._name}-{role}-policy" + (f"-{number}" if number else ""),
                role=created.name,
                policy=_document(content),
                opts=ResourceOptions(parent=self),
            )
        return created.arn


def _document(content: pulumi.Input[Mapping[str, Any]]) -> Output[str]:
    """Compact and sorted, as AWS writes documents back."""
    return Output.json_dumps(content, sort_keys=True, separators=(",", ":"))
