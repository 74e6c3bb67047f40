"""EcrRegistry: where releases and development builds are kept, and who may pull and push them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from components.registry_policies import (
    PUSH_ACTIONS,
    READ_ACTIONS,
    access_policy,
    development_rules,
    pull_policy,
    release_rules,
)


@dataclass(frozen=True, kw_only=True)
class EcrRegistryArgs:
    """Two repositories and their rules."""

    repository: str = "antgent"
    """The release repository; its name is a contract with whoever pulls. Defaults to `antgent`."""
    development_repository: str = "antgent-dev"
    """The repository of development builds. Defaults to `antgent-dev`."""
    keep_releases: int = 50
    """Releases kept, by count and never by age. Defaults to 50."""
    development_days: int = 14
    """Days a development build is kept. Defaults to 14."""
    kms_key: str | None = None
    """KMS key that encrypts the images. Defaults to ECR's own AES-256."""
    pull_accounts: Sequence[str] = ()
    """Further AWS accounts that may pull. Defaults to this account only."""
    replicate_to: Sequence[str] = ()
    """Regions that get a copy of every release. Defaults to none."""


class EcrRegistry(pulumi.ComponentResource):
    """A repository whose tags never change, one whose images expire, and the policies for both.

    Raises:
        ArgumentError: the lifecycle rules could remove an image that an environment needs.
    """

    repository: Output[str]
    """The release repository with its host."""
    repository_arn: Output[str]
    """Its ARN."""
    development_repository: Output[str]
    """The development repository with its host."""
    read_policy: Output[str]
    """An identity policy for whoever resolves and pulls."""
    push_policy: Output[str]
    """An identity policy for whoever builds."""

    def __init__(self, name: str, args: EcrRegistryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:registry:EcrRegistry", name, None, opts)
        self._name, self._args = name, args
        rules = release_rules(args.keep_releases)
        release = self._create_repository("releases", args.repository, rules, mutable=False)
        development = self._create_repository(
            "development", args.development_repository, development_rules(args.development_days), mutable=True
        )
        self._create_replication(release)
        self.repository, self.repository_arn = release.repository_url, release.arn
        self.development_repository = development.repository_url
        arns = Output.all(release.arn, development.arn)
        self.read_policy = _document(arns.apply(lambda both: access_policy(both, READ_ACTIONS)))
        self.push_policy = _document(arns.apply(lambda both: access_policy(both, PUSH_ACTIONS)))
        self.register_outputs(
            {
                "repository": self.repository,
                "developmentRepository": self.development_repository,
                "readPolicy": self.read_policy,
                "pushPolicy": self.push_policy,
            }
        )

    def _create_repository(
        self, role: str, repository: str, rules: Mapping[str, Any], *, mutable: bool
    ) -> aws.ecr.Repository:
        args = self._args
        created = aws.ecr.Repository(
            f"{self._name}-{role}",
            name=repository,
            image_tag_mutability="MUTABLE" if mutable else "IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(
                    encryption_type="KMS" if args.kms_key else "AES256", kms_key=args.kms_key
                )
            ],
            # A release repository that holds images is not deleted with its stack.
            force_delete=mutable,
            opts=ResourceOptions(parent=self),
        )
        aws.ecr.LifecyclePolicy(
            f"{self._name}-{role}-lifecycle",
            repository=created.name,
            policy=_document(rules),
            opts=ResourceOptions(parent=self),
        )
        if args.pull_accounts:
            aws.ecr.RepositoryPolicy(
                f"{self._name}-{role}-pull",
                repository=created.name,
                policy=_document(pull_policy(args.pull_accounts)),
                opts=ResourceOptions(parent=self),
            )
        return created

    def _create_replication(self, release: aws.ecr.Repository) -> None:
        if not self._args.replicate_to:
            return
        destinations = [
            aws.ecr.ReplicationConfigurationReplicationConfigurationRuleDestinationArgs(
                region=region, registry_id=release.registry_id
            )
            for region in sorted(self._args.replicate_to)
        ]
        only_releases = aws.ecr.ReplicationConfigurationReplicationConfigurationRuleRepositoryFilterArgs(
            filter=release.name, filter_type="PREFIX_MATCH"
        )
        aws.ecr.ReplicationConfiguration(
            f"{self._name}-replication",
            replication_configuration=aws.ecr.ReplicationConfigurationReplicationConfigurationArgs(
                rules=[
                    aws.ecr.ReplicationConfigurationReplicationConfigurationRuleArgs(
                        destinations=destinations, repository_filters=[only_releases]
                    )
                ]
            ),
            opts=ResourceOptions(parent=self),
        )


def _document(content: pulumi.Input[Mapping[str, Any]]) -> Output[str]:
    """Compact and sorted, as AWS writes documents back."""
    return Output.json_dumps(content, sort_keys=True, separators=(",", ":"))
