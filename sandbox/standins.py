"""Decides, per provider, between the official plugin and our stand-in, and runs the stand-ins."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from sandbox.console import say, step
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home
from sandbox.process import Daemon, free_port, listening
from sandbox.status import PartStatus
from sandbox.vendor import vendor_reachable

CHOICES = ("plugin", "stand-in", "auto")
INSTALL_SECONDS = 300
READS = {
    "aws": (
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "SANDBOX_ECR",
        "SANDBOX_REGISTRY",
    ),
    "docker": ("DOCKER_HOST", "SANDBOX_BUILD_DEFAULTS"),
    "kubernetes": ("KUBECONFIG",),
}
"""What each stand-in takes from its environment, so that it is started anew when that has changed."""


def ensure_providers(home: Home, engine: Engine, env: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """Make each provider available to the engine.

    Args:
        env: the engine's environment.
        names: providers by package, `docker`, `kubernetes`.

    Returns:
        `PULUMI_DEBUG_PROVIDERS` for those that are stand-ins; empty when all are plugins.

    Raises:
        SandboxError: `SANDBOX_PROVIDERS=plugin`, and a plugin cannot be had.
    """
    attached = [name for name in names if _choose(home, engine, env, name) == "stand-in"]
    ports = {name: _ensure_stand_in(home, env, name) for name in attached}
    if not ports:
        return {}
    return {"PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in ports.items())}


def stop_providers(home: Home) -> None:
    """End every stand-in of this home."""
    for pid_file in home.folder("pids").glob("provider-*.json"):
        _daemon(home, pid_file.stem.removeprefix("provider-")).stop(grace=5)


def status(home: Home) -> list[PartStatus]:
    """One row a provider that is in use: every plugin, and each stand-in that was not stopped since its start.

    Docker's always, because every stack that builds needs it; another runtime's may have had its time.
    """
    rows = []
    for name, choice in sorted(_remembered(home).items()):
        if choice == "plugin" or name == "docker" or _daemon(home, name).pid_file.exists():
            rows.append(_row(home, name, choice))
    return rows


def _row(home: Home, name: str, choice: str) -> PartStatus:
    part = f"provider {name}"
    if choice == "plugin":
        return PartStatus(part, version(f"pulumi-{name}"), "official plugin", health="healthy")
    daemon = _daemon(home, name)
    process = daemon.process()
    port = daemon.facts().get("port", 0)
    up = process is not None and listening(int(str(port)))
    return PartStatus(
        part, "stand-in", f"127.0.0.1:{port}" if up else "", process.pid if process else None,
        "healthy" if up else "down",
    )  # fmt: skip


def _choose(home: Home, engine: Engine, env: Mapping[str, str], name: str) -> str:
    wanted = os.environ.get("SANDBOX_PROVIDERS", "auto")
    if wanted not in CHOICES:
        raise SandboxError(
            f"SANDBOX_PROVIDERS is {wanted!r}, not one of {', '.join(CHOICES)}",
            fix="export SANDBOX_PROVIDERS=auto",
        )
    remembered = _remembered(home).get(name)
    if wanted == "auto" and remembered:
        return remembered
    choice = "stand-in" if wanted == "stand-in" else _plugin_or_stand_in(engine, env, name, wanted)
    _remember(home, name, choice)
    return choice


def _plugin_or_stand_in(engine: Engine, env: Mapping[str, str], name: str, wanted: str) -> str:
    needed = version(f"pulumi-{name}")
    problem = _install_plugin(engine, env, name, needed)
    if problem is None:
        return "plugin"
    if wanted == "plugin":
        raise SandboxError(
            f"the official {name} plugin {needed} cannot be installed: {problem}",
            fix="export SANDBOX_PROVIDERS=auto, to use the stand-in where a plugin cannot be had",
        )
    say(f"  the official {name} plugin {needed} cannot be had here; the stand-in takes its place")
    return "stand-in"


def _install_plugin(engine: Engine, env: Mapping[str, str], name: str, needed: str) -> str | None:
    """Install the plugin unless it is there; the reason when it cannot be."""
    if shutil.which(f"pulumi-resource-{name}", path=env.get("PATH")):
        return None
    if not vendor_reachable():
        return "the vendor's download site does not answer"
    command = [str(engine.bin / "pulumi"), "plugin", "install", "resource", name, needed]
    with step(f"looking for the official {name} plugin {needed}"):
        try:
            done = subprocess.run(
                command, env=dict(env), capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"no answer in {INSTALL_SECONDS} s"
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _ensure_stand_in(home: Home, env: Mapping[str, str], name: str) -> int:
    daemon = _daemon(home, name)
    before = daemon.facts()
    port = int(str(before.get("port") or 0))
    wanted = {"code": _code_stamp(), "env": _environment_stamp(env, name)}
    if daemon.process() and before == {"port": port, **wanted} and listening(port):
        return port
    daemon.stop(grace=5)
    # The engine records the port nowhere, but a steady one keeps `make env` valid across restarts.
    port = free_port(port)
    daemon.start(
        [sys.executable, "-m", "sandbox.providers", name, "--port", str(port)],
        ready=lambda: listening(port), env=env, cwd=CHECKOUT, facts={"port": port, **wanted},
    )  # fmt: skip
    return port


def _environment_stamp(env: Mapping[str, str], name: str) -> str:
    """A digest, because there are keys among the values."""
    values = [(key, env.get(key, "")) for key in READS[name]]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _code_stamp() -> float:
    """Changes with the stand-ins' code, so that an edited one is started anew."""
    return max(file.stat().st_mtime for file in (Path(__file__).parent / "providers").glob("*.py"))


def _daemon(home: Home, name: str) -> Daemon:
    return Daemon(f"{name} stand-in", home.pid_file(f"provider-{name}"), home.log(f"provider-{name}"))


def _remembered(home: Home) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        return json.loads((home.root / "providers.json").read_text())
    return {}


def _remember(home: Home, name: str, choice: str) -> None:
    (home.root / "providers.json").write_text(json.dumps(_remembered(home) | {name: choice}))
