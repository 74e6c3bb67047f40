"""`aws:ecr/*`: repositories, and what hangs on them. In the sandbox a repository is one of its registry."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers import aws_images
from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props
from sandbox.providers.session import ProviderError


class Repository(AwsResource):
    """A repository; its `repositoryUrl` is in the sandbox's registry when there is one."""

    token = "aws:ecr/repository:Repository"
    args = "pulumi_aws.ecr:RepositoryArgs"
    service, label, tagging, autoname = "ecr", "ECR Repository", "ecr", True
    longest = 256
    meta = "{}"
    block = Block(
        absent={
            **computed("arn imageTagMutability name registryId repositoryUrl region"),
            **computed("encryptionConfigurations imageScanningConfiguration"),
            **nothing("forceDelete imageTagMutabilityExclusionFilters"),
            **TAGS,
        },
        defaults={"imageTagMutability": "MUTABLE"},
        replaces=words("name encryptionConfigurations region"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        extra: Props = {}
        if filters := inputs.get("imageTagMutabilityExclusionFilters"):
            extra["imageTagMutabilityExclusionFilters"] = filters
        if encryption := inputs.get("encryptionConfigurations"):
            extra["encryptionConfiguration"] = encryption[0]
        aws.of("ecr").create_repository(
            repositoryName=inputs["name"],
            imageTagMutability=inputs["imageTagMutability"],
            imageScanningConfiguration=inputs.get("imageScanningConfiguration") or {"scanOnPush": False},
            tags=pairs(inputs.get("tagsAll")),
            **extra,
        )
        return inputs["name"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        ecr = aws.of("ecr")
        found = ecr.describe_repositories(repositoryNames=[id])["repositories"][0]
        encryption = found.get("encryptionConfiguration", {"encryptionType": "AES256"})
        return {
            "arn": found["repositoryArn"],
            "encryptionConfigurations": [
                {"encryptionType": encryption["encryptionType"], "kmsKey": encryption.get("kmsKey", "")}
            ],
            "imageScanningConfiguration": found["imageScanningConfiguration"],
            "imageTagMutability": found["imageTagMutability"],
            "name": id,
            "registryId": found["registryId"],
            "repositoryUrl": aws_images.url(found["repositoryUri"], id),
            "tagsAll": mapped(ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]),
        }

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        filters = inputs.get("imageTagMutabilityExclusionFilters")
        aws.of("ecr").put_image_tag_mutability(
            repositoryName=id,
            imageTagMutability=inputs["imageTagMutability"],
            **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        )
        scanning = inputs.get("imageScanningConfiguration") or {"scanOnPush": False}
        aws.of("ecr").put_image_scanning_configuration(repositoryName=id, imageScanningConfiguration=scanning)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        force = bool(inputs.get("forceDelete"))
        held = aws_images.tags(id)
        if held and not force:
            raise ProviderError(
                f"deleting ECR Repository ({id}): operation error ecr: DeleteRepository, https response error "
                f"StatusCode: 400, RepositoryNotEmptyException: The repository with name '{id}' in registry "
                f"with id '{outputs.get('registryId')}' cannot be deleted because it still contains images"
            )
        aws.of("ecr").delete_repository(repositoryName=id, force=force)
        aws_images.forget(id, held)


class _Policy(AwsResource):
    """A document that belongs to one repository, under whose name it goes."""

    service, documents = "ecr", words("policy")
    deleted_first = True
    block = Block(absent=computed("policy repository registryId region"), replaces=words("repository region"))

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self.put(aws.of("ecr"), inputs["repository"], inputs["policy"])
        return inputs["repository"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self.put(aws.of("ecr"), id, inputs["policy"])

    def put(self, ecr: Any, repository: str, policy: str) -> None:
        raise NotImplementedError

    def _answer(self, found: Props, text: str) -> Props:
        return {
            "policy": text,
            "registryId": found.get("registryId"),
            "repository": found.get("repositoryName"),
        }

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "policy")


class LifecyclePolicy(_Policy):
    """Which images of a repository expire."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    args = "pulumi_aws.ecr:LifecyclePolicyArgs"
    label = "ECR Lifecycle Policy"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ecr").get_lifecycle_policy(repositoryName=id)
        return self._answer(found, compact(found["lifecyclePolicyText"]))

    def put(self, ecr: Any, repository: str, policy: str) -> None:
        ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=compact(policy))

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ecr").delete_lifecycle_policy(repositoryName=id)


class RepositoryPolicy(_Policy):
    """Who may pull from and push to a repository."""

    token = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    args = "pulumi_aws.ecr:RepositoryPolicyArgs"
    label = "ECR Repository Policy"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ecr").get_repository_policy(repositoryName=id)
        return self._answer(found, compact(found["policyText"]))

    def put(self, ecr: Any, repository: str, policy: str) -> None:
        ecr.set_repository_policy(repositoryName=repository, policyText=policy)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ecr").delete_repository_policy(repositoryName=id)


class ReplicationConfiguration(AwsResource):
    """Where a whole registry is copied to; an account has one."""

    token = "aws:ecr/replicationConfiguration:ReplicationConfiguration"
    args = "pulumi_aws.ecr:ReplicationConfigurationArgs"
    service, label = "ecr", "ECR Replication Configuration"
    block = Block(
        absent={**nothing("replicationConfiguration"), **computed("registryId region")},
        replaces=words("region"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.account

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ecr").describe_registry()
        rules = [
            {"repositoryFilters": [], **one} for one in found["replicationConfiguration"].get("rules", [])
        ]
        return {
            "registryId": found["registryId"],
            "replicationConfiguration": {"rules": rules} if rules else None,
        }

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        wanted = inputs.get("replicationConfiguration") or {"rules": []}
        aws.of("ecr").put_replication_configuration(replicationConfiguration=wanted)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ecr").put_replication_configuration(replicationConfiguration={"rules": []})


class RegistryScanningConfiguration(AwsResource):
    """How a whole registry scans; an account has one."""

    token = "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration"
    args = "pulumi_aws.ecr:RegistryScanningConfigurationArgs"
    service, label = "ecr", "ECR Registry Scanning Configuration"
    block = Block(
        absent={"rules": [], **computed("scanType registryId region")},
        replaces=words("region"),
        sets=words("rules"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.account

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ecr").get_registry_scanning_configuration()
        configuration = found["scanningConfiguration"]
        return {"registryId": found["registryId"], "scanType": configuration["scanType"], "rules": sorted(
            configuration.get("rules", []), key=repr)}  # fmt: skip

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        aws.of("ecr").put_registry_scanning_configuration(
            scanType=inputs["scanType"], rules=inputs.get("rules", [])
        )

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ecr").put_registry_scanning_configuration(scanType="BASIC", rules=[])
