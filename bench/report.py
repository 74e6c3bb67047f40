"""What was measured, as a table, as JSON and as a plot."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from bench.contenders import FLAT, KUBECTL, OURS
from bench.rounds import ACTIONS, RELEASE, Figure, Sample

mpl.use("Agg")
from matplotlib import pyplot as plt

OUT = Path(__file__).parent / "out"
AIMS = {FLAT: 1.1, KUBECTL: 1.4}
"""Contender → what a release of ours may cost at most, as a multiple of its."""
NAMES = {OURS: "this repository", FLAT: "flat program", KUBECTL: "kubectl"}
COLOURS = {OURS: "#3b6ea8", FLAT: "#8fb3d9", KUBECTL: "#b8b8b8"}

Figures = dict[tuple[str, str], Figure]


def figures(samples: list[Sample]) -> Figures:
    """Action and contender → its figure."""
    return {(action, name): Figure.of(samples, action, name) for action in ACTIONS for name in NAMES}


def save(samples: list[Sample], about: dict[str, Any]) -> None:
    """Write `results.json` and `releases.png`.

    Args:
        about: the run: machine, loads, versions.
    """
    OUT.mkdir(exist_ok=True)
    found = figures(samples)
    document = {
        "about": about,
        "figures": [
            {"action": action, "contender": name, "ratio": _ratio(found, action, name), **asdict(one)}
            for (action, name), one in found.items()
        ],
        "samples": [asdict(one) for one in samples],
    }
    (OUT / "results.json").write_text(json.dumps(document, indent=2) + "\n")
    _plot(found, samples, about)


def show(samples: list[Sample], about: dict[str, Any]) -> None:
    """Print the table, and whether the aims are met."""
    found = figures(samples)
    table = Table(title=_title(about))
    for column in ("action", "who", "median s", "min s", "max s", "ours ÷ it"):
        table.add_column(column, justify="left" if column in ("action", "who") else "right")
    for (action, name), one in found.items():
        ratio = "" if name == OURS else f"{_ratio(found, action, name):.2f}"
        row = (f"{one.median:.2f}", f"{one.least:.2f}", f"{one.most:.2f}", ratio)
        table.add_row(action if name == OURS else "", NAMES[name], *row, end_section=name == KUBECTL)
    console = Console(highlight=False)
    console.print(table)
    for name, aim in AIMS.items():
        ratio = _ratio(found, RELEASE, name)
        verdict = "undecided" if about["busy"] else "reached" if ratio <= aim else "missed"
        console.print(f"  a release against {NAMES[name]}: {ratio:.2f}, the aim is {aim}: {verdict}")


def _ratio(found: Figures, action: str, name: str) -> float:
    return round(found[action, OURS].median / found[action, name].median, 3)


def _title(about: dict[str, Any]) -> str:
    flag = "NOT VALID, the machine was busy: " if about["busy"] else ""
    return f"{flag}medians of {about['rounds']}, load {about['load']:.2f} at the start"


def _plot(found: Figures, samples: list[Sample], about: dict[str, Any]) -> None:
    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    width = 0.8 / len(NAMES)
    for place, name in enumerate(NAMES):
        at = [group + (place - 1) * width for group in range(len(ACTIONS))]
        medians = [found[action, name].median for action in ACTIONS]
        bars = axes.bar(at, medians, width * 0.92, color=COLOURS[name], label=NAMES[name])
        axes.bar_label(bars, fmt="%.1f", padding=8)
        for x, action in zip(at, ACTIONS, strict=True):
            seconds = [one.seconds for one in samples if (one.action, one.contender) == (action, name)]
            axes.plot([x] * len(seconds), seconds, "k.", markersize=3)
    axes.set_xticks(range(len(ACTIONS)), ACTIONS)
    axes.set_ylabel("seconds")
    axes.set_title(f"Two servers and a worker on Kubernetes: {_title(about)}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(OUT / "releases.png", dpi=150)
    plt.close(figure)
