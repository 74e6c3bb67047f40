"""Typed stack config; the only reader of `pulumi.Config`.

`load()` is for the program, `parse()` for plain data, `check()` for all problems without an exception.
"""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from settings import explain, rules
from settings.catalogue import closest
from settings.models import Build, EcrRegistry, ExternalRegistry, Hold, Override, Settings, Verify
from settings.prepare import Expander, Findings, sections
from settings.report import Problem, SettingsError
from settings.runtimes import RUNTIMES, DockerRuntime, EcsRuntime, KubernetesRuntime, Service
from settings.secret import Secret

__all__ = [
    "Build",
    "DockerRuntime",
    "EcrRegistry",
    "EcsRuntime",
    "ExternalRegistry",
    "Hold",
    "KubernetesRuntime",
    "Override",
    "Problem",
    "Secret",
    "Service",
    "Settings",
    "SettingsError",
    "Verify",
    "check",
    "load",
    "parse",
]

_KINDS = ["external", "ecr"]


def load() -> Settings:
    """The running program's config.

    Raises:
        pulumi.RunError: something is wrong; its text is the whole report, which the engine shows
            without a traceback.
    """
    import pulumi

    from settings.stackfile import program_config, stack_file

    stack = pulumi.get_stack()
    try:
        return parse(program_config(stack), file=stack_file(stack), env=os.environ)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None


def parse(raw: Mapping[str, Any], *, file: str, env: Mapping[str, str]) -> Settings:
    """Config from plain data.

    Args:
        raw: the mapping below `config:` of a stack file, encrypted values as `{"secure": …}` or `SecretStr`.
        file: name of that file, `Pulumi.<stack>.yaml`; for the report and its commands.
        env: the environment for `${NAME}`.

    Raises:
        SettingsError: with every problem at once.
    """
    settings, problems = _check(raw, file, env, require_env=True)
    if settings is None:
        raise SettingsError(problems)
    return settings


def check(
    raw: Mapping[str, Any], *, file: str, env: Mapping[str, str], require_env: bool = False
) -> list[Problem]:
    """All problems of a config; an unset `${NAME}` is none of them unless `require_env`."""
    return _check(raw, file, env, require_env=require_env)[1]


def _check(
    raw: Mapping[str, Any], file: str, env: Mapping[str, str], *, require_env: bool
) -> tuple[Settings | None, list[Problem]]:
    findings = Findings(file, file.removeprefix("Pulumi.").removesuffix(".yaml"))
    findings.raw = sections(raw, findings)
    data = Expander(findings, env, require_env).expand(findings.raw)
    _mend_choices(data, findings)
    settings = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        explain.explain(error, findings)
    rules.apply(data, findings)
    if settings is None or findings.problems:
        return None, sorted(findings.problems, key=lambda problem: problem.key)
    if env.get("DOCKER_HOST"):
        settings._docker_host = env["DOCKER_HOST"]
    return settings, []


def _mend_choices(data: dict[str, Any], findings: Findings) -> None:
    """Report a wrong `runtime` or `kind`, and go on with the likeliest, so that the rest is checked, too."""
    for section, key, words in (("service", "runtime", [*RUNTIMES]), ("registry", "kind", _KINDS)):
        chosen = data.get(section)
        if not isinstance(chosen, dict) or chosen.get(key) in words:
            continue
        likely = closest(chosen.get(key), words) or words[0]
        rule = (
            f"must be one of {', '.join(words)}"
            if chosen.get(key) is not None
            else f"is required: {', '.join(words)}"
        )
        findings.add((section, key), rule, findings.commands.set((section, key), likely))
        data[section] = {**chosen, key: likely}
