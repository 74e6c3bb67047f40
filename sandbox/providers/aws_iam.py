"""`aws:iam/*`: roles, policies, and the identity provider that CI's tokens come from."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

import json
from datetime import UTC, datetime

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class Role(AwsResource):
    """A role and its trust policy."""

    token = "aws:iam/role:Role"
    args = "pulumi_aws.iam:RoleArgs"
    service, label, tagging, autoname, longest = "iam", "IAM Role", "iam role", True, 64
    documents = words("assumeRolePolicy")
    block = Block(
        absent={
            **computed("arn createDate name namePrefix uniqueId inlinePolicies managedPolicyArns"),
            **nothing("assumeRolePolicy description permissionsBoundary"),
            "forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/", **TAGS,
        },
        defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
        replaces=words("name path"),
        sets=words("managedPolicyArns"),
        unsupported=words("inlinePolicies managedPolicyArns"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "assumeRolePolicy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        boundary = inputs.get("permissionsBoundary")
        aws.of("iam").create_role(
            RoleName=inputs["name"],
            Path=inputs["path"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Description=inputs.get("description", ""),
            MaxSessionDuration=inputs["maxSessionDuration"],
            Tags=pairs(inputs.get("tagsAll")),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )
        return inputs["name"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        iam = aws.of("iam")
        role = iam.get_role(RoleName=id)["Role"]
        inline = [
            {
                "name": name,
                "policy": compact(iam.get_role_policy(RoleName=id, PolicyName=name)["PolicyDocument"]),
            }
            for name in iam.list_role_policies(RoleName=id)["PolicyNames"]
        ]
        attached = iam.list_attached_role_policies(RoleName=id)["AttachedPolicies"]
        return {
            "arn": role["Arn"],
            "assumeRolePolicy": compact(role["AssumeRolePolicyDocument"]),
            "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": role.get("Description", ""),
            "inlinePolicies": inline,
            "managedPolicyArns": sorted(one["PolicyArn"] for one in attached),
            "maxSessionDuration": role["MaxSessionDuration"],
            "name": id,
            "namePrefix": "",
            "path": role["Path"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tagsAll": mapped(role.get("Tags")),
            "uniqueId": role["RoleId"],
        }

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        iam = aws.of("iam")
        iam.update_assume_role_policy(RoleName=id, PolicyDocument=inputs["assumeRolePolicy"])
        iam.update_role(
            RoleName=id,
            Description=inputs.get("description", ""),
            MaxSessionDuration=inputs["maxSessionDuration"],
        )
        if boundary := inputs.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=boundary)
        elif seen.get("permissionsBoundary"):
            iam.delete_role_permissions_boundary(RoleName=id)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        iam = aws.of("iam")
        if inputs.get("forceDetachPolicies"):
            for one in iam.list_attached_role_policies(RoleName=id)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=id, PolicyArn=one["PolicyArn"])
            for name in iam.list_role_policies(RoleName=id)["PolicyNames"]:
                iam.delete_role_policy(RoleName=id, PolicyName=name)
        iam.delete_role(RoleName=id)

    def tag_target(self, id: str, outputs: Props) -> str:
        return id


class RolePolicy(AwsResource):
    """A policy inside a role."""

    token = "aws:iam/rolePolicy:RolePolicy"
    args = "pulumi_aws.iam:RolePolicyArgs"
    service, label, autoname = "iam", "IAM Role Policy", True
    documents = words("policy")
    block = Block(
        absent={**computed("name namePrefix"), **nothing("policy role")}, replaces=words("name role")
    )

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self._put(aws, inputs["role"], inputs)
        return f"{inputs['role']}:{inputs['name']}"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        role, name = id.split(":", 1)
        found = aws.of("iam").get_role_policy(RoleName=role, PolicyName=name)
        return {"name": name, "namePrefix": "", "role": role, "policy": _as_written(found["PolicyDocument"])}

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self._put(aws, id.split(":", 1)[0], inputs)

    def _put(self, aws: AwsClients, role: str, inputs: Props) -> None:
        aws.of("iam").put_role_policy(
            RoleName=role, PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        role, name = id.split(":", 1)
        aws.of("iam").delete_role_policy(RoleName=role, PolicyName=name)


class Policy(AwsResource):
    """A policy of its own, with versions."""

    token = "aws:iam/policy:Policy"
    args = "pulumi_aws.iam:PolicyArgs"
    service, label, tagging, autoname, longest = "iam", "IAM Policy", "iam policy", True, 128
    documents = words("policy")
    block = Block(
        absent={
            **computed("arn attachmentCount name namePrefix policyId"),
            **nothing("delayAfterPolicyCreationInMs description policy"), "path": "/", **TAGS,
        },
        defaults={"path": "/"},
        replaces=words("description name path"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.of("iam").create_policy(
            PolicyName=inputs["name"],
            Path=inputs["path"],
            PolicyDocument=inputs["policy"],
            Description=inputs.get("description", ""),
            Tags=pairs(inputs.get("tagsAll")),
        )["Policy"]["Arn"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        iam = aws.of("iam")
        policy = iam.get_policy(PolicyArn=id)["Policy"]
        version = iam.get_policy_version(PolicyArn=id, VersionId=policy["DefaultVersionId"])
        return {
            "arn": id, "attachmentCount": policy["AttachmentCount"], "name": policy["PolicyName"],
            "namePrefix": "", "path": policy["Path"], "policyId": policy["PolicyId"],
            "description": policy.get("Description", ""),
            "policy": _as_written(version["PolicyVersion"]["Document"]),
            "tagsAll": mapped(policy.get("Tags")),
        }  # fmt: skip

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        iam = aws.of("iam")
        versions = iam.list_policy_versions(PolicyArn=id)["Versions"]
        if len(versions) >= 5:  # AWS keeps no more
            oldest = min((one for one in versions if not one["IsDefaultVersion"]), key=_created)
            iam.delete_policy_version(PolicyArn=id, VersionId=oldest["VersionId"])
        iam.create_policy_version(PolicyArn=id, PolicyDocument=inputs["policy"], SetAsDefault=True)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        iam = aws.of("iam")
        for one in iam.list_policy_versions(PolicyArn=id)["Versions"]:
            if not one["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=id, VersionId=one["VersionId"])
        iam.delete_policy(PolicyArn=id)


class RolePolicyAttachment(AwsResource):
    """A policy of its own on a role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    args = "pulumi_aws.iam:RolePolicyAttachmentArgs"
    service, label, deleted_first = "iam", "IAM Role Policy Attachment", True
    block = Block(absent=nothing("policyArn role"), replaces=words("policyArn role"))

    def make(self, aws: AwsClients, inputs: Props) -> str:
        aws.of("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}-{datetime.now(UTC):%Y%m%d%H%M%S%f}00000001"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        attached = aws.of("iam").list_attached_role_policies(RoleName=inputs["role"])["AttachedPolicies"]
        if inputs["policyArn"] not in [one["PolicyArn"] for one in attached]:
            return None
        return {"policyArn": inputs["policyArn"], "role": inputs["role"]}

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("iam").detach_role_policy(RoleName=outputs["role"], PolicyArn=outputs["policyArn"])


def _created(version: Props) -> datetime:
    return version["CreateDate"]


def _as_written(document: Props) -> str:
    """IAM keeps the order of keys in a policy that belongs to something."""
    return json.dumps(document, separators=(",", ":"))
