"""The pipelines' parts without an engine: which stacks, the comment, GitHub's API, gates, drift's issue."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import comment, drift, gate, operations, records, report, short_lived
from pipelines.comment import Environment
from pipelines.errors import PipelineError
from pipelines.github import COMMENT_LIMIT, Workflow
from pipelines.stacks import changed_files, stacks, touched
from sandbox.paths import CHECKOUT
from tests.github_server import TOKEN, GithubServer

HERE = Path(__file__).parent
DIGEST = "sha256:" + "ab" * 32
RUN = "https://github.example.com/example/antgent-delivery/actions/runs/77"


@pytest.fixture
def github() -> Iterator[GithubServer]:
    server = GithubServer()
    yield server
    server.close()


def workflow(github: GithubServer, tmp_path: Path, event: dict[str, Any] | None = None) -> Workflow:
    """A step of a run that `event` has started."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event or {"pull_request": {"number": 7}}))
    return Workflow.current({**github.env(), "GITHUB_EVENT_PATH": str(file)})


def environments() -> list[Environment]:
    return [
        Environment("prod", "v0.9.0", DIGEST, "v1.0.0"),
        Environment("staging", "v1.1.0", DIGEST, "v1.1.0"),
    ]


def step(
    op: str, name: str, old: Any = None, new: Any = None, kind: str = "docker:index/network:Network"
) -> Any:
    """One step of a preview."""
    states = {"oldState": old, "newState": new}
    found = {key: {"type": kind, "inputs": inputs, "urn": f"urn::{name}"}
             for key, inputs in states.items() if inputs is not None}  # fmt: skip
    return {"op": op, "urn": f"urn:pulumi:x::y::z::{name}", **found}


def preview(*steps: Any, **more: Any) -> report.Report:
    counts: dict[str, int] = {}
    for one in steps:
        counts[one["op"]] = counts.get(one["op"], 0) + 1
    return report.read("prod", json.dumps({"steps": list(steps), "changeSummary": counts, **more}))


# Which stacks


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Pulumi.prod.yaml"], ["prod"]),
        (["Pulumi.staging.yaml", "docs/guide.md"], ["staging"]),
        (["components/ecs_service.py"], ["dev", "local", "prod", "release", "staging"]),
        (["requirements.txt"], ["dev", "local", "prod", "release", "staging"]),
        (["image/Dockerfile"], ["dev", "local", "release"]),
        (["docs/guide.md", "tests/unit/test_policies.py", "README.md"], []),
        ([], []),
    ],
)
def test_a_change_touches_the_stacks_whose_inputs_it_changes(changed: list[str], expected: list[str]) -> None:
    """Too few would hide a change from review, too many would cost everybody minutes."""
    assert touched(stacks(CHECKOUT), changed) == expected


def test_git_says_what_a_branch_changed_and_not_what_main_did_meanwhile(tmp_path: Path) -> None:
    """A pull request shows its own changes only."""

    def git(*words: str) -> None:
        named = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("commit", "--allow-empty", "-m", "first")
    git("checkout", "-b", "branch")
    (tmp_path / "Pulumi.prod.yaml").write_text("config: {}\n")
    git("add", "--all")
    git("commit", "-m", "branch")
    git("checkout", "main")
    (tmp_path / "Pulumi.staging.yaml").write_text("config: {}\n")
    git("add", "--all")
    git("commit", "-m", "main")
    assert changed_files(tmp_path, "main", "branch") == ["Pulumi.prod.yaml"]
    with pytest.raises(PipelineError, match="git cannot compare nothing with branch"):
        changed_files(tmp_path, "nothing", "branch")


# The comment


def test_the_comment_is_the_one_that_was_reviewed() -> None:
    """The text of a real preview, word by word; look at it when you change it."""
    found = report.read("prod", (HERE / "previews" / "prod.json").read_text())
    text = comment.render(
        found, environments(), gate="staging", revision="0123456789abcdef", run_url=RUN,
        secrets=["the-old-value"],
    )  # fmt: skip
    assert text == (HERE / "previews" / "prod.md").read_text()


def test_a_refused_promotion_is_what_the_comment_says_first() -> None:
    """The reader has to see that this release may not run, and what mends it."""
    refused = {"severity": "error", "message": "error: v9 may not run here: not verified\n  fix: do this\n"}
    noise = {"severity": "error", "message": "error: an unhandled error occurred: program exited\n"}
    text = comment.render(preview(diagnostics=[refused, noise]), environments(), gate="staging")
    assert "`prod`: the preview failed" in text
    assert "✗ **Preview**: v9 may not run here: not verified<br>fix: do this" in text
    assert "unhandled" not in text
    assert "Promotion" not in text


def test_a_broken_policy_stands_in_the_comment() -> None:
    """Rule, resource, problem and fix, where the reviewer looks anyway."""
    kind = "aws:cloudwatch/logGroup:LogGroup"
    found = preview(step("create", "logs", new={"retentionInDays": 0}, kind=kind))
    text = comment.render(found, environments(), gate=None)
    assert "✗ **Policy** `logs-expire`: `logs`: it keeps its logs for ever" in text
    assert not found.good


def test_a_warning_of_the_program_is_shown() -> None:
    """An override is loud in review as well."""
    warned = {"severity": "warning", "message": "warning: OVERRIDE: v2 runs here although staging does not"}
    assert "⚠ OVERRIDE: v2 runs here" in comment.render(preview(diagnostics=[warned]), [], gate=None)


def test_no_secret_is_in_a_comment_however_it_got_into_the_preview() -> None:
    """A provider's plain property or an error may repeat what config keeps encrypted."""
    leaky = preview(
        step("update", "net", {"label": "x"}, {"label": "key=hunter2hunter2"}),
        diagnostics=[{"severity": "error", "message": "error: cannot log in with hunter2hunter2"}],
    )
    text = comment.render(leaky, environments(), gate=None, secrets=["hunter2hunter2", "hunter2"])
    assert "hunter2" not in text
    assert text.count("[secret]") == 2
    assert "hunter2" not in drift.render(leaky, secrets=["hunter2hunter2"])


def test_an_over_long_diff_is_cut_with_a_link_to_the_job() -> None:
    """GitHub refuses a comment of more than 65,536 characters; none at all would be worse."""
    many = preview(*[step("create", f"net-{number}", new={"name": "x" * 100}) for number in range(2000)])
    text = comment.render(many, environments(), gate="staging", run_url=RUN)
    assert len(text) <= COMMENT_LIMIT
    assert len(text) > COMMENT_LIMIT // 2
    assert f"more lines: see [the job]({RUN})" in text
    assert text.count("```") == 2
    assert text.rstrip().endswith(f"[the job]({RUN})")


def test_a_value_cannot_end_the_fold_it_stands_in() -> None:
    """Three backticks in a setting would turn the rest of the diff into Markdown."""
    found = preview(step("create", "net", new={"label": "``` </details> @everybody"}))
    text = comment.render(found, [], gate=None)
    assert text.count("````") == 2
    assert text.index("@everybody") < text.rindex("````")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ({"a": 1}, {"a": 2}, "~     a: 1 → 2"),
        ({}, {"a": {"b": [1]}}, "+     a.b[0]: 1"),
        ({"a": 1}, {}, "-     a: 1"),
        (
            {"a": 1},
            {"a": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
            "~     a: 1 → (known after the deployment)",
        ),
        ({"__defaults": ["x"]}, {"__defaults": ["y"], "a": "[secret]"}, '+     a: "[secret]"'),
    ],
)
def test_the_diff_says_what_differs_and_nothing_else(old: Any, new: Any, line: str) -> None:
    """The engine's internal properties are no reader's business."""
    text = comment.render(preview(step("update", "net", old, new)), [], gate=None)
    assert line in text.splitlines()
    assert "__defaults" not in text


def test_a_preview_that_says_nothing_is_an_error_with_the_engines_words() -> None:
    """A missing stack is not an empty diff."""
    with pytest.raises(PipelineError, match="no stack named 'prod' found"):
        report.read("prod", "error: no stack named 'prod' found")


# GitHub's API


def test_a_stacks_comment_is_updated_in_place(github: GithubServer, tmp_path: Path) -> None:
    """One comment a stack, however often the branch is pushed; also when it is on a later page."""
    github.say(7, "hello")
    github.say(7, f"{comment.marker('prod')} said by a person who quotes it")
    api = workflow(github, tmp_path).api()
    first = api.keep_comment(7, comment.marker("prod"), f"{comment.marker('prod')}\none")
    for number in range(5):
        github.say(7, f"talk {number}")
    api.keep_comment(7, comment.marker("staging"), f"{comment.marker('staging')}\nother")
    assert api.keep_comment(7, comment.marker("prod"), f"{comment.marker('prod')}\ntwo") == first
    ours = [one["body"] for one in github.comments[7] if one["user"]["type"] == "Bot"]
    assert ours == [f"{comment.marker('prod')}\ntwo", f"{comment.marker('staging')}\nother"]
    assert "quotes it" in github.comments[7][1]["body"]


def test_one_issue_about_drift_is_opened_updated_and_closed(github: GithubServer, tmp_path: Path) -> None:
    """A nightly check must not open an issue a night."""
    api = workflow(github, tmp_path).api()
    marker = drift.marker("prod")
    url = api.keep_issue(marker, "one", f"{marker}\none", drift.LABEL)
    assert api.keep_issue(marker, "two", f"{marker}\ntwo", drift.LABEL) == url
    other = api.keep_issue(drift.marker("staging"), "other", drift.marker("staging"), drift.LABEL)
    assert other != url
    assert [(one["title"], one["state"]) for one in github.issues.values()] == [
        ("two", "open"),
        ("other", "open"),
    ]
    assert api.close_issue(marker, drift.LABEL, "gone") == url
    assert github.issues[1]["state"] == "closed"
    assert api.close_issue(marker, drift.LABEL, "gone") is None
    assert api.keep_issue(marker, "again", marker, drift.LABEL) != url


def test_a_missing_permission_is_said_as_such(github: GithubServer, tmp_path: Path) -> None:
    """403 alone sends people to the wrong place; the token is never printed."""
    github.forbidden = True
    with pytest.raises(PipelineError) as caught:
        workflow(github, tmp_path).api().keep_comment(7, "x", "y")
    assert "403" in str(caught.value)
    assert "pull-requests: write" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_an_api_that_is_not_there_is_an_error_and_no_traceback() -> None:
    """A runner without a network says so."""
    env = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t"}
    with pytest.raises(PipelineError, match="does not answer"):
        Workflow.current(env).api().pull_request_state(1)


def test_a_deployed_tag_is_proposed_for_the_stack_files_once(
    github: GithubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tag has deployed has to reach git, with comments and order as they were."""
    monkeypatch.chdir(tmp_path)
    before = "# ours\nconfig:\n  antgent:imageTag: v1 # ships\n  antgent:owner: us\n"
    for stack in ("release", "staging"):
        Path(f"Pulumi.{stack}.yaml").write_text(before)
        github.files["main", f"Pulumi.{stack}.yaml"] = before.encode()
    api = workflow(github, tmp_path).api()
    url = records.record(api, "v2", ["release", "staging"])
    assert url == github.pulls[1]["html_url"]
    assert github.pulls[1]["title"] == "release and staging: v2"
    changed = github.files["release/v2", "Pulumi.staging.yaml"].decode()
    assert changed == before.replace("imageTag: v1", "imageTag: v2")
    assert github.files["main", "Pulumi.staging.yaml"].decode() == before
    Path("Pulumi.staging.yaml").write_text(before)
    assert records.record(api, "v2", ["staging"]) == url
    assert len(github.pulls) == 1


def test_outputs_and_summaries_go_where_the_runner_reads_them(tmp_path: Path) -> None:
    """A value with line ends must not be able to set another output."""
    env = {"GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    step_of = Workflow.current(env)
    step_of.output("stacks", '["a"]\nadmin=true')
    step_of.summary("# hello")
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[0].startswith("stacks<<")
    assert lines[-1] == lines[0].removeprefix("stacks<<")
    assert lines[1:-1] == ['["a"]', "admin=true"]
    assert (tmp_path / "summary").read_text() == "# hello\n"


# Gates, drift, short-lived environments


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ({"check": {"result": "success"}, "test": {"result": "success"}}, []),
        ({"check": {"result": "success"}, "test": {"result": "failure"}}, ["test: failure"]),
        (
            {"check": {"result": "skipped"}, "test": {"result": "cancelled"}},
            ["check: skipped", "test: cancelled"],
        ),
        ({}, ["NEEDS names no job"]),
    ],
)
def test_the_merge_gate_passes_only_when_every_job_has(needs: Any, missing: list[str]) -> None:
    """A skipped job looks green to branch protection; the gate is why it does not count."""
    assert gate.verdict(json.dumps(needs)) == missing


def test_a_gate_without_jobs_never_passes() -> None:
    """An expression that gives nothing must not merge."""
    assert gate.verdict("") == ["NEEDS is no JSON: give it ${{ toJSON(needs) }}"]


def test_drift_is_told_from_a_preview_that_failed() -> None:
    """Both want a person, for different reasons."""
    expected = {"severity": "error", "message": "error: no changes were expected but changes were proposed"}
    changed = preview(step("create", "net", new={"a": 1}), diagnostics=[expected])
    assert drift.drifted(changed)
    assert drift.title(changed) == "prod is not what was deployed: 1 to create"
    assert "expected" not in drift.render(changed)
    broken = preview(diagnostics=[{"severity": "error", "message": "error: access denied"}])
    assert drift.title(broken) == "Drift of prod cannot be told: its preview fails"
    assert "access denied" in drift.render(broken)
    assert not drift.drifted(preview(step("same", "net", {"a": 1}, {"a": 1})))


def test_the_sweeper_takes_closed_and_forgotten_environments_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It must never come near an environment that people use."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    there = {
        "prod": datetime(2020, 1, 1, tzinfo=UTC),
        "pr-1": now,
        "pr-2": now,
        "pr-3": datetime(2026, 11, 1, tzinfo=UTC),
        "pr-4": None,
        "pr-x": None,
        "mypr-5": None,
    }
    gone: list[str] = []
    monkeypatch.setattr(short_lived, "_stacks", lambda: there)
    monkeypatch.setattr(short_lived, "destroy", gone.append)
    swept = short_lived.sweep(hours=72, is_open=lambda number: number != 1, now=now)
    assert gone == ["pr-1", "pr-3", "pr-4"]
    assert {one.name: bool(one.why) for one in swept} == {
        "pr-1": True,
        "pr-2": False,
        "pr-3": True,
        "pr-4": True,
    }


@pytest.mark.parametrize("name", ["prod", "pr-", "pr-01", "pr-1;x", "PR-1", ""])
def test_only_a_pull_requests_environment_can_be_made_or_destroyed(name: str) -> None:
    """The commands run with a role that could reach other stacks."""
    with pytest.raises(PipelineError, match="no short-lived environment"):
        short_lived.destroy(name)
    with pytest.raises(PipelineError, match="no short-lived environment"):
        short_lived.create(name, source="dev")


def test_what_must_be_masked_is_what_the_file_keeps_encrypted() -> None:
    """And nothing else of the same section: masking `docker` everywhere would hide the diff."""
    written = {
        "antgent:secrets": {"A": {"secure": "v1:x"}, "B": "arn:aws:x"},
        "aws:token": {"secure": "v1:y"},
    }
    plain = {"antgent:secrets": {"A": "the value", "B": "arn:aws:x"}, "aws:token": "another"}
    assert set(operations._hidden(written, plain)) == {"the value", "another"}
    assert operations._has_secret(written)
    assert not operations._has_secret({"antgent:service": {"runtime": "docker", "list": [1, "x"]}})
