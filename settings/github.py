"""The section `github`: CI's roles on AWS."""

from typing import Annotated

from pydantic import Field

from settings.values import Arn, Many, Section, Some, Text, Word

GithubRepository = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}",
        "must be a GitHub repository, owner/name, since its tokens are trusted",
        "example/antgent-delivery",
    ),
]
BucketName = Annotated[
    str, Text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "must be the name of an S3 bucket", "antgent-state")
]
RoleArn = Annotated[Arn, Field(examples=["arn:aws:iam::222233334444:role/antgent-ci-staging"])]


class Github(Section):
    """GitHub's identity provider in this account, and three roles that its workflows take: no keys."""

    repository: GithubRepository
    """The repository whose workflows may take the roles, `owner/name`. No default."""
    branch: Word = "main"
    """The branch whose pushes and schedules may read. Defaults to `main`."""
    staging_environments: Some[Word] = ("staging", "dev")
    """GitHub environments whose jobs take the staging role. Defaults to `staging` and `dev`."""
    production_environments: Some[Word] = ("production",)
    """Protected GitHub environments whose jobs take the production role. Defaults to `production`."""
    create_provider: bool = True
    """Whether the account lacks GitHub's identity provider; it can have one only. Defaults to true."""
    state_bucket: BucketName | None = None
    """S3 bucket of the stacks' state. Defaults to none: the roles reach no state in S3."""
    state_key: Arn | None = Field(default=None, examples=["arn:aws:kms:eu-west-1:111122223333:key/example"])
    """KMS key of the stacks' secrets. Defaults to none."""
    preview_roles: Many[RoleArn] = ()
    """Read-only roles in other accounts that previews go on with. Defaults to none."""
    staging_roles: Many[RoleArn] = ()
    """Roles in other accounts that staging deploys by. Defaults to none."""
    production_roles: Many[RoleArn] = ()
    """Roles in other accounts that production deploys by. Defaults to none."""
