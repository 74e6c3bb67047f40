"""The workflows as text: linted, pinned, thin, with the least permissions; and the expressions of the runner."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import workflow_lint
from sandbox.paths import CHECKOUT
from tests.workflow_expressions import ExpressionError, condition, evaluate, fill

FOLDER = CHECKOUT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40}$")
COMMANDS = re.compile(r"^(make|ship|python -m pipelines)( |$)")
WRITES_ALLOWED = {
    ("preview.yml", "preview", "id-token"),
    ("preview.yml", "comment", "pull-requests"),
    ("staging.yml", "release", "id-token"),
    ("staging.yml", "staging", "id-token"),
    ("staging.yml", "record", "contents"),
    ("staging.yml", "record", "pull-requests"),
    ("production.yml", "plan", "id-token"),
    ("production.yml", "apply", "id-token"),
    ("dev.yml", "branch", "id-token"),
    ("dev.yml", "pull-request", "id-token"),
    ("dev.yml", "sweep", "id-token"),
    ("drift.yml", "drift", "id-token"),
    ("drift.yml", "drift", "issues"),
}


def load(file: Path) -> dict[str, Any]:
    return yaml.load(file.read_text(), yaml.BaseLoader)


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for name, job in load(file)["jobs"].items():
            yield file.name, name, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, name, job in jobs():
        for step in job["steps"]:
            yield f"{file}: {name}", step


def test_there_are_the_six_workflows() -> None:
    """A check over none would pass."""
    names = {"ci.yml", "dev.yml", "drift.yml", "preview.yml", "production.yml", "staging.yml"}
    assert {file.name for file in WORKFLOWS} == names


def test_actionlint_and_zizmor_find_nothing() -> None:
    """What GitHub would refuse, and what an attacker would like."""
    assert workflow_lint.lint(CHECKOUT)


@pytest.mark.parametrize(
    ("wrong", "tool"),
    [("runs-on: ubuntu-24.04\n    needs: [nobody]", "actionlint"), ("runs-on: ubuntu-24.04", "zizmor")],
)
def test_the_linters_would_find_something(
    wrong: str, tool: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A linter that is not really run finds nothing as well."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    step = "uses: actions/checkout@v5" if tool == "zizmor" else "run: true"
    (folder / "x.yml").write_text(
        f"name: x\non: push\njobs:\n  x:\n    {wrong}\n    steps:\n      - {step}\n"
    )
    assert not workflow_lint.lint(tmp_path)
    assert ("unpinned-uses" if tool == "zizmor" else "nobody") in capfd.readouterr().out


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    """A tag can be moved to other code."""
    for where, step in steps():
        if "uses" in step:
            assert PINNED.match(step["uses"]), f"{where}: {step['uses']}"
    for file in WORKFLOWS:
        for line in file.read_text().splitlines():
            if "uses:" in line:
                assert re.search(r"# v\d+\.\d+\.\d+$", line), f"{file.name}: {line}"


def test_every_step_that_does_something_is_one_command_of_ours() -> None:
    """What runs in CI runs the same on a laptop."""
    for where, step in steps():
        if "run" in step:
            assert COMMANDS.match(step["run"]), f"{where}: {step['run']}"
            assert "\n" not in step["run"].strip(), where
            assert "${{" not in step["run"], f"{where}: hand it over by env, or its value is a script"


def test_only_named_jobs_may_write_and_nothing_by_default() -> None:
    """A job that reads the cloud does not write to GitHub, and the other way round."""
    found = set()
    for file in WORKFLOWS:
        assert load(file)["permissions"] == {}, file.name
    for file, name, job in jobs():
        found |= {(file, name, key) for key, value in job["permissions"].items() if value == "write"}
    assert found == WRITES_ALLOWED


def test_there_are_no_long_lived_keys() -> None:
    """Roles come from OpenID Connect; the only secret is the run's own token."""
    for file in WORKFLOWS:
        assert "secrets." not in file.read_text(), file.name
    for where, step in steps():
        if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
            assert set(step["with"]) == {"role-to-assume", "aws-region"}, where


def test_one_stack_is_changed_by_one_job_at_a_time_and_never_cancelled() -> None:
    """An update that is cancelled in the middle leaves a stack between two releases."""
    for file, name, job in jobs():
        deploys = [step for step in job["steps"] if re.search(
            r"deploy|apply|ship (release|promote|rollback)|environment (up|down|sweep)", step.get("run", ""))]  # fmt: skip
        if deploys:
            assert job["concurrency"]["group"].startswith("stack-"), f"{file}: {name}"
            assert "cancel-in-progress" not in job["concurrency"], f"{file}: {name}"


def test_production_is_approved_before_it_is_touched() -> None:
    """The plan has the reading role; the job that applies it waits for the protected environment."""
    document = load(FOLDER / "production.yml")["jobs"]
    assert "environment" not in document["plan"]
    assert document["apply"]["environment"]["name"] == "production"
    assert document["apply"]["needs"] == "plan"


def test_every_make_target_of_a_workflow_exists() -> None:
    """A target that was renamed would be found on GitHub only."""
    for where, step in steps():
        for target in re.findall(r"^make ([\w-]+)", step.get("run", "")):
            done = subprocess.run(["make", "--dry-run", target], cwd=CHECKOUT, capture_output=True, text=True)
            assert done.returncode == 0, f"{where}: make {target}: {done.stderr}"


# The tests' own evaluator of expressions

CONTEXTS = {
    "status": "success",
    "github": {
        "event_name": "pull_request",
        "event": {"pull_request": {"labels": [{"name": "environment"}], "number": 7}},
    },
    "needs": {"a": {"result": "success"}},
    "inputs": {"rollback": "false"},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("github.event.pull_request.number", 7),
        ("github.event.nothing.at.all", None),
        ("github.event_name == 'PULL_REQUEST'", True),
        ("contains(github.event.pull_request.labels.*.name, 'environment')", True),
        ("contains(github.event.pull_request.labels.*.name, 'other')", False),
        ("fromJSON('[\"a\"]')", ["a"]),
        ("failure() && (inputs.rollback || 'x' == 'x')", False),
        ("!false && github.event.none || 'else'", "else"),
        ("needs.a.result != 'skipped'", True),
    ],
)
def test_expressions_mean_what_they_mean_on_github(expression: str, value: Any) -> None:
    """The runner below decides by them which steps run."""
    assert evaluate(expression, CONTEXTS) == value


def test_an_unknown_expression_is_an_error() -> None:
    """A guess would let a step pass that GitHub runs otherwise."""
    for unknown in ("hashFiles('x')", "nowhere.at.all", "1 +"):
        with pytest.raises(ExpressionError):
            evaluate(unknown, CONTEXTS)


def test_text_and_conditions_are_filled() -> None:
    """`if` needs no braces, and stops at a failed step unless it asks about it."""
    assert fill("pr-${{ github.event.pull_request.number }}!", CONTEXTS) == "pr-7!"
    failed = {**CONTEXTS, "status": "failure"}
    assert condition("github.event_name == 'pull_request'", CONTEXTS)
    assert not condition("github.event_name == 'pull_request'", failed)
    assert condition("always()", failed)
    assert condition("failure()", failed)
    assert not condition(None, failed)
