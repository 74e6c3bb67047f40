"""Where the contenders run: a sandbox of its own with a cluster, both versions pushed, all three deployed."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import typer

from bench import manifests
from bench.contenders import (
    FLAT,
    KUBECTL,
    NAMESPACES,
    OURS,
    VERSIONS,
    Contender,
    Flat,
    Kubectl,
    Ours,
    differences,
    flat_config,
)
from sandbox import assembly, gobuild
from sandbox.assembly import Sandbox
from sandbox.console import say, step, told_when_interrupted
from sandbox.errors import SandboxError
from sandbox.paths import Home, cache_dir
from tests.conftest import APP, Stack, app_config

REPOSITORY = "bench"


def run(main: Callable[..., None]) -> None:
    """Run a measurement as a command: SIGTERM cleans up as Ctrl-C does, and no error ends in a traceback."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        with told_when_interrupted("interrupted; nothing of it is left"):
            typer.run(main)
    except SandboxError as error:
        say(f"error: {error}")
        sys.exit(1)


@contextlib.contextmanager
def sandbox(home: Path | None, *, with_aws: bool = False) -> Iterator[tuple[Sandbox, float]]:
    """A sandbox with a cluster, and the seconds its start took.

    Args:
        home: of a sandbox that is used, or started, and left running. Defaults to one in a temporary
            folder, which is gone afterwards, also after a Ctrl-C.
        with_aws: bring AWS's API too. Defaults to no.
    """
    root = home or Path(tempfile.mkdtemp(prefix="antgent-bench-"))
    started = time.monotonic()
    try:
        running = assembly.start(
            Home(root.resolve()), "kubernetes", with_aws=with_aws, pid=None if home else os.getpid()
        )
        yield running, time.monotonic() - started
    finally:
        if home is None:
            with _undisturbed(), step("cleaning up"):
                assembly.stop(Home(root.resolve()), purge=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from leaving a cluster behind; children inherit it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def contenders(env: Mapping[str, str], folder: Path) -> dict[str, Contender]:
    """All three, each running the first version and each with the second in the registry.

    Raises:
        SandboxError: their objects in the cluster are not the same.
    """
    with step("our program, both versions pushed"):
        ours, configs, lists = _ours(env, folder)
    with step("the flat program"):
        flat = Flat(folder / "flat", env, configs)
        flat.release()
    with step("kubectl"):
        kubectl = Kubectl(folder, env, lists)
        kubectl.release()
    if odd := differences(env):
        raise SandboxError(
            f"the contenders do not run the same objects: {', '.join(odd)}",
            fix="write into bench/flat/__main__.py what components/kubernetes_*.py make now",
        )
    return {OURS: ours, FLAT: flat, KUBECTL: kubectl}


def _ours(env: Mapping[str, str], folder: Path) -> tuple[Ours, dict[str, dict], dict[str, manifests.Object]]:
    """Ours on its first version; version → the config of the flat program, and the manifests."""
    project = folder / "ours"
    project.mkdir()
    config = app_config(context(folder), REPOSITORY, "good", VERSIONS[0])
    config["service"] |= {"runtime": "kubernetes", "kubernetes": {"namespace": NAMESPACES[OURS]}}
    stack = Stack(project, env, config)
    stack.scale(2)
    ours, configs, lists = Ours(stack), {}, {}
    for version in (*VERSIONS, VERSIONS[0]):
        ours.choose(version)
        ours.release()
        objects = manifests.live(env, NAMESPACES[OURS])
        configs[version] = flat_config(objects, ours.image(), version)
        lists[version] = manifests.moved(objects, NAMESPACES[OURS], NAMESPACES[KUBECTL])
    return ours, configs, lists


def context(folder: Path) -> Path:
    """The build context of the small app, made in `folder`."""
    made = folder / "app"
    made.mkdir()
    out = cache_dir() / "test-app" / "bench"
    gobuild.build(APP, {"app": "."}, out, ldflags="-s -w")
    shutil.copy(out / "app", made / "app")
    shutil.copy(APP / "Dockerfile", made / "Dockerfile")
    return made
