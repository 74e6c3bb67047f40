"""Measures releases on Kubernetes: ours, a flat program's and kubectl's, interleaved in one run."""

import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import ground, report, rounds
from sandbox.console import say, step
from sandbox.engine import ensure_engine
from sandbox.errors import SandboxError

BUSY = 1.5
"""The 1-minute load average above which figures say more about the machine than about us."""


def main(
    rounds_: Annotated[int, typer.Option("--rounds", min=1, help="How often everything is measured.")] = 5,
    home: Annotated[
        Path | None, typer.Option(help="Use the sandbox there and leave it running. Defaults to a new one.")
    ] = None,
    busy: Annotated[
        bool, typer.Option("--busy", help="Measure on a busy machine too; the figures are flagged.")
    ] = False,
) -> None:
    """Measure, print the table, and write bench/out/results.json and bench/out/releases.png."""
    load = os.getloadavg()[0]
    if load > BUSY and not busy:
        raise SandboxError(
            f"the machine is busy (load average {load:.2f}, {BUSY} at most), so figures would mean little",
            fix="wait, or have them flagged: python -m bench --busy",
        )
    with ground.sandbox(home) as (sandbox, started), tempfile.TemporaryDirectory() as folder:
        contenders = ground.contenders(sandbox.env, Path(folder))
        with step(f"measuring {rounds_} rounds"):
            samples = rounds.measure(sandbox.env, contenders, rounds_)
    about = _about(load, rounds_, sandbox.env) | {"startSeconds": round(started, 1)}
    report.save(samples, about)
    report.show(samples, about)
    say(f"  in full: {report.OUT / 'results.json'}, {report.OUT / 'releases.png'}")


def _about(load: float, count: int, env: dict[str, str]) -> dict[str, Any]:
    """What figures mean nothing without."""
    attached = env.get("PULUMI_DEBUG_PROVIDERS", "")
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": count,
        "load": load,
        "busy": load > BUSY,
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "engine": ensure_engine().version,
        "provider": "stand-in" if "kubernetes:" in attached else "official plugin",
    }


if __name__ == "__main__":
    ground.run(main)
