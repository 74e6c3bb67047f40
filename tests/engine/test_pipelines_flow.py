"""A release's whole way through the workflows: every `run:` step as GitHub would run it, on the real engine.

The stacks are the small app's on the Docker runtime; GitHub's API is a server on loopback. The tests of
this module follow each other: each takes the repository where the one before has left it.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from sandbox.assembly import Sandbox
from tests.engine.pipeline_repository import Repository
from tests.github_server import GithubServer
from tests.workflow_runner import Job, Runner

pytestmark = pytest.mark.timeout(900)
NOT_HERE = ("make check", "make lint-workflows", "make test", "make coverage-summary", "make image")
"""Steps that are this very test run or take minutes: looked up (`make --dry-run`), and not run once more."""
ROLES = {f"AWS_{role}_ROLE": f"arn:aws:iam::111122223333:role/antgent-ci-{role.lower()}"
         for role in ("PREVIEW", "STAGING", "PRODUCTION")}  # fmt: skip
PULL_REQUEST = 7


class Flow:
    """The repository, GitHub, and a runner.

    Attributes:
        approvals: environments whose reviewers were asked, with the jobs that had run by then.
        ran: workflow → commands of the steps that were run.
    """

    def __init__(self, repository: Repository, github: GithubServer, scratch: Path) -> None:
        self.repository, self.github = repository, github
        self.approvals: list[tuple[str, dict[str, Job]]] = []
        self.runner = Runner(
            folder=repository.folder,
            scratch=scratch,
            env={**repository.env, **github.env(), "GITHUB_SHA": repository.git("rev-parse", "HEAD")},
            variables={
                **ROLES,
                "PULUMI_BACKEND_URL": repository.env["PULUMI_BACKEND_URL"],
                "AWS_REGION": "x",
            },
            replaced=lambda command: f"make --dry-run {command[5:]}" if command in NOT_HERE else None,
            approve=lambda environment, jobs: self.approvals.append((environment, dict(jobs))),
        )
        self.ran: dict[str, set[str]] = {}

    def run(self, workflow: str, event: str, payload: dict[str, Any], **only: str) -> dict[str, Job]:
        """Run a workflow; its jobs."""
        jobs = self.runner.run(workflow, event, payload, only=only)
        done = {label for job in jobs.values() for label, result in job.steps.items() if result != "skipped"}
        self.ran[workflow] = self.ran.get(workflow, set()) | done
        return jobs

    def pull_request(self, base: str, head: str, /, **more: Any) -> dict[str, Any]:
        """The event of a pull request."""
        full = {"repo": {"full_name": self.github.repository}}
        about = {"number": PULL_REQUEST, "base": {"sha": base}, "head": {"sha": head, **full}, "labels": []}
        return {"action": "synchronize", "pull_request": {**about, **more}}

    def comments(self) -> list[str]:
        """What the workflows have commented."""
        return [
            one["body"] for one in self.github.comments.get(PULL_REQUEST, []) if one["user"]["type"] == "Bot"
        ]


@pytest.fixture(scope="module")
def flow(sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """A new repository on GitHub, nothing deployed yet."""
    folder = tmp_path_factory.mktemp("repository")
    state = tmp_path_factory.mktemp("state")
    env = {**sandbox.env, "PULUMI_BACKEND_URL": state.as_uri()}
    repository = Repository(folder, env, app_context, f"flow-{folder.parent.name}-{os.getpid()}".lower())
    github = GithubServer()
    github.pulls[PULL_REQUEST] = {"number": PULL_REQUEST, "state": "open"}
    try:
        for stack in ("release", "staging", "prod"):
            repository.pulumi(stack).stack_init()
        yield Flow(repository, github, tmp_path_factory.mktemp("runner"))
    finally:
        github.close()
        repository.remove()


def good(jobs: dict[str, Job]) -> dict[str, Job]:
    """The jobs, all of which must have passed or been skipped on purpose."""
    for name, job in jobs.items():
        assert job.result != "failure", f"{name}\n{job.log}"
    return jobs


def push(flow: Flow, ref: str = "refs/heads/main") -> dict[str, Any]:
    return {
        "ref": ref,
        "repository": {"default_branch": "main"},
        "after": flow.repository.git("rev-parse", "HEAD"),
    }


def outputs(flow: Flow, stack: str) -> dict[str, Any]:
    return flow.repository.pulumi(stack).outputs()


def test_a_push_to_main_builds_the_release_once_and_verifies_staging(flow: Flow) -> None:
    """Merging is all that shipping to staging takes."""
    jobs = good(flow.run("staging.yml", "push", push(flow)))
    assert jobs["record"].result == "skipped"
    assert [one["tag"] for one in outputs(flow, "staging")["ledger"]] == ["v1.0.0"]
    assert outputs(flow, "staging")["image"] == outputs(flow, "release")["image"]
    assert "v1.0.0" in jobs["staging"].summary
    assert "prod" not in flow.approvals


def test_a_pull_request_gets_one_comment_for_the_stack_that_it_touches(flow: Flow) -> None:
    """Pushed twice, it is still one comment, and it shows the second diff."""
    base = flow.repository.git("rev-parse", "HEAD")
    flow.repository.git("checkout", "--quiet", "-b", "bigger")
    content = yaml.safe_load(flow.repository.file("staging").read_text())["config"]
    service = content["antgent:service"]
    service["server"]["memory"] = 80
    flow.repository.change("staging", service=service)
    head = flow.repository.commit("more memory")
    started = time.monotonic()
    jobs = good(flow.run("preview.yml", "pull_request", flow.pull_request(base, head)))
    print(f"preview workflow of a one-line change: {time.monotonic() - started:.1f} s")
    assert [name for name in jobs if name.startswith("preview")] == ["preview (staging)"]
    (comment,) = flow.comments()
    assert "### `staging`: " in comment
    assert "memory: 64 → 80" in comment
    assert "✓ **Promotion**: `release` lets this release through" in comment
    assert "no violation" in comment
    service["server"]["memory"] = 96
    flow.repository.change("staging", service=service, imageTag="v9.9.9")
    head = flow.repository.commit("a release that nobody built")
    jobs = flow.run("preview.yml", "pull_request", flow.pull_request(base, head))
    assert jobs["preview (staging)"].result == "failure"
    assert jobs["comment"].result == "success"
    (comment,) = flow.comments()
    assert "the preview failed" in comment
    assert "holds no v9.9.9" in comment
    flow.repository.git("checkout", "--quiet", "--force", "main")


def test_a_fork_gets_no_role_and_no_comment(flow: Flow) -> None:
    """Its code is a stranger's."""
    event = flow.pull_request("HEAD~1", "HEAD", head={"sha": "x", "repo": {"full_name": "stranger/fork"}})
    jobs = flow.run("preview.yml", "pull_request", event)
    assert {job.result for job in jobs.values()} == {"skipped"}


def test_a_tag_is_released_reaches_staging_and_is_proposed_for_the_files(flow: Flow) -> None:
    """Tag → build and push → staging, and git learns of it by a pull request."""
    flow.repository.git("tag", "v1.1.0")
    for stack in ("release", "staging"):
        content = flow.repository.git("show", f"HEAD:Pulumi.{stack}.yaml")
        flow.github.files["main", f"Pulumi.{stack}.yaml"] = f"{content}\n".encode()
    jobs = good(flow.run("staging.yml", "push", push(flow, "refs/tags/v1.1.0")))
    assert outputs(flow, "staging")["tag"] == "v1.1.0"
    assert outputs(flow, "staging")["ledger"][0]["tag"] == "v1.1.0"
    assert jobs["record"].result == "success"
    (proposed,) = [one for one in flow.github.pulls.values() if one["number"] != PULL_REQUEST]
    assert proposed["title"] == "release and staging: v1.1.0"
    for stack in ("release", "staging"):
        flow.repository.file(stack).write_bytes(flow.github.files["release/v1.1.0", f"Pulumi.{stack}.yaml"])
    flow.repository.commit("merge the proposal")


def test_production_runs_stagings_digest_after_its_plan_was_approved(flow: Flow) -> None:
    """The change of one line; nothing is touched before the reviewers have seen the plan."""
    flow.repository.change("prod", imageTag="v1.1.0")
    flow.repository.commit("prod: v1.1.0")
    running_before: list[dict[str, Any]] = []
    flow.runner.approve = lambda environment, jobs: (
        flow.approvals.append((environment, dict(jobs))),
        running_before.append(outputs(flow, "prod")),
    )[0]
    jobs = good(flow.run("production.yml", "push", push(flow)))
    environment, seen = flow.approvals[-1]
    assert environment == "production"
    assert "`v1.1.0`" in seen["plan"].summary
    assert "Container antgent-server (create)" in seen["plan"].summary
    assert running_before == [{}]
    assert outputs(flow, "prod")["image"] == outputs(flow, "staging")["image"]
    assert jobs["apply"].steps["ship verify prod"] == "success"
    assert jobs["apply"].steps["roll back, where that was chosen"] == "skipped"


def test_what_a_hand_changed_is_reported_once_and_closed_when_it_is_mended(flow: Flow) -> None:
    """One issue, updated every night, until the stack is as it was deployed."""
    server = outputs(flow, "prod")["revision"].partition("/")[0]
    docker.DockerClient(flow.repository.env["DOCKER_HOST"]).containers.get(server).remove(force=True)
    jobs = flow.run("drift.yml", "schedule", {}, stack="prod")
    assert jobs["drift (prod)"].result == "failure"
    (issue,) = flow.github.issues.values()
    assert (issue["state"], issue["labels"]) == ("open", ["drift"])
    assert "antgent-server (create)" in issue["body"]
    flow.repository.pulumi("prod").up("--refresh")
    good(flow.run("drift.yml", "schedule", {}, stack="prod"))
    assert issue["state"] == "closed"


def test_a_pull_requests_environment_lives_as_long_as_it(flow: Flow) -> None:
    """The label makes it, closing destroys it, the sweeper finds what was forgotten."""
    event = flow.pull_request("HEAD~1", "HEAD", labels=[{"name": "environment"}])
    good(flow.run("dev.yml", "pull_request", event))
    name = f"pr-{PULL_REQUEST}"
    assert outputs(flow, name)["url"]
    good(flow.run("dev.yml", "schedule", {}))
    assert outputs(flow, name)["url"]
    flow.github.pulls[PULL_REQUEST]["state"] = "closed"
    good(flow.run("dev.yml", "pull_request", {**event, "action": "closed"}))
    listed = json.loads(flow.repository.pulumi("").run("stack", "ls", "--json", stack=False).output)
    assert name not in {one["name"] for one in listed}
    assert not flow.repository.file(name).exists()


def test_ci_gates_a_merge(flow: Flow) -> None:
    """The gate runs last and wants every job."""
    jobs = good(flow.run("ci.yml", "pull_request", flow.pull_request("HEAD~1", "HEAD")))
    assert jobs["gate"].result == "success"
    flow.runner.replaced = lambda command: "false" if command == "make image" else f"make --dry-run {command[5:]}" \
        if command in NOT_HERE else None  # fmt: skip
    jobs = flow.run("ci.yml", "pull_request", flow.pull_request("HEAD~1", "HEAD"))
    assert jobs["gate"].result == "failure"
    assert "image: failure" in jobs["gate"].log


def test_every_step_of_every_workflow_was_run(flow: Flow) -> None:
    """A step that no test runs is first tried on GitHub; those left out are named here."""
    left_out = {
        "dev.yml": {"python -m pipelines deploy dev"},  # the same command as staging's, on another stack
        "production.yml": {"roll back, where that was chosen"},  # ship's own tests
    }
    for workflow, ran in flow.ran.items():
        file = flow.repository.folder / ".github/workflows" / workflow
        steps = [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job["steps"]]
        wanted = {step.get("name") or step["run"] for step in steps if "run" in step}
        assert wanted - ran <= left_out.get(workflow, set()), workflow
    assert len(flow.ran) == 6
    shutil.rmtree(flow.runner.scratch)
