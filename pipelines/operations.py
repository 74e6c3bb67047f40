"""The engine's operations as CI runs them, each on one stack of the current folder."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines import report as reports
from pipelines.comment import Environment
from pipelines.errors import PipelineError
from pipelines.report import Report
from pipelines.stacks import stacks
from sandbox.pulumi_cli import Outcome, Pulumi, PulumiError
from settings.report import is_encrypted
from settings.stackfile import read, stack_file


def engine(stack: str) -> Pulumi:
    """The engine on a stack.

    Raises:
        PipelineError: the folder has no such stack file.
    """
    if not Path(stack_file(stack)).is_file():
        known = ", ".join(stacks(Path())) or "none"
        raise PipelineError(
            f"there is no {stack_file(stack)} here; there are: {known}", fix="name one of them"
        )
    return Pulumi(Path.cwd(), stack, {})


def preview(stack: str, *, plan: Path | None = None, refresh: bool = False) -> Report:
    """What an `up` of the stack would do; a preview that fails is a report, too.

    Args:
        plan: where the plan goes that `apply` takes. Defaults to nowhere.
        refresh: read the real resources first, so that what a hand changed is seen.
    """
    flags = [f"--save-plan={plan}"] if plan else []
    flags += ["--refresh", "--expect-no-changes"] if refresh else []
    try:
        text = engine(stack).run("preview", "--json", "--show-sames", *flags).output
    except PulumiError as error:
        text = error.output
    return reports.read(stack, text)


def apply(stack: str, plan: Path) -> Outcome:
    """Run `up` on a plan; the engine refuses what the plan does not hold.

    Raises:
        PipelineError: there is no plan.
        PulumiError: the `up` failed.
    """
    if not plan.is_file():
        raise PipelineError(f"there is no plan {plan}", fix=f"python -m pipelines plan {stack} --out {plan}")
    return engine(stack).up(f"--plan={plan.resolve()}", stream=True)


def deploy(stack: str) -> Outcome:
    """Run `up`.

    Raises:
        PulumiError: it failed.
    """
    return engine(stack).up(stream=True)


def environments() -> list[Environment]:
    """Every stack of the folder that runs a service, or will, with what it runs now."""
    running = {
        name: config
        for name, config in stacks(Path()).items()
        if config.get("service") and not _unset(config)
    }
    with ThreadPoolExecutor() as pool:
        found = pool.map(outputs, running)
        return [Environment.read(name, running[name], one) for name, one in zip(running, found, strict=True)]


def outputs(stack: str) -> Mapping[str, Any]:
    """A stack's outputs; empty where it does not exist or cannot be asked."""
    with suppress(PulumiError):
        return engine(stack).outputs()
    return {}


def gate(stack: str) -> str | None:
    """The stack that this one's releases are promoted from."""
    return stacks(Path())[stack].get("promoteFrom")


def secrets(stack: str) -> set[str]:
    """The values of the stack's config that its file keeps encrypted, in plain text: only for masking."""
    written = read(Path(stack_file(stack)))
    if not _has_secret(written):
        return set()
    shown = json.loads(engine(stack).run("config", "--show-secrets", "--json").output)
    plain = {key: one.get("objectValue", one.get("value")) for key, one in shown.items()}
    return set(_hidden(written, plain))


def _has_secret(written: Any) -> bool:
    if is_encrypted(written):
        return True
    parts = written.values() if isinstance(written, Mapping) else written if isinstance(written, list) else ()
    return any(_has_secret(each) for each in parts)


def _hidden(written: Any, plain: Any) -> Iterator[str]:
    if is_encrypted(written):
        if isinstance(plain, str):
            yield plain
    elif isinstance(written, Mapping) and isinstance(plain, Mapping):
        for key, each in written.items():
            yield from _hidden(each, plain.get(key))
    elif isinstance(written, list) and isinstance(plain, list):
        for each, shown in zip(written, plain, strict=False):
            yield from _hidden(each, shown)


def _unset(config: Mapping[str, Any]) -> bool:
    """Whether it is a developer's own stack, whose registry only the sandbox names."""
    return "${" in str(config.get("registry") or "")
