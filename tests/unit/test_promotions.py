"""What an environment remembers of the releases that it was allowed to run, and which of them may come back."""

import pytest

from components import promotions
from components.errors import ArgumentError
from components.oci import Release
from components.promotions import LIMIT, Promoted

REPOSITORY = "registry.example.com/antgent"


def image(letter: str) -> str:
    return f"{REPOSITORY}@sha256:{letter * 64}"


def there(repository: str, digest: str) -> Release | None:
    """A registry that has lost the image of `f`."""
    assert (repository, digest[:7]) == (REPOSITORY, "sha256:")
    return None if digest.endswith("f") else Release(f"{repository}@{digest}")


MEMORY = [
    Promoted("v1.1.0", image("b"), "1234abc", "arn:aws:ecr:eu-west-1:111122223333:repository/antgent"),
    Promoted("v1.0.1", image("c"), overridden="staging has not verified it"),
    Promoted("v1.0.0", image("f")),
]


def test_the_memory_survives_the_state() -> None:
    """What is written is what is read, and absent facts are left out."""
    outputs = {"promotions": [one.to_output() for one in MEMORY]}
    assert promotions.read(outputs) == MEMORY
    assert promotions.read({}) == []
    assert outputs["promotions"][2] == {"tag": "v1.0.0", "image": image("f"), "gitRevision": "unknown"}


def test_the_newest_is_first_and_a_tag_is_there_once() -> None:
    """The same release again changes nothing, so that a second `up` shows no change."""
    assert promotions.remember(MEMORY, MEMORY[0]) == MEMORY
    again = promotions.remember(MEMORY, Promoted("v1.0.0", image("e")))
    assert [(one.tag, one.image) for one in again[:2]] == [("v1.0.0", image("e")), ("v1.1.0", image("b"))]
    assert len(again) == len(MEMORY)


def test_the_memory_is_bounded() -> None:
    """State must not grow for ever."""
    entries: list[Promoted] = []
    for number in range(LIMIT + 5):
        entries = promotions.remember(entries, Promoted(f"v{number}", image("a")))
    assert (len(entries), entries[0].tag, entries[-1].tag) == (LIMIT, f"v{LIMIT + 4}", "v5")


def test_what_ran_here_may_come_back_by_its_digest() -> None:
    """Whatever the tag means in the registry by now."""
    assert promotions.come_back(MEMORY, "v1.1.0", there, override=False) == MEMORY[0]


def test_what_never_ran_here_is_for_its_source_to_say() -> None:
    """A hold alone lets nothing in."""
    assert promotions.come_back(MEMORY, "v9.0.0", there, override=True) is None


def test_what_only_an_override_let_in_comes_back_under_an_override_only() -> None:
    """So that it stays on record that nobody verified it."""
    assert promotions.come_back(MEMORY, "v1.0.1", there, override=False) is None
    assert promotions.come_back(MEMORY, "v1.0.1", there, override=True) == MEMORY[1]


def test_an_image_that_the_registry_lost_is_refused_in_preview() -> None:
    """Else the rollout would find out, with the old release half gone."""
    with pytest.raises(ArgumentError, match=r"v1\.0\.0 that ran here, is no longer in the registry"):
        promotions.come_back(MEMORY, "v1.0.0", there, override=False)
