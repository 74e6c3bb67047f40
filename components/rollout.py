"""Rollout: one verdict for every runtime.

A runtime's own wait either reports too little or, when a deployment is rolled back, success. So the
change is made without waiting and this resource watches instead: until the requested revision, and no
other, runs and is ready; it fails as soon as nothing can heal any more, else at its deadline, always
with the reason, the exit code and the last log lines.

The watching itself is plain Python (`watch` and one observer a runtime), so it runs in tests and from
the command line without an engine; `Rollout` is a thin shell around it.
"""

import importlib
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pulumi
from pulumi import Input, Output
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

from components.verdict import VerdictError, say_only_the_verdict

OBSERVERS = {
    "docker": "components.rollout_docker:DockerObserver",
    "kubernetes": "components.rollout_kubernetes:KubernetesObserver",
    "ecs": "components.rollout_ecs:EcsObserver",
}
"""Runtime → the class that observes it; imported when needed, because client libraries load slowly."""

POLL_SECONDS = 0.5
QUIET_SECONDS = 10


@dataclass(frozen=True)
class Observation:
    """What an observer saw in one look.

    Args:
        state: `ready` and `failed` are final; `waiting` is not.
        summary: one line for the progress display.
        evidence: for `failed`, and for a deadline that passes: reasons, events, last log lines. A
            function where they cost requests: it is called once, when they are to be told.
    """

    state: Literal["ready", "waiting", "failed"]
    summary: str
    evidence: str | Callable[[], str] = ""

    def told(self) -> str:
        """The evidence as text."""
        return self.evidence if isinstance(self.evidence, str) else self.evidence()


class Observer(Protocol):
    """Looks at one runtime, for one requested revision."""

    def observe(self) -> Observation:
        """One look, which must not wait."""
        ...


class RolloutError(VerdictError):
    """The requested revision is not what runs; the message says what does, and why."""


def watch(
    observer: Observer,
    *,
    deadline: float,
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when `observer` reports ready.

    Args:
        deadline: seconds from now.
        say: takes a progress line, called when the situation changed and every 10 s otherwise.

    Raises:
        RolloutError: at once when the observer reports failure, else at the deadline.
    """
    started, spoke, last = clock(), float("-inf"), ""
    while True:
        seen = observer.observe()
        waited = clock() - started
        if seen.summary != last or clock() - spoke >= QUIET_SECONDS:
            say(f"{seen.summary} ({waited:.0f} s)")
            spoke, last = clock(), seen.summary
        if seen.state == "ready":
            return
        if seen.state == "failed":
            raise RolloutError(_report(f"{seen.summary}, after {waited:.0f} s", seen.told()))
        if waited >= deadline:
            raise RolloutError(_report(f"not ready in {deadline:g} s: {seen.summary}", seen.told()))
        sleep(min(POLL_SECONDS, max(deadline - waited, 0.01)))


def _report(headline: str, evidence: str) -> str:
    return f"rollout failed: {headline}" + "".join(f"\n  {line}" for line in evidence.splitlines())


class Rollout(Resource, module="antgent", name="Rollout"):
    """Waits for a revision; an `up` whose revision does not come up fails here."""

    revision: Output[str]
    """The revision the verdict was given on."""

    def __init__(
        self,
        name: str,
        *,
        runtime: str,
        revision: Input[str],
        target: Mapping[str, Input[Any]],
        deadline: int = 300,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        runtime: a key of `OBSERVERS`.
        revision: the orchestrator's own name of what was just requested. It changes with every
            change to the workloads, also when a release is taken back, so that the watch runs again.
        target: what the observer's constructor takes (addresses and names; never a secret).
        deadline: seconds. Defaults to 300.
        """
        props = {"runtime": runtime, "revision": revision, "target": dict(target), "deadline": deadline}
        super().__init__(RolloutProvider(), name, props, opts)


class RolloutProvider(ResourceProvider):
    """The engine's side of `Rollout`. Pickled by reference: state holds its name, not its code."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Give the verdict; the resource exists only if it is good."""
        _give_verdict(props)
        return CreateResult(id_="rollout", outs=_outputs(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Give the verdict on a new revision; when it is bad, state keeps the last good one."""
        _give_verdict(_news)
        return UpdateResult(outs=_outputs(_news))


def _outputs(props: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in props.items() if not key.startswith("__")}


def _give_verdict(props: Mapping[str, Any]) -> None:
    say_only_the_verdict()
    module, _, name = OBSERVERS[props["runtime"]].partition(":")
    observer = getattr(importlib.import_module(module), name)(**props["target"])
    watch(observer, deadline=props["deadline"], say=lambda line: print(line, flush=True))


def end_quietly_when_cancelled() -> None:
    """Let SIGINT end the program at once.

    The engine interrupts the program when a resource failed; Python would print a traceback over the
    verdict that the operator is to read.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
