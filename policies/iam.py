"""Rules for IAM documents: no wildcards, no open principals, and tokens of CI bound to one place."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules import Resource, document, listed, rule

ROLE = "aws:iam/role:Role"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
DOCUMENTS = {
    ROLE: "assumeRolePolicy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/policy:Policy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
}
READS = re.compile(r"[a-z0-9-]+:(?:BatchCheck|BatchGet|Describe|Filter|Get|List|Lookup)[A-Za-z]*$")
WIDE_ACTIONS = frozenset(
    {
        "ecr:GetAuthorizationToken",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
)
"""Actions for which AWS knows no resource, so that a statement has to name all of them."""
GITHUB = "token.actions.githubusercontent.com"


def _statements(resource: Resource) -> list[Mapping[str, Any]]:
    return listed((document(resource.get(DOCUMENTS[resource.type])) or {}).get("Statement"))


def _allowing(resource: Resource) -> list[Mapping[str, Any]]:
    return [one for one in _statements(resource) if one.get("Effect") == "Allow"]


def _called(statement: Mapping[str, Any]) -> str:
    return f"statement {statement.get('Sid') or '(no Sid)'}"


@rule(*DOCUMENTS, fix="name the actions one by one")
def iam_no_wildcard_action(resource: Resource) -> Iterator[str]:
    """A policy allows named actions only."""
    for one in _allowing(resource):
        for action in listed(one.get("Action")):
            if "*" in action:
                yield f"{_called(one)} allows {action}"
        if "NotAction" in one:
            yield f"{_called(one)} allows everything but some actions"


@rule(*DOCUMENTS, fix="name the resources by ARN, or bind the statement by a Condition on their tags")
def iam_no_wildcard_resource(resource: Resource) -> Iterator[str]:
    """What changes anything names its resources, or is bound by a condition."""
    for one in _allowing(resource):
        changes = [
            action
            for action in listed(one.get("Action"))
            if not READS.match(action) and action not in WIDE_ACTIONS
        ]
        if "*" in listed(one.get("Resource")) and changes and not one.get("Condition"):
            yield f"{_called(one)} allows {', '.join(changes[:3])} on every resource"


@rule(*DOCUMENTS, fix="name the accounts, services or roles")
def iam_no_open_principal(resource: Resource) -> Iterator[str]:
    """Nobody unnamed may take a role or pull an image."""
    for one in _allowing(resource):
        principal = one.get("Principal")
        named = principal if isinstance(principal, Mapping) else {"": principal}
        if any("*" in listed(who) for who in named.values()):
            yield f"{_called(one)} is for everybody"


@rule(ROLE, fix="conditions on :aud and on a :sub without wildcards, with StringEquals")
def iam_ci_tokens_are_bound(resource: Resource) -> Iterator[str]:
    """A role for GitHub's tokens is bound to an audience and to named workflows or environments."""
    for one in _allowing(resource):
        if GITHUB not in str((one.get("Principal") or {}).get("Federated", "")):
            continue
        exact = (one.get("Condition") or {}).get("StringEquals", {})
        for claim in ("aud", "sub"):
            wanted = listed(exact.get(f"{GITHUB}:{claim}"))
            if not wanted or any("*" in value for value in wanted):
                yield f"{_called(one)} does not say exactly which {claim} it trusts"


@rule(ATTACHMENT, fix="a policy of the role's own, with what it needs")
def iam_no_administrator(resource: Resource) -> Iterator[str]:
    """No role gets a policy that allows everything."""
    name = str(resource.get("policyArn") or "").rpartition("/")[2]
    if name in ("AdministratorAccess", "PowerUserAccess") or name.endswith("FullAccess"):
        yield f"it attaches {name}"


RULES = (
    iam_no_wildcard_action,
    iam_no_wildcard_resource,
    iam_no_open_principal,
    iam_ci_tokens_are_bound,
    iam_no_administrator,
)
