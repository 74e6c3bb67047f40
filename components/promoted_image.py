"""PromotedImage: a release that another stack verified or built. It reads, and cannot build.

The source is a stack's outputs, read before anything is registered, so that a release which may not
run is refused in preview too. A stack that verifies stands for the releases in its ledger; one that only
runs a service, for the release that it runs; one that only owns a repository (the release stack), for
every tag in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components import ledger, promotions, state
from components.errors import ArgumentError
from components.ledger import Entry
from components.oci import REVISION_LABEL, Release

Find = Callable[[str, str], Release | None]
"""Looks an image up: repository with its host, tag or digest → what the registry has, None for nothing."""


@dataclass(frozen=True, kw_only=True)
class OverrideArgs:
    """Who lets a release through that its source has not verified, and why."""

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
    """Looks a tag or a digest up in its registry. No default."""
    override: OverrideArgs | None = None
    """Lets a release through that the source has not verified. Defaults to none."""
    held: bool = False
    """A hold names this release: where it ran here before, its source is not asked. Defaults to false."""


@dataclass(frozen=True)
class Promotion:
    """A release that may run.

    Args:
        reference: `repository@sha256:…`.
        revision: the git revision it was built from.
        repository_arn: of its ECR repository, None for another registry.
        overridden: it may run only because of the override; what would have refused it, else empty.
        warning: what an operator should know; empty for nothing.
    """

    reference: str
    revision: str
    repository_arn: str | None
    overridden: str = ""
    warning: str = ""


class PromotedImage(pulumi.ComponentResource):
    """The digest of a release that another stack verified or built.

    Raises:
        ArgumentError: the source has not verified this release, has never been deployed, or its registry
            has no such image.
    """

    reference: Output[str]
    """`repository@sha256:…`."""
    revision: str
    """The git revision the image was built from."""
    repository_arn: str | None
    """Its ECR repository, None where another registry keeps it."""
    override: dict[str, str] | None
    """Tag, reason and author of the override, as long as there is one."""

    def __init__(self, name: str, args: PromotedImageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:image:PromotedImage", name, None, opts)
        memory = promotions.recall(name)
        back = None
        if args.held:
            back = promotions.come_back(memory, args.tag, args.find, override=bool(args.override))
        found = Promotion(*astuple(back)[1:]) if back else promote(args, read_outputs(args.source))
        self.reference = Output.from_input(found.reference)
        self.revision, self.repository_arn = found.revision, found.repository_arn
        self.override = None
        if args.override:
            self.override = {"tag": args.tag, "reason": args.override.reason, "by": args.override.by}
        for line in filter(None, (loud(args, found), found.warning)):
            pulumi.warn(line, self)
        known = promotions.to_outputs(memory, args.tag, *astuple(found)[:4])
        self.register_outputs({"reference": self.reference, "override": self.override, "promotions": known})


def loud(args: PromotedImageArgs, found: Promotion) -> str:
    """What an `up` says of the override that its config holds; empty without one."""
    if args.override is None:
        return ""
    if not found.overridden:
        return f"{args.tag} needs no override any more; remove it: pulumi config rm antgent:override"
    return (
        f"OVERRIDE: {args.tag} runs here although {found.overridden}; "
        f"{args.override.by} answers for it: {args.override.reason}"
    )


def promote(args: PromotedImageArgs, outputs: Mapping[str, Any], now: datetime | None = None) -> Promotion:
    """Decide which image the tag stands for.

    Args:
        outputs: those of the source stack; `ledger` where it verifies, `url` where it runs a service.
        now: with a time zone. Defaults to this moment.

    Raises:
        ArgumentError: it may not run, or is nowhere; with the way to mend that.
    """
    if "ledger" in outputs:
        return _from_ledger(args, outputs, now or datetime.now(UTC))
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
            f"{args.source} first: {_ship(args)}"
        )
    found = _from_registry(args, outputs["image"].partition("@")[0], arn)
    return replace(found, overridden=f"{args.source} does not run it")


def _from_ledger(args: PromotedImageArgs, outputs: Mapping[str, Any], now: datetime) -> Promotion:
    """The verified digest, whatever the registry says of the tag now."""
    entries, arn = ledger.read(outputs), outputs.get("repositoryArn")
    entry = ledger.verified(entries, args.tag, now) or (
        ledger.find(entries, args.tag) if args.override else None
    )
    if entry is None:
        if args.override is None:
            raise ArgumentError(_refusal(args, entries, now))
        found = _from_registry(args, _repository(args, outputs, entries), arn)
        return replace(found, overridden=f"{args.source} has not verified it")
    repository = entry.image.partition("@")[0]
    if args.find(repository, entry.digest) is None:
        raise ArgumentError(
            f"{entry.image}, the image of {args.tag} that {args.source} verified "
            f"{ledger.age(now - entry.verified_at)} ago, is no longer in the registry\n"
            f"  verified by {args.source}:\n{_indented(ledger.explain(entries, now))}\n"
            f"  fix: choose another: pulumi config set antgent:imageTag …"
        )
    early = "" if entry.counts(now) else f"{args.source} has not let it soak"
    return Promotion(entry.image, entry.git_revision, arn, early, _moved(args, repository, entry))


def _refusal(args: PromotedImageArgs, entries: Sequence[Entry], now: datetime) -> str:
    """Why the tag may not run, what may, and the commands that change it."""
    known = ledger.find(entries, args.tag)
    newest = next((entry.tag for entry in entries if entry.counts(now)), None)
    if known:
        left = ledger.age(known.due - now)
        why = f"{args.source} has verified it, and its soak time ends in {left}"
        fix = f"pulumi up again after {known.due.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    else:
        why, fix = f"{args.source} has not verified it", f"ship it to {args.source} first: {_ship(args)}"
    other = f"pulumi config set antgent:imageTag {newest}, or " if newest and newest != args.tag else ""
    return (
        f"{args.tag} may not run here: {why}\n"
        f"  verified by {args.source}:\n{_indented(ledger.explain(entries, now))}\n"
        f"  fix: {other}{fix}"
    )


def _ship(args: PromotedImageArgs) -> str:
    return (
        f"pulumi config set antgent:imageTag {args.tag} --stack {args.source} && "
        f"pulumi up --stack {args.source}"
    )


def _repository(args: PromotedImageArgs, outputs: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    image = outputs.get("image") or (entries[0].image if entries else "")
    if not image:
        raise ArgumentError(
            f"the stack {args.source} has deployed no release, so nobody knows where {args.tag} is kept\n"
            f"  fix: pulumi up --stack {args.source}"
        )
    return image.partition("@")[0]


def _moved(args: PromotedImageArgs, repository: str, entry: Entry) -> str:
    """A warning where the tag means other content now than the verified image."""
    current = args.find(repository, args.tag)
    if current is None or current.reference == entry.image:
        return ""
    return (
        f"{args.tag} was moved in the registry after {args.source} verified it: it means "
        f"{current.reference.partition('@')[2]} now. What runs here is the verified {entry.digest}"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


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
        return state.ask("readStackOutputs", name=name)["outputs"]
    except Exception as error:
        raise ArgumentError(
            f"the outputs of the stack {name} cannot be read ({error})\n"
            f"  fix: pulumi up --stack {source}, or name another: pulumi config set antgent:promoteFrom …"
        ) from error
