"""PromotedImage: a release that another stack built or runs. It reads, and cannot build.

The source is a stack's outputs, read before anything is registered, so that a release which may not
run is refused in preview too. A stack that runs a service stands for that release; one that only owns
a repository (the release stack) stands for every tag in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components.errors import ArgumentError
from components.oci import REVISION_LABEL, Release

Find = Callable[[str, str], Release | None]
"""Looks a tag up: repository with its host, tag → what the registry has, None where it has none."""


@dataclass(frozen=True, kw_only=True)
class OverrideArgs:
    """Who lets a release through that its source does not run, and why."""

    reason: str
    """Why. No default."""
    by: str
    """Who answers for it. No default."""


@dataclass(frozen=True, kw_only=True)
class PromotedImageArgs:
    """Which release, and where it comes from."""

    source: str
    """The stack it is promoted from: a name, or `organization/project/stack`. No default."""
    tag: str
    """The release's tag. No default."""
    find: Find
    """Looks a tag up in its registry. No default."""
    override: OverrideArgs | None = None
    """Lets a release through that the source does not run. Defaults to none."""


@dataclass(frozen=True)
class Promotion:
    """A release that may run.

    Args:
        reference: `repository@sha256:…`.
        revision: the git revision it was built from.
        repository_arn: of its ECR repository, None for another registry.
        overridden: it may run only because of the override.
    """

    reference: str
    revision: str
    repository_arn: str | None
    overridden: bool = False


class PromotedImage(pulumi.ComponentResource):
    """The digest of a release that another stack built or runs.

    Raises:
        ArgumentError: the source does not run this release, has never been deployed, or its registry
            has no such tag.
    """

    reference: Output[str]
    """`repository@sha256:…`."""
    revision: str
    """The git revision the image was built from."""
    repository_arn: str | None
    """Its ECR repository, None where another registry keeps it."""
    override: dict[str, str] | None
    """Tag, reason and author, where the release runs only because of an override."""

    def __init__(self, name: str, args: PromotedImageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:image:PromotedImage", name, None, opts)
        found = promote(args, read_outputs(args.source))
        self.reference = Output.from_input(found.reference)
        self.revision, self.repository_arn = found.revision, found.repository_arn
        self.override = None
        if found.overridden and args.override:
            self.override = {"tag": args.tag, "reason": args.override.reason, "by": args.override.by}
            pulumi.warn(
                f"OVERRIDE: {args.tag} runs here although {args.source} does not run it; "
                f"{args.override.by} answers for it: {args.override.reason}",
                self,
            )
        self.register_outputs({"reference": self.reference, "override": self.override})


def promote(args: PromotedImageArgs, outputs: Mapping[str, Any]) -> Promotion:
    """Decide which image the tag stands for.

    Args:
        outputs: those of the source stack; `url` where it runs a service.

    Raises:
        ArgumentError: it may not run, or is nowhere; with the way to mend that.
    """
    arn = outputs.get("repositoryArn")
    if "url" not in outputs:
        repository = outputs.get("repository")
        if not repository:
            raise ArgumentError(
                f"the stack {args.source} has deployed no release and owns no repository\n"
                f"  fix: pulumi up --stack {args.source}"
            )
        return _from_registry(args, repository, arn)
    if outputs.get("tag") == args.tag:
        return Promotion(outputs["image"], outputs.get("gitRevision", "unknown"), arn)
    if args.override is None:
        raise ArgumentError(
            f"{args.tag} may not run here: {args.source} runs {outputs.get('tag')}\n"
            f"  fix: pulumi config set antgent:imageTag {outputs.get('tag')}, or ship {args.tag} to "
            f"{args.source} first: pulumi config set antgent:imageTag {args.tag} --stack {args.source} && "
            f"pulumi up --stack {args.source}"
        )
    found = _from_registry(args, outputs["image"].partition("@")[0], arn)
    return Promotion(found.reference, found.revision, arn, overridden=True)


def _from_registry(args: PromotedImageArgs, repository: str, arn: str | None) -> Promotion:
    found = args.find(repository, args.tag)
    if found is None:
        raise ArgumentError(
            f"{repository} holds no {args.tag}: it was never built\n"
            f"  fix: pulumi config set antgent:imageTag {args.tag} --stack release && pulumi up --stack release"
        )
    return Promotion(found.reference, found.labels.get(REVISION_LABEL, "unknown"), arn)


def read_outputs(source: str) -> Mapping[str, Any]:
    """The outputs of another stack, read as a StackReference reads them.

    Raises:
        ArgumentError: there is no such stack.
    """
    name = source if "/" in source else f"{pulumi.get_organization()}/{pulumi.get_project()}/{source}"
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name})
    except Exception as error:
        raise ArgumentError(
            f"the outputs of the stack {name} cannot be read ({error})\n"
            f"  fix: pulumi up --stack {source}, or name another: pulumi config set antgent:promoteFrom …"
        ) from error
    return answer.value["outputs"]
