"""The ledger as data: what enters, what stays, what counts as verified, and how it is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import ledger
from components.ledger import LIMIT, CheckResult, Entry

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def entry(tag: str, minutes: float = 0, soak: int = 0, digest: str = "") -> Entry:
    """A release that was verified so many minutes after noon."""
    digest = f"sha256:{(digest or tag.replace('.', '')).encode().hex():0>64}"
    when = NOON + timedelta(seconds=round(minutes * 60))
    checks = (CheckResult("GET /version: status 200", 0.25),)
    return Entry(tag, digest, f"registry.example.com/antgent@{digest}", "1234abc", when, soak, checks)


tags = st.sampled_from([f"v1.{number}.0" for number in range(4)])
entries = st.builds(
    entry, tags, st.integers(0, 500), st.integers(0, 90), st.sampled_from(["", "a", "b", "c"])
)
histories = st.lists(entries, max_size=8).map(lambda some: sorted(some, key=lambda one: one.verified_at))


def after(history: list[Entry]) -> list[Entry]:
    """The ledger after these verifications, in their order."""
    known: list[Entry] = []
    for new in history:
        known = ledger.enter(known, new)
    return known


@given(histories)
def test_what_is_written_is_read_back(history: list[Entry]) -> None:
    """The stack's output is the only place where the ledger is; nothing may get lost on the way there."""
    known = after(history)
    output = json.loads(json.dumps({"ledger": [one.to_output() for one in known]}))
    assert ledger.read(output) == known


@given(histories)
def test_each_digest_has_one_entry_and_the_newest_is_first(history: list[Entry]) -> None:
    """A release that is verified again takes its own place, not a second one."""
    known = after(history)
    digests = [one.digest for one in known]
    assert len(set(digests)) == len(digests)
    assert set(digests) == {one.digest for one in history}
    assert [one.verified_at for one in known] == sorted((one.verified_at for one in known), reverse=True)


@given(histories, entries)
def test_what_counts_as_verified_goes_on_counting(history: list[Entry], new: Entry) -> None:
    """Production must be able to run what it runs, whatever staging verifies next or again."""
    known = after(history)
    now = max([NOON, *(one.verified_at for one in history)]) + timedelta(minutes=30)
    new = Entry(new.tag, new.digest, new.image, new.git_revision, now, new.soak_minutes)
    before = {one.digest for one in known if one.counts(now)}
    assert before <= {one.digest for one in ledger.enter(known, new) if one.counts(now)}


@given(histories, tags, st.integers(0, 700))
def test_only_a_soaked_entry_of_the_very_tag_makes_it_verified(
    history: list[Entry], tag: str, minutes: int
) -> None:
    """`verified` never invents: it gives an entry of the ledger, of this tag, whose soak time is over."""
    known, now = after(history), NOON + minutes * MINUTE
    found = ledger.verified(known, tag, now)
    possible = [one for one in known if one.tag == tag and now >= one.verified_at + one.soak_minutes * MINUTE]
    assert found == (possible[0] if possible else None)


def test_the_newest_fifty_are_kept() -> None:
    """A ledger that grows for ever would slow every `up` down."""
    known = after([entry(f"v1.{number}.0", number) for number in range(LIMIT + 10)])
    assert [one.tag for one in known] == [f"v1.{number}.0" for number in range(LIMIT + 9, 9, -1)]


def test_a_soak_time_that_has_begun_goes_on_when_the_release_is_verified_again() -> None:
    """A changed setting in staging verifies the release anew; the release has not become younger."""
    first, again = entry("v1.0.0", 0, soak=30), entry("v1.0.0", 20, soak=30)
    (known,) = after([first, again])
    assert known.verified_at == again.verified_at
    assert known.due == first.due
    (soaked,) = after([first, entry("v1.0.0", 45, soak=30)])
    assert soaked.counts(NOON + 45 * MINUTE)


def test_the_output_has_the_form_that_other_stacks_read() -> None:
    """Written by one version of the program and read by another: the form is a contract."""
    assert entry("v1.0.0", soak=30).to_output() == {
        "tag": "v1.0.0",
        "digest": entry("v1.0.0").digest,
        "image": entry("v1.0.0").image,
        "gitRevision": "1234abc",
        "verifiedAt": "2026-03-01T12:00:00Z",
        "soakMinutes": 30,
        "checks": [{"name": "GET /version: status 200", "seconds": 0.25}],
    }


def test_numbers_of_the_engine_are_read_as_what_they_are() -> None:
    """The engine keeps every number as a float."""
    output = entry("v1.0.0").to_output() | {"soakMinutes": 30.0}
    assert Entry.from_output(output).soak_minutes == 30


@pytest.mark.parametrize("outputs", [{}, {"ledger": None}, {"ledger": []}])
def test_a_stack_without_a_ledger_has_verified_nothing(outputs: dict) -> None:
    """Neither a stack without checks nor one whose first release failed."""
    assert ledger.read(outputs) == []
    assert ledger.explain([], NOON) == "nothing is verified yet"


def test_the_explanation_says_what_is_verified_how_old_it_is_and_what_still_soaks() -> None:
    """What an operator reads who was refused."""
    known = after([entry("v1.9.0", -3 * 24 * 60), entry("v1.10.0", -5 * 60), entry("v1.11.0", -12, soak=30)])
    lines = ledger.explain(known, NOON).splitlines()
    assert [line.split()[0] for line in lines] == ["v1.11.0", "v1.10.0", "v1.9.0"]
    assert lines[0].endswith("verified 12 min ago, soaks 18 min longer")
    assert lines[1].endswith("verified 5 h ago")
    assert lines[2].endswith("verified 3 days ago")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172800, "2 days"),
    ],
)
def test_an_age_is_said_in_the_unit_a_person_would_choose(seconds: int, said: str) -> None:
    """A clock that is a little ahead gives no negative age."""
    assert ledger.age(timedelta(seconds=seconds)) == said
