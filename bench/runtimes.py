"""Measures one release on each runtime: from `pulumi up` to the new version's first answer, and to its end."""

import contextlib
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from bench import ground
from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.process import free_port
from tests.conftest import Stack, app_config, destroy
from tests.engine.kubernetes_load import address

DEADLINE = 120
"""Seconds a rollout may take before `up` fails."""
Sample = tuple[float, float]
"""Seconds to the first answer of the new version, and to the end of the command."""


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each runtime gets a release.")] = 5,
) -> None:
    """Release the small app, a server and a worker, to Docker, Kubernetes and ECS in turn; print the table."""
    with ground.sandbox(None, with_aws=True) as (sandbox, _), tempfile.TemporaryDirectory() as folder:
        stacks = dict(_stacks(sandbox.env, Path(folder)))
        try:
            for runtime, stack in stacks.items():
                with step(f"the first release on {runtime}"):
                    stack.pulumi.up()
            samples = _measure(stacks, rounds)
        finally:
            with step("removing the three stacks"):
                for stack in stacks.values():
                    destroy(stack)
    _show(samples)


def _stacks(env: Mapping[str, str], folder: Path) -> Iterator[tuple[str, Stack]]:
    """A stack a runtime, all of the same app and the same sizes."""
    options: dict[str, dict[str, Any]] = {
        "docker": {"publish": {"port": free_port()}},
        "kubernetes": {"namespace": "bench"},
        "ecs": {"network": {"nat": "none"}, "dashboard": False},
    }
    context = ground.context(folder)
    for runtime, own in options.items():
        config = app_config(context, "bench", "good", "v1.0.0")
        config["service"] |= {"runtime": runtime, runtime: own, "rollout": {"deadline": DEADLINE}}
        if runtime == "ecs":  # Fargate's least
            config["service"]["server"] |= {"memory": 512}
            config["service"]["worker"] |= {"memory": 512}
        project = folder / runtime
        project.mkdir()
        yield runtime, Stack(project, env, config, name=f"bench-{runtime}")


def _measure(stacks: Mapping[str, Stack], rounds: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {runtime: [] for runtime in stacks}
    # A Service's name is known to the cluster's DNS only; this machine is the node, so its address serves here.
    addresses = {
        runtime: address(stack) if runtime == "kubernetes" else stack.url for runtime, stack in stacks.items()
    }
    for number in range(1, rounds + 1):
        for runtime, stack in stacks.items():
            stack.build("good", f"v1.{number}.0")
            samples[runtime].append(_release(stack, f"{addresses[runtime]}/version", f"1.{number}.0"))
        told = ", ".join(f"{runtime} {found[-1][0]:.1f}" for runtime, found in samples.items())
        say(f"  round {number} of {rounds}, seconds to the first answer: {told}")
    return samples


def _release(stack: Stack, url: str, version: str) -> Sample:
    """Ask for the version until it answers, while `up` brings it."""
    started, ended = time.monotonic(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(_answered, url, version, ended)
        try:
            stack.pulumi.up()
            done = time.monotonic() - started
        finally:
            ended.set()
    if (first := answered.result()) is None:
        raise SandboxError(f"{url} does not report {version} after `up`", fix="make doctor")
    return first - started, done


def _answered(url: str, version: str, ended: threading.Event) -> float | None:
    """When the version answered first; None when it did not, also not after the end."""
    over = False
    while not over:
        over = ended.wait(0.1)
        with contextlib.suppress(httpx.HTTPError, ValueError):
            if httpx.get(url, timeout=1).json()["version"] == version:
                return time.monotonic()
    return None


def _show(samples: Mapping[str, list[Sample]]) -> None:
    table = Table(title="one release of the small app, medians in seconds")
    for column in ("runtime", "first answer", "least", "most", "`pulumi up`"):
        table.add_column(column, justify="left" if column == "runtime" else "right")
    for runtime, found in samples.items():
        first, whole = zip(*found, strict=True)
        seconds = (statistics.median(first), min(first), max(first), statistics.median(whole))
        table.add_row(runtime, *(f"{one:.1f}" for one in seconds))
    Console(highlight=False).print(table)


if __name__ == "__main__":
    ground.run(main)
