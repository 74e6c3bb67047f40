"""`aws:secretsmanager/*` and `aws:kms/*`: secrets and the keys they are encrypted with."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class Secret(AwsResource):
    """A secret's name and rules; its text is a SecretVersion."""

    token = "aws:secretsmanager/secret:Secret"
    args = "pulumi_aws.secretsmanager:SecretArgs"
    service, label, tagging, autoname, longest = (
        "secretsmanager", "Secrets Manager Secret", "secretsmanager", True, 512,
    )  # fmt: skip
    documents = words("policy")
    block = Block(
        absent={
            **computed("arn name namePrefix policy region replicas type"), **nothing("description kmsKeyId"),
            "forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30, **TAGS,
        },
        defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
        replaces=words("name region"),
        unsupported=words("replicas type"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        key = {"KmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}
        return aws.of("secretsmanager").create_secret(
            Name=inputs["name"],
            Description=inputs.get("description", ""),
            Tags=pairs(inputs.get("tagsAll")),
            **key,
        )["ARN"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        client = aws.of("secretsmanager")
        if seen:
            key = {"KmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}
            client.update_secret(SecretId=id, Description=inputs.get("description", ""), **key)
        if inputs.get("policy"):
            client.put_resource_policy(SecretId=id, ResourcePolicy=inputs["policy"])

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        client = aws.of("secretsmanager")
        found = client.describe_secret(SecretId=id)
        if found.get("DeletedDate"):
            return None
        policy = client.get_resource_policy(SecretId=id).get("ResourcePolicy") if inputs.get("policy") else ""
        return {
            "arn": id,
            "description": found.get("Description") or "",
            "kmsKeyId": found.get("KmsKeyId") or "",
            "name": found["Name"],
            "namePrefix": "",
            "policy": compact(policy) if policy else "",
            "replicas": [],
            "tagsAll": mapped(found.get("Tags")),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        days = outputs.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        aws.of("secretsmanager").delete_secret(SecretId=id, **how)


class SecretVersion(AwsResource):
    """A secret's text."""

    token = "aws:secretsmanager/secretVersion:SecretVersion"
    args = "pulumi_aws.secretsmanager:SecretVersionArgs"
    service, label = "secretsmanager", "Secrets Manager Secret Version"
    block = Block(
        absent={
            **computed("arn hasSecretStringWo region secretArn versionId versionStages"),
            **nothing("secretBinary secretId secretString secretStringWo secretStringWoVersion"),
        },
        replaces=words("secretBinary secretId secretString region"),
        unsupported=words("secretBinary secretStringWo secretStringWoVersion"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        stages = {"VersionStages": inputs["versionStages"]} if inputs.get("versionStages") else {}
        found = aws.of("secretsmanager").put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"], **stages
        )
        return f"{found['ARN']}|{found['VersionId']}"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        secret, version = id.rsplit("|", 1)
        found = aws.of("secretsmanager").get_secret_value(SecretId=secret, VersionId=version)
        return {
            "arn": found["ARN"],
            "hasSecretStringWo": False,
            "secretArn": found["ARN"],
            "secretBinary": "",
            "secretId": inputs["secretId"],
            "secretString": found["SecretString"],
            "versionId": version,
            "versionStages": sorted(found.get("VersionStages") or []),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        """AWS removes a version with its secret."""


_KEY_DEFAULTS = {
    "bypassPolicyLockoutSafetyCheck": False, "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "enableKeyRotation": False, "isEnabled": True, "keyUsage": "ENCRYPT_DECRYPT",
}  # fmt: skip


class Key(AwsResource):
    """A key of KMS."""

    token = "aws:kms/key:Key"
    args = "pulumi_aws.kms:KeyArgs"
    service, label, tagging, documents, meta = "kms", "KMS Key", "kms", words("policy"), "{}"
    block = Block(
        absent={
            **_KEY_DEFAULTS, **computed("arn description keyId multiRegion policy region rotationPeriodInDays"),
            **nothing("customKeyStoreId deletionWindowInDays xksKeyId"), **TAGS,
        },
        defaults=_KEY_DEFAULTS,
        replaces=words("customerMasterKeySpec customKeyStoreId keyUsage multiRegion xksKeyId region"),
        unsupported=words("customKeyStoreId xksKeyId rotationPeriodInDays"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        policy = {"Policy": inputs["policy"]} if inputs.get("policy") else {}
        return aws.of("kms").create_key(
            Description=inputs.get("description", ""), KeySpec=inputs["customerMasterKeySpec"],
            KeyUsage=inputs["keyUsage"], MultiRegion=inputs.get("multiRegion", False),
            Tags=pairs(inputs.get("tagsAll"), "TagKey", "TagValue"), **policy,
        )["KeyMetadata"]["KeyId"]  # fmt: skip

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        kms = aws.of("kms")
        if inputs["enableKeyRotation"]:
            kms.enable_key_rotation(KeyId=id)
        elif seen.get("enableKeyRotation"):
            kms.disable_key_rotation(KeyId=id)
        if seen and "description" in inputs:
            kms.update_key_description(KeyId=id, Description=inputs["description"])
        if seen and inputs.get("policy"):
            kms.put_key_policy(KeyId=id, PolicyName="default", Policy=inputs["policy"])
        if inputs["isEnabled"] != seen.get("isEnabled", True):
            (kms.enable_key if inputs["isEnabled"] else kms.disable_key)(KeyId=id)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        kms = aws.of("kms")
        found = kms.describe_key(KeyId=id)["KeyMetadata"]
        if found["KeyState"] == "PendingDeletion":
            return None
        symmetric = found.get("KeySpec") == "SYMMETRIC_DEFAULT"
        rotated = symmetric and kms.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"]
        policy = kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"]
        return {
            "arn": found["Arn"],
            "customKeyStoreId": "",
            "customerMasterKeySpec": found["KeySpec"],
            "description": found.get("Description") or "",
            "enableKeyRotation": bool(rotated),
            "isEnabled": found["Enabled"],
            "keyId": id,
            "keyUsage": found["KeyUsage"],
            "multiRegion": found.get("MultiRegion", False),
            "policy": compact(policy),
            "rotationPeriodInDays": 365 if rotated else 0,
            "tagsAll": mapped(kms.list_resource_tags(KeyId=id)["Tags"], "TagKey", "TagValue"),
            "xksKeyId": "",
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        days = inputs.get("deletionWindowInDays")
        aws.of("kms").schedule_key_deletion(KeyId=id, **({"PendingWindowInDays": days} if days else {}))

    def tag_target(self, id: str, outputs: Props) -> str:
        return id


class Alias(AwsResource):
    """A key's name; it begins with `alias/`."""

    token = "aws:kms/alias:Alias"
    args = "pulumi_aws.kms:AliasArgs"
    service, label = "kms", "KMS Alias"
    block = Block(
        absent={**computed("arn name namePrefix region targetKeyArn"), **nothing("targetKeyId")},
        replaces=words("name region"),
    )

    def problems(self, inputs: Props) -> dict[str, str]:
        name = inputs.get("name")
        if not name:
            return {"name": "is required by the stand-in"}
        return {} if name.startswith("alias/") else {"name": "must begin with `alias/`"}

    def make(self, aws: AwsClients, inputs: Props) -> str:
        aws.of("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            aws.of("kms").update_alias(AliasName=id, TargetKeyId=inputs["targetKeyId"])

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        kms = aws.of("kms")
        pages = kms.get_paginator("list_aliases").paginate()
        found = next((one for page in pages for one in page["Aliases"] if one["AliasName"] == id), None)
        if found is None:
            return None
        key = kms.describe_key(KeyId=found["TargetKeyId"])["KeyMetadata"]
        asked = inputs.get("targetKeyId", "")
        return {
            "arn": found["AliasArn"],
            "name": id,
            "namePrefix": "",
            "targetKeyArn": key["Arn"],
            "targetKeyId": asked if asked == key["Arn"] else key["KeyId"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("kms").delete_alias(AliasName=id)
