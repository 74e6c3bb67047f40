"""When an image is built, and what counts as its content."""

from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ArgumentError
from components.image import Build, BuiltImageArgs, check_content, decide, hash_content
from components.oci import Release

FOUND = Release("registry/app@sha256:1", {"antgent.build.content": "c"})


def test_a_tag_that_is_not_in_the_registry_is_built() -> None:
    """The first `up` of a release."""
    assert decide("v1", "ctx", None, None) == Build("v1", "ctx", 1)


def test_a_tag_in_the_registry_that_this_stack_never_built_is_used_as_it_is() -> None:
    """Another machine pushed it; nothing is built."""
    assert decide("v1", "ctx", FOUND, None) is None


def test_the_build_that_made_the_image_stays_in_state() -> None:
    """Otherwise the second `up` would show a change."""
    last = Build("v1", "ctx", 1)
    assert decide("v1", "ctx", FOUND, last) == last


def test_an_older_tag_drops_the_newer_build_from_state() -> None:
    """Going back must not build the old tag again."""
    assert decide("v1", "ctx", FOUND, Build("v2", "ctx", 1)) is None


def test_an_image_that_the_registry_lost_is_built_again() -> None:
    """State says it was built, so only a resource of another name makes the engine build."""
    assert decide("v1", "ctx", None, Build("v1", "ctx", 1)) == Build("v1", "ctx", 2)


def test_the_next_tag_starts_counting_anew() -> None:
    """Attempts belong to one tag."""
    assert decide("v2", "ctx", None, Build("v1", "ctx", 3)) == Build("v2", "ctx", 1)


@pytest.fixture
def args(tmp_path: Path) -> BuiltImageArgs:
    """A context of a Dockerfile, a program and the pins of two versions."""
    (tmp_path / "pins").mkdir()
    for file in ("Dockerfile", "app.py", "pins/1.0.txt", "pins/1.1.txt"):
        (tmp_path / file).write_text(file)
    return BuiltImageArgs(
        repository="r/app",
        tag="v1.0",
        context=str(tmp_path),
        dockerfile=str(tmp_path / "Dockerfile"),
        inputs=("*.py", "pins/1.0.txt"),
        build_args={"ANTGENT_VERSION": "1.0"},
    )


@pytest.mark.parametrize("file", ["Dockerfile", "app.py", "pins/1.0.txt"])
def test_what_goes_into_the_image_changes_its_content(args: BuiltImageArgs, file: str) -> None:
    """A changed input under an old tag must be noticed."""
    before = hash_content(args)
    Path(args.context, file).write_text("changed")
    assert hash_content(args) != before


def test_the_pins_of_another_version_do_not_change_the_content(args: BuiltImageArgs) -> None:
    """Adding the next version's pins must not make the released tag look different."""
    before = hash_content(args)
    Path(args.context, "pins/1.1.txt").write_text("changed")
    assert hash_content(args) == before


def test_a_tag_with_other_content_is_refused_with_its_origin(args: BuiltImageArgs) -> None:
    """The error names the commit to go back to."""
    other = Release(
        "r/app@sha256:2", {"antgent.build.content": "other", "org.opencontainers.image.revision": "abc"}
    )
    with pytest.raises(ArgumentError, match="built from abc"):
        check_content(args, "content", other)


def test_only_a_registry_of_this_machine_may_be_emptied(args: BuiltImageArgs) -> None:
    """Try, pull, try again: a newer checkout builds other content under the published version's tag."""
    other = Release("r/app@sha256:2", {"antgent.build.content": "other"})
    with pytest.raises(ArgumentError) as shared:
        check_content(replace(args, repository="registry.example.com/app"), "content", other)
    with pytest.raises(ArgumentError, match="make purge"):
        check_content(replace(args, repository="127.0.0.1:5000/app"), "content", other)
    assert "make purge" not in str(shared.value)


def test_a_missing_context_is_refused_with_the_fix(args: BuiltImageArgs) -> None:
    """A typo in config is no traceback."""
    with pytest.raises(ArgumentError, match=r"pulumi config set --path 'antgent:build.context'"):
        hash_content(replace(args, context="/nowhere"))
