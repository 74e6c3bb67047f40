"""`ship release`: build a release once, after tag, tree and version were seen to agree."""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ship import deploy
from ship.deploy import Order
from ship.environment import Environment
from ship.errors import Exit, ShipError
from ship.project import Project
from ship.turn import turn
from ship.ui import Ui

TAG = re.compile(r"v\d+\.\d+\.\d+(?:[-+._][A-Za-z0-9.+_-]+)?")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: `tag`, `tree` or `version`.
        told: what was found.
        good: whether the release may go on.
        fix: what mends it.
    """

    what: str
    told: str
    good: bool = True
    fix: str = ""


def release(project: Project, tag: str, stack: str, ui: Ui, *, plan: bool = False) -> None:
    """Check, run the release stack, print the digest.

    Raises:
        ShipError: tag, tree and version disagree, or a step failed.
    """
    project.need(stack)
    if not plan:
        ui.check_can_ask()
    with turn(project.folder):
        deploy.check_free(project, stack)
        environment = project.environment(stack, history=0)
        findings = examine(project, environment, tag)
        ui.table(("checked", ""), [(("✓ " if one.good else "✗ ") + one.what, one.told) for one in findings])
        _refuse(tag, findings)
        result = deploy.carry_out(project, _order(stack, tag, plan=plan), ui)
    image = result.environment.image if result.environment else None
    if image:
        ui.print(f"{tag} is {image.rpartition('@')[2]}\n  {image}, after {result.seconds:.0f} s")
    else:
        ui.print(f"only planned; {project.file(stack).name} is as it was")
    ui.result(_document(stack, tag, findings, image, result.preview, result.seconds))


def examine(project: Project, environment: Environment, tag: str) -> list[Finding]:
    """What tag, tree and version say of each other.

    Raises:
        ShipError: the stack builds nothing.
    """
    build = environment.config.get("build")
    if not build:
        raise ShipError(
            f"{environment.stack} builds no image: its config has no antgent:build",
            fix="name the stack that builds: ship release TAG --stack release",
            code=Exit.USAGE,
        )
    context = Path(project.expand(str(build.get("context") or "image")))
    root = project.folder / str(project.settings.get("main") or "")
    folder = context if context.is_absolute() else root / context
    return [_tag(tag), _tree(folder, tag), _version(folder, tag)]


def _tag(tag: str) -> Finding:
    if TAG.fullmatch(tag):
        return Finding("tag", f"{tag} names one version")
    return Finding("tag", f"{tag!r} is no release's name", good=False, fix="a tag such as v0.3.2")


def _tree(folder: Path, tag: str) -> Finding:
    """The build's folder must be as committed, and at the tag where the repository has that tag."""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    if changed is None:
        return Finding("tree", f"{folder.name} is in no git repository, so its revision is unknown")
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines()[:5])
        fix = "commit or stash it: a release is built from a commit"
        return Finding("tree", f"not committed: {names}", good=False, fix=fix)
    head, tagged = _git(folder, "rev-parse", "HEAD"), _git(folder, "rev-parse", f"{tag}^{{commit}}")
    own = (_git(folder, "rev-parse", "--show-toplevel") or "") == str(folder.resolve())
    if own and tagged is None:
        return Finding(
            "tree", f"the checkout has no tag {tag}", good=False, fix=f"git fetch --tags, or git tag {tag}"
        )
    if tagged and tagged != head and own:
        fix = f"git checkout {tag}"
        return Finding("tree", f"HEAD is {head and head[:12]}, {tag} is {tagged[:12]}", good=False, fix=fix)
    return Finding(
        "tree", f"clean, at {head and head[:12]}" + (f", which is {tag}" if tagged == head else "")
    )


def _version(folder: Path, tag: str) -> Finding:
    """The version that the folder says it is, or that it has pins for."""
    wanted = tag.removeprefix("v")
    for project_file in (folder / "checkout" / "pyproject.toml", folder / "pyproject.toml"):
        if project_file.is_file():
            found = _declared(project_file)
            if found and found != wanted:
                told = f"{project_file.parent.name}/pyproject.toml says {found}, the tag {wanted}"
                return Finding(
                    "version", told, good=False, fix=f"ship release v{found}, or the right checkout"
                )
            if found:
                return Finding("version", f"pyproject.toml says {found}")
    pins = folder / "pins"
    if pins.is_dir() and any(pins.glob("antgent-*.txt")):
        if (pins / f"antgent-{wanted}.txt").is_file():
            return Finding("version", f"there are pins for {wanted}")
        have = ", ".join(sorted(one.stem.removeprefix("antgent-") for one in pins.glob("antgent-*.txt")))
        told = f"there are no pins for {wanted}, only for {have}"
        return Finding("version", told, good=False, fix=f"python image/lock.py {wanted}")
    return Finding("version", f"{folder.name} does not say its version; it is built as {wanted}")


def _declared(file: Path) -> str | None:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}).get("version")
    except (OSError, ValueError):
        return None


def _git(folder: Path, *words: str) -> str | None:
    """What git says, None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _refuse(tag: str, findings: list[Finding]) -> None:
    bad = [one for one in findings if not one.good]
    if bad:
        told = "; ".join(f"{one.what}: {one.told}" for one in bad)
        raise ShipError(
            f"{tag} is not released: {told}", fix="; ".join(one.fix for one in bad), code=Exit.REFUSED
        )


def _order(stack: str, tag: str, *, plan: bool) -> Order:
    return Order(
        stack=stack,
        changes={"imageTag": tag},
        why=f"ship release {tag}",
        question=f"Build and push {tag}?",
        undo="",
        plan=plan,
    )


def _document(
    stack: str, tag: str, findings: list[Finding], image: str | None, preview: Any, seconds: float
) -> dict[str, Any]:
    return {
        "stack": stack,
        "outcome": "released" if image else "planned",
        "tag": tag,
        "image": image,
        "digest": image.rpartition("@")[2] if image else None,
        "checked": [{"what": one.what, "told": one.told} for one in findings],
        "preview": dict(preview),
        "seconds": round(seconds, 1),
    }
