"""Which image a tag stands for in an environment that cannot build."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.errors import ArgumentError
from components.network import NetworkArgs, check, subnet_blocks
from components.oci import REVISION_LABEL, Release
from components.promoted_image import OverrideArgs, PromotedImageArgs, loud, promote

REPOSITORY = "registry.example.com/antgent"
ARN = "arn:aws:ecr:eu-west-1:111122223333:repository/antgent"
BUILT = {"v1.0.0": "a", "v1.1.0": "b"}


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def find(repository: str, tag: str) -> Release | None:
    """A registry that holds two releases, by tag and by digest."""
    assert repository == REPOSITORY
    if tag.startswith("sha256:"):
        return Release(f"{repository}@{tag}") if tag[-1] in BUILT.values() else None
    if tag not in BUILT:
        return None
    return Release(f"{repository}@{digest(BUILT[tag])}", {REVISION_LABEL: f"revision of {tag}"})


def wanted(tag: str, source: str = "staging", **more: Any) -> PromotedImageArgs:
    return PromotedImageArgs(source=source, tag=tag, find=find, **more)


RELEASE_STACK = {"repository": REPOSITORY, "repositoryArn": ARN, "tag": "v1.1.0"}
STAGING = {
    "url": "https://staging",
    "tag": "v1.0.0",
    "image": f"{REPOSITORY}@sha256:{'c' * 64}",
    "gitRevision": "1234abc",
    "repositoryArn": ARN,
}


def test_from_the_release_stack_every_tag_of_its_repository_may_run() -> None:
    """Staging is where a release is tried, so what was built may go there."""
    found = promote(wanted("v1.0.0", "release"), RELEASE_STACK)
    assert found.reference == f"{REPOSITORY}@sha256:{'a' * 64}"
    assert (found.revision, found.repository_arn, found.overridden) == ("revision of v1.0.0", ARN, "")


def test_a_tag_that_was_never_built_is_refused_with_the_way_to_build_it() -> None:
    """An environment cannot build."""
    with pytest.raises(ArgumentError, match=r"holds no v9: it was never built\n  fix: .*--stack release"):
        promote(wanted("v9", "release"), RELEASE_STACK)


def test_from_an_environment_comes_the_digest_that_it_runs() -> None:
    """Not what the registry says now: the very image that was tried."""
    found = promote(wanted("v1.0.0"), STAGING)
    assert (found.reference, found.revision) == (STAGING["image"], "1234abc")


def test_a_tag_that_the_environment_does_not_run_is_refused() -> None:
    """It was not tried there; the message names what was."""
    with pytest.raises(ArgumentError, match=r"v1\.1\.0 may not run here: staging runs v1\.0\.0\n  fix: "):
        promote(wanted("v1.1.0"), STAGING)


def test_an_override_lets_it_through_and_says_so() -> None:
    """A night's emergency; still the image that was built, and still known as overridden."""
    override = OverrideArgs(reason="the database is on fire", by="me@example.com")
    found = promote(wanted("v1.1.0", override=override), STAGING)
    assert found.reference == f"{REPOSITORY}@{digest('b')}"
    assert found.overridden == "staging does not run it"


def test_an_override_that_is_not_needed_overrides_nothing() -> None:
    """What staging runs needs no excuse."""
    override = OverrideArgs(reason="the database is on fire", by="me@example.com")
    assert not promote(wanted("v1.0.0", override=override), STAGING).overridden


def test_a_source_that_was_never_deployed_is_refused() -> None:
    """An empty stack promotes nothing."""
    with pytest.raises(ArgumentError, match=r"fix: pulumi up --stack staging"):
        promote(wanted("v1.0.0"), {})


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERRIDE = OverrideArgs(reason="the database is on fire", by="me@example.com")


def entry(tag: str, letter: str, minutes: int, soak: int = 0) -> dict[str, Any]:
    """A release that staging verified so many minutes ago."""
    return {
        "tag": tag,
        "digest": digest(letter),
        "image": f"{REPOSITORY}@{digest(letter)}",
        "gitRevision": f"commit of {tag}",
        "verifiedAt": (NOW - timedelta(minutes=minutes)).isoformat(),
        "soakMinutes": soak,
        "checks": [],
    }


def verified(*entries: dict[str, Any], **outputs: Any) -> dict[str, Any]:
    """The outputs of a staging that verifies what it runs."""
    return STAGING | {"ledger": list(entries)} | outputs


def test_a_verified_release_is_the_digest_of_the_ledger_whatever_staging_runs_now() -> None:
    """Staging may have gone on to the next release, or be broken; what it verified stays verified."""
    outputs = verified(entry("v1.1.0", "b", 5), entry("v1.0.0", "a", 600), tag="v1.1.0")
    found = promote(wanted("v1.0.0"), outputs, NOW)
    assert found.reference == f"{REPOSITORY}@{digest('a')}"
    assert (found.revision, found.repository_arn) == ("commit of v1.0.0", ARN)
    assert (found.overridden, found.warning) == ("", "")


def test_what_staging_runs_unverified_is_refused_with_what_is_verified_and_the_fix() -> None:
    """Its checks failed, or have not ended: that it runs there proves nothing."""
    outputs = verified(entry("v1.0.0", "a", 600), tag="v1.1.0")
    with pytest.raises(ArgumentError) as refused:
        promote(wanted("v1.1.0"), outputs, NOW)
    said = str(refused.value)
    assert "v1.1.0 may not run here: staging has not verified it" in said
    assert f"v1.0.0  {digest('a')[:19]}  verified 10 h ago" in said
    assert "fix: pulumi config set antgent:imageTag v1.0.0, or ship it to staging first: " in said
    assert "pulumi config set antgent:imageTag v1.1.0 --stack staging && pulumi up --stack staging" in said


def test_an_environment_that_has_verified_nothing_refuses_everything() -> None:
    """A ledger that is empty is a gate that is shut."""
    with pytest.raises(ArgumentError, match="nothing is verified yet"):
        promote(wanted("v1.0.0"), verified(), NOW)


def test_a_release_that_soaks_is_refused_until_its_time_is_over() -> None:
    """With the moment from which on it may run."""
    outputs = verified(entry("v1.0.0", "a", 10, soak=30))
    with pytest.raises(ArgumentError) as refused:
        promote(wanted("v1.0.0"), outputs, NOW)
    assert "its soak time ends in 20 min" in str(refused.value)
    assert "fix: pulumi up again after 2026-03-01 12:20:00 UTC" in str(refused.value)
    assert promote(wanted("v1.0.0"), outputs, NOW + timedelta(minutes=20)).reference.endswith(digest("a"))


def test_an_override_says_what_it_overrides() -> None:
    """Not verified is another thing than not soaked, and whoever reads the log must know which."""
    outputs = verified(entry("v1.0.0", "a", 10, soak=30))
    early = promote(wanted("v1.0.0", override=OVERRIDE), outputs, NOW)
    assert early.overridden == "staging has not let it soak"
    never = promote(wanted("v1.1.0", override=OVERRIDE), outputs, NOW)
    assert never.overridden == "staging has not verified it"
    assert never.reference == f"{REPOSITORY}@{digest('b')}"
    soaked = promote(wanted("v1.0.0", override=OVERRIDE), outputs, NOW + timedelta(hours=1))
    assert soaked.overridden == ""


def test_an_override_is_loud_as_long_as_it_is_needed_and_then_asks_to_be_removed() -> None:
    """Who reads the deployment's output sees who answers for it, and why; one that stays would hide the next."""
    args, outputs = wanted("v1.1.0", override=OVERRIDE), verified(entry("v1.0.0", "a", 10))
    assert loud(args, promote(args, outputs, NOW)) == (
        "OVERRIDE: v1.1.0 runs here although staging has not verified it; "
        "me@example.com answers for it: the database is on fire"
    )
    args = wanted("v1.0.0", override=OVERRIDE)
    assert loud(args, promote(args, outputs, NOW)).endswith("remove it: pulumi config rm antgent:override")
    args = wanted("v1.0.0")
    assert loud(args, promote(args, outputs, NOW)) == ""


def test_an_override_of_a_release_that_nobody_built_is_refused() -> None:
    """It lets an image through; it makes none."""
    with pytest.raises(ArgumentError, match="holds no v9: it was never built"):
        promote(wanted("v9", override=OVERRIDE), verified(entry("v1.0.0", "a", 10)), NOW)


def test_a_tag_that_was_moved_after_its_verification_still_means_the_verified_image() -> None:
    """A mutable registry: the new content never runs, and the operator is told."""
    outputs = verified(entry("v1.0.0", "b", 600))
    found = promote(wanted("v1.0.0"), outputs, NOW)
    assert found.reference == f"{REPOSITORY}@{digest('b')}"
    assert (
        f"v1.0.0 was moved in the registry after staging verified it: it means {digest('a')}" in found.warning
    )


def test_a_verified_image_that_the_registry_has_lost_is_refused_in_preview() -> None:
    """Better now than as a pod that cannot pull."""
    outputs = verified(entry("v1.2.0", "d", 600), entry("v1.0.0", "a", 900))
    with pytest.raises(ArgumentError) as refused:
        promote(wanted("v1.2.0"), outputs, NOW)
    assert f"{REPOSITORY}@{digest('d')}" in str(refused.value)
    assert "that staging verified 10 h ago, is no longer in the registry" in str(refused.value)
    assert "v1.0.0" in str(refused.value)


@pytest.mark.parametrize(
    ("args", "rule"),
    [
        ({"zones": 4}, "must be 2 or 3"),
        ({"zones": 1}, "must be 2 or 3"),
        ({"cidr": "10.0.0.0/28"}, "a /16 to a /24"),
        ({"nat": "none", "endpoints": False}, "no task could pull its image"),
        ({"vpc_id": "vpc-1", "public_subnets": ["a", "a"], "private_subnets": ["c"]}, "1 public"),
        ({"vpc_id": "vpc-1", "public_subnets": ["a", "b"]}, "0 private"),
    ],
)
def test_a_network_that_cannot_work_is_refused(args: dict[str, Any], rule: str) -> None:
    """Before AWS has made half of it."""
    with pytest.raises(ArgumentError, match=rule) as refused:
        check(NetworkArgs(region="eu-west-1", **args))
    assert "fix: " in str(refused.value)


def test_a_third_zone_moves_no_subnet() -> None:
    """Every subnet has its place from the start, and none overlap."""
    blocks = subnet_blocks("10.20.0.0/16")
    assert blocks == {
        "public": ["10.20.0.0/19", "10.20.32.0/19", "10.20.64.0/19"],
        "private": ["10.20.128.0/19", "10.20.160.0/19", "10.20.192.0/19"],
    }
