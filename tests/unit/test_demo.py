"""The demo's own project, as far as it can be checked without a cluster: its config and how its story ends early."""

from pathlib import Path

import pytest

import settings
from demo import project
from demo.__main__ import Story
from sandbox.errors import SandboxError
from ship.errors import Exit

ENV = {
    "SANDBOX_REGISTRY": "127.0.0.1:5000",
    "SANDBOX_TEMPORAL": "127.0.0.1:7233",
    "SANDBOX_BASE_IMAGE": "base:1",
    "SANDBOX_BUILDER_IMAGE": "builder:1",
}


@pytest.mark.parametrize("stack", project.STACKS)
def test_each_stack_of_the_demo_is_a_valid_one(stack: str, tmp_path: Path) -> None:
    """It is cut out of Pulumi.local.yaml, so a change there must not break it unseen."""
    config = {f"antgent:{key}": value for key, value in project._configs(tmp_path)[stack].items()}
    found = settings.parse(config, file=f"Pulumi.{stack}.yaml", env=ENV)
    assert (found.service is None) == (stack == "release")
    assert found.promote_from == {"staging": "release", "prod": "staging"}.get(stack)
    assert (found.verify is not None) == (stack == "staging")


def test_the_bad_release_has_the_pins_of_the_good_one(tmp_path: Path) -> None:
    """It builds and starts, and says another version than its tag."""
    project._copy_image(tmp_path / "image")
    pins = tmp_path / "image" / "pins"
    bad, good = (pins / f"antgent-{tag[1:]}.txt" for tag in (project.BAD, project.GOOD[1]))
    assert bad.read_bytes() == good.read_bytes()


def test_a_story_that_goes_another_way_is_an_error(tmp_path: Path) -> None:
    """`make demo` must not end well when it did not."""
    story = Story(tmp_path, {"PATH": "/nowhere"})
    story.ship("status", expect=Exit.USAGE)  # there is no project here
    with pytest.raises(SandboxError, match="ended with 2, not 0"):
        story.ship("status")
