"""The watching that every runtime shares: when it ends, and what it says."""

import itertools
from collections.abc import Iterator

import pytest

from components.rollout import Observation, RolloutError, watch


class Script:
    """An observer that reports what a test wrote down; the last line repeats."""

    def __init__(self, *seen: Observation) -> None:
        self._seen: Iterator[Observation] = itertools.chain(seen, itertools.repeat(seen[-1]))

    def observe(self) -> Observation:
        return next(self._seen)


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(*seen: Observation, deadline: float = 10) -> list[str]:
    """Watch a script; the progress lines."""
    clock, lines = Clock(), []
    watch(Script(*seen), deadline=deadline, say=lines.append, clock=clock, sleep=clock.sleep)
    return lines


WAITING = Observation("waiting", "server: 1 of 2 ready", "pod a: running, not ready")
READY = Observation("ready", "server: 2 of 2 ready")


def test_it_returns_as_soon_as_the_revision_is_ready() -> None:
    """A good release costs no more than one look after it is up."""
    assert run(WAITING, WAITING, READY) == ["server: 1 of 2 ready (0 s)", "server: 2 of 2 ready (1 s)"]


def test_it_fails_at_once_when_nothing_can_heal() -> None:
    """The deadline is for doubt, not for certainty."""
    crashed = Observation("failed", "server: CrashLoopBackOff", "exit code 3\nfatal: no password")
    with pytest.raises(
        RolloutError, match="CrashLoopBackOff, after 0 s\n  exit code 3\n  fatal: no password"
    ):
        run(WAITING, crashed, deadline=1000)


def test_it_fails_at_the_deadline_with_what_was_last_seen() -> None:
    """A release that never gets ready ends in bounded time, with its evidence."""
    with pytest.raises(
        RolloutError, match="not ready in 10 s: server: 1 of 2 ready\n  pod a: running, not ready"
    ):
        run(WAITING)


def test_it_looks_once_more_at_the_deadline() -> None:
    """Ready in the last moment is ready."""
    assert run(*[WAITING] * 20, READY)[-1].startswith("server: 2 of 2 ready")


def test_it_says_the_same_thing_every_ten_seconds_only() -> None:
    """Progress is a sign of life, not a flood."""
    lines: list[str] = []
    clock = Clock()
    with pytest.raises(RolloutError):
        watch(Script(WAITING), deadline=25, say=lines.append, clock=clock, sleep=clock.sleep)
    assert len(lines) == 3
