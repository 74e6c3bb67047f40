"""Which releases an environment was allowed to run, as its own state remembers them.

Where a release comes from may break or go away. What was once let through here, by its digest, may then
come back while a hold names it: that is a rollback.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import ArgumentError
from components.oci import Release

LIMIT = 50
"""Releases that are remembered."""


@dataclass(frozen=True)
class Promoted:
    """A release that was let through.

    Args:
        tag: the release.
        image: `repository@sha256:…`.
        git_revision: the commit it was built from; `unknown` where nobody told.
        repository_arn: of its ECR repository, None for another registry.
        overridden: it was let through by an override only; what would have refused it, else empty.
    """

    tag: str
    image: str
    git_revision: str = "unknown"
    repository_arn: str | None = None
    overridden: str = ""

    @classmethod
    def from_output(cls, entry: Mapping[str, Any]) -> "Promoted":
        """Read one remembered release."""
        return cls(
            entry["tag"],
            entry["image"],
            entry.get("gitRevision", "unknown"),
            entry.get("repositoryArn"),
            entry.get("overridden", ""),
        )

    def to_output(self) -> dict[str, Any]:
        """What `from_output` reads."""
        found = {
            "tag": self.tag,
            "image": self.image,
            "gitRevision": self.git_revision,
            "repositoryArn": self.repository_arn,
            "overridden": self.overridden,
        }
        return {key: value for key, value in found.items() if value}


def read(outputs: Mapping[str, Any]) -> list[Promoted]:
    """The memory in the outputs of a `PromotedImage`, newest first."""
    return [Promoted.from_output(entry) for entry in outputs.get("promotions") or ()]


def remember(entries: Sequence[Promoted], new: Promoted) -> list[Promoted]:
    """The memory with `new` first, in the place of what was remembered of its tag."""
    return [new, *(old for old in entries if old.tag != new.tag)][:LIMIT]


def to_outputs(
    entries: Sequence[Promoted], tag: str, image: str, revision: str, arn: str | None, overridden: str
) -> list[dict[str, Any]]:
    """The output `promotions` after a release was let through; arguments as `Promoted` has them."""
    new = Promoted(tag, image, revision, arn, overridden)
    return [one.to_output() for one in remember(entries, new)]


def find(entries: Sequence[Promoted], tag: str) -> Promoted | None:
    """What was let through under a tag; None for a release that never was."""
    return next((one for one in entries if one.tag == tag), None)


def come_back(
    entries: Sequence[Promoted],
    tag: str,
    find_image: Callable[[str, str], Release | None],
    *,
    override: bool,
) -> Promoted | None:
    """The release that may run here again; None where its source must be asked as for any other.

    Args:
        find_image: looks a digest up: repository with its host, digest → what the registry has.
        override: an override is on record. What an override once let through comes back under one only.

    Raises:
        ArgumentError: its image is gone.
    """
    known = find(entries, tag)
    if known is None or (known.overridden and not override):
        return None
    repository, _, digest = known.image.partition("@")
    if find_image(repository, digest) is None:
        raise ArgumentError(
            f"{known.image}, the image of {tag} that ran here, is no longer in the registry\n"
            f"  fix: choose another: pulumi config set antgent:imageTag …"
        )
    return known


def recall(name: str) -> list[Promoted]:
    """What this stack's own state remembers in the `PromotedImage` of this name."""
    from components import state  # the rest of this file is used without an engine, too

    return read(state.own_outputs(f"antgent:image:PromotedImage::{name}"))
