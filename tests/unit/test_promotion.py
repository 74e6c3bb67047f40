"""Which image a tag stands for in an environment that cannot build."""

from typing import Any

import pytest

from components.errors import ArgumentError
from components.network import NetworkArgs, check, subnet_blocks
from components.oci import REVISION_LABEL, Release
from components.promoted_image import OverrideArgs, PromotedImageArgs, promote

REPOSITORY = "registry.example.com/antgent"
ARN = "arn:aws:ecr:eu-west-1:111122223333:repository/antgent"
BUILT = {"v1.0.0": "a", "v1.1.0": "b"}


def find(repository: str, tag: str) -> Release | None:
    """A registry that holds two releases."""
    assert repository == REPOSITORY
    if tag not in BUILT:
        return None
    return Release(f"{repository}@sha256:{BUILT[tag] * 64}", {REVISION_LABEL: f"revision of {tag}"})


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
    assert (found.revision, found.repository_arn, found.overridden) == ("revision of v1.0.0", ARN, False)


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
    assert (found.reference, found.overridden) == (f"{REPOSITORY}@sha256:{'b' * 64}", True)


def test_an_override_that_is_not_needed_overrides_nothing() -> None:
    """What staging runs needs no excuse."""
    override = OverrideArgs(reason="the database is on fire", by="me@example.com")
    assert not promote(wanted("v1.0.0", override=override), STAGING).overridden


def test_a_source_that_was_never_deployed_is_refused() -> None:
    """An empty stack promotes nothing."""
    with pytest.raises(ArgumentError, match=r"fix: pulumi up --stack staging"):
        promote(wanted("v1.0.0"), {})


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
