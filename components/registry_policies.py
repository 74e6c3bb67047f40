"""The documents of a registry: which images it keeps, and who may do what. Pure functions, tested alone."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from components.errors import ArgumentError

RELEASE_TAGS = "v*"
"""Pattern of release tags. A tag that matches no pattern of any rule is kept for ever."""
CACHE_TAGS = ("buildcache*", "cache-*")
"""Patterns of build cache manifests, which no environment runs."""
UNTAGGED_DAYS = 14
CACHE_DAYS = 14
LEAST_RELEASES = 10

PULL_ACTIONS = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
READ_ACTIONS = [*PULL_ACTIONS, "ecr:DescribeImages", "ecr:ListImages"]
PUSH_ACTIONS = [
    *READ_ACTIONS,
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]


def release_rules(keep: int) -> dict[str, Any]:
    """The lifecycle policy of the release repository.

    Args:
        keep: release tags kept, the newest first; counted, so that a quiet year removes nothing.

    Raises:
        ArgumentError: so few that a rollback could miss its image.
    """
    if keep < LEAST_RELEASES:
        raise ArgumentError(
            f"keepReleases is {keep}, and must be at least {LEAST_RELEASES}: an environment may run or go back "
            f"to a release that is no longer the newest\n"
            f"  fix: pulumi config set --path 'antgent:registry.keepReleases' 50"
        )
    return {
        "rules": [
            _rule(1, "untagged images", {"tagStatus": "untagged", **_older_than(UNTAGGED_DAYS)}),
            _rule(2, "build cache", {**_tagged(*CACHE_TAGS), **_older_than(CACHE_DAYS)}),
            _rule(
                3,
                f"all but the newest {keep} releases",
                {**_tagged(RELEASE_TAGS), "countType": "imageCountMoreThan", "countNumber": keep},
            ),
        ]
    }


def development_rules(days: int) -> dict[str, Any]:
    """The lifecycle policy of the development repository: everything expires, `days` after its push."""
    return {"rules": [_rule(1, "development builds", {"tagStatus": "any", **_older_than(days)})]}


def check_release_tag(tag: str, policy: Mapping[str, Any]) -> None:
    """Refuse a lifecycle policy that would remove a release by its age, whoever runs it.

    Raises:
        ArgumentError: with the rule that would.
    """
    for rule in policy["rules"]:
        selection = rule["selection"]
        if selection["countType"] == "sinceImagePushed" and matches(tag, selection):
            raise ArgumentError(
                f"the registry's lifecycle rule {rule['rulePriority']} ({rule['description']}) removes {tag} "
                f"{selection['countNumber']} days after its push, also from under an environment that runs it\n"
                f"  fix: give the release another tag: pulumi config set antgent:imageTag v0.3.2"
            )


def matches(tag: str, selection: Mapping[str, Any]) -> bool:
    """Whether a rule's selection holds an image of this tag, as ECR decides it."""
    if selection["tagStatus"] == "any":
        return True
    return any(fnmatchcase(tag, pattern) for pattern in selection.get("tagPatternList", ()))


def access_policy(repository_arns: Sequence[str], actions: Sequence[str]) -> dict[str, Any]:
    """An identity policy for these repositories; a login is registry-wide, so it has no narrower resource."""
    return policy(
        statement(["ecr:GetAuthorizationToken"], ["*"], sid="Login"),
        statement(actions, repository_arns, sid="Images"),
    )


def pull_policy(accounts: Sequence[str], partition: str = "aws") -> dict[str, Any]:
    """A repository policy that lets other accounts pull."""
    principals = [f"arn:{partition}:iam::{account}:root" for account in sorted(accounts)]
    return policy(
        {
            "Sid": "PullFromOtherAccounts",
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": [*PULL_ACTIONS, "ecr:DescribeImages"],
        }
    )


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(actions: Sequence[str], resources: Sequence[str], *, sid: str) -> dict[str, Any]:
    """A statement that allows; single values stand alone, as AWS writes them back."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": _alone(sorted(actions)),
        "Resource": _alone(sorted(resources)),
    }


def _alone(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _rule(priority: int, what: str, selection: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": f"Expire {what}",
        "selection": dict(selection),
        "action": {"type": "expire"},
    }


def _older_than(days: int) -> dict[str, Any]:
    return {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}


def _tagged(*patterns: str) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPatternList": list(patterns)}
