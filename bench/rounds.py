"""The measurement: every contender does everything in every round, so that a slow minute hits all."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil

from bench.contenders import VERSIONS, Contender, settled
from sandbox.console import say
from sandbox.errors import SandboxError
from sandbox.process import wait_until

RELEASE, NOTHING, PREVIEW = "release", "no-op", "preview"
ACTIONS = (RELEASE, NOTHING, PREVIEW)
QUIET_PERCENT = 35
"""CPU below which the machine is idle; a cluster alone takes some of it."""
QUIET_SECONDS = 60
SETTLE_SECONDS = 60


@dataclass(frozen=True)
class Sample:
    """One measured command.

    Args:
        action: a member of `ACTIONS`.
        contender: who did it.
        seconds: wall-clock time from its start to its end.
        load: the 1-minute load average before it.
    """

    action: str
    contender: str
    seconds: float
    load: float


def measure(env: Mapping[str, str], contenders: Mapping[str, Contender], rounds: int) -> list[Sample]:
    """Run all rounds; each begins with another contender.

    Args:
        env: of the sandbox.
        contenders: all of them on the first version.
        rounds: how often.
    """
    _quiet()
    samples: list[Sample] = []
    names = list(contenders)
    for number in range(rounds):
        version = VERSIONS[(number + 1) % len(VERSIONS)]
        start = number % len(names)
        order = {name: contenders[name] for name in names[start:] + names[:start]}
        seen = list(_round(env, order, version))
        samples += seen
        told = ", ".join(f"{one.contender} {one.seconds:.1f}" for one in seen if one.action == RELEASE)
        say(f"  round {number + 1} of {rounds}, a release in seconds: {told}")
    return samples


def _round(env: Mapping[str, str], contenders: Mapping[str, Contender], version: str) -> Iterator[Sample]:
    """Nothing to do, then the next version previewed, then released."""
    for name, one in contenders.items():
        yield _timed(NOTHING, name, one.release)
    for name, one in contenders.items():
        one.choose(version)
        yield _timed(PREVIEW, name, one.preview)
    for name, one in contenders.items():
        # Pods of the release before that are still ending would slow this one down.
        if not wait_until(lambda: settled(env), seconds=SETTLE_SECONDS, every=0.5):
            raise SandboxError("pods of a previous release do not end", fix="kubectl get pods -A")
        yield _timed(RELEASE, name, one.release)


def _timed(action: str, name: str, run: Callable[[], None]) -> Sample:
    load, started = os.getloadavg()[0], time.monotonic()
    run()
    return Sample(action, name, time.monotonic() - started, load)


def _quiet() -> None:
    """Wait until what the set-up started has calmed down; go on after a minute all the same."""
    deadline = time.monotonic() + QUIET_SECONDS
    while psutil.cpu_percent(interval=2) > QUIET_PERCENT and time.monotonic() < deadline:
        pass


@dataclass(frozen=True)
class Figure:
    """What one contender needed for one action, in seconds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, samples: list[Sample], action: str, contender: str) -> "Figure":
        """The figure of those samples that are meant."""
        seconds = [one.seconds for one in samples if (one.action, one.contender) == (action, contender)]
        return cls(statistics.median(seconds), min(seconds), max(seconds))
