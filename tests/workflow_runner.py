"""Runs the repository's workflows on this machine, as GitHub's runner would: jobs, matrices, steps, files.

Every `run:` step is a real process with the environment that GitHub gives it. Actions (`uses:`) are the
runner's own business and stand for what a test machine has already: a checkout, Python, credentials; only
artifacts are moved. An action that is not known here is an error.
"""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.workflow_expressions import condition, fill, text


@dataclass
class Job:
    """A job that has run.

    Attributes:
        result: `success`, `failure` or `skipped`.
        steps: name or command → `success`, `failure` or `skipped`.
        log: what its commands printed.
        summary: the Markdown of its page.
    """

    result: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Runner:
    """A machine that GitHub would run jobs on.

    Args:
        folder: the checkout.
        scratch: where events, outputs and artifacts go.
        env: the environment of every step, before the workflow's own.
        variables: the repository's variables (`vars`).
        replaced: gives another command for one, or None to run it as it is.
        approve: asked before a job of a protected environment runs, with the runs so far.
    """

    folder: Path
    scratch: Path
    env: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    replaced: Callable[[str], str | None] = lambda _command: None
    approve: Callable[[str, dict[str, Job]], None] = lambda _environment, _jobs: None
    runs: Iterator[int] = field(default_factory=itertools.count)

    def run(
        self, workflow: str, event: str, payload: Mapping[str, Any], *, only: Mapping[str, str] = {}
    ) -> dict[str, Job]:
        """Run a workflow for an event; job (and its place in the matrix) → what became of it.

        Args:
            workflow: file name in .github/workflows.
            event: `push`, `pull_request` …
            payload: what GitHub sends with it.
            only: keys of a matrix and the one value that is run.
        """
        document = yaml.load((self.folder / ".github/workflows" / workflow).read_text(), yaml.BaseLoader)
        home = self.scratch / f"run-{next(self.runs)}"
        (home / "artifacts").mkdir(parents=True)
        (home / "event.json").write_text(json.dumps(payload))
        jobs: dict[str, Job] = {}
        named: dict[str, Job] = {}
        for name, job in document["jobs"].items():
            base = self._contexts(event, payload, named, job, home)
            if not condition(job.get("if"), base):
                named[name] = jobs[name] = Job("skipped")
                continue
            places = self._matrix(job, base, only)
            parts = [self._job(job, {**base, "matrix": place}, home, jobs) for place in places]
            for place, part in zip(places, parts, strict=True):
                jobs[f"{name} ({', '.join(map(str, place.values()))})" if place else name] = part
            bad = any(part.result == "failure" for part in parts)
            outputs = {key: value for part in parts for key, value in part.outputs.items()}
            named[name] = Job("failure" if bad else "success", outputs)
        return jobs

    def _contexts(
        self,
        event: str,
        payload: Mapping[str, Any],
        done: Mapping[str, Job],
        job: Mapping[str, Any],
        home: Path,
    ) -> dict[str, Any]:
        needs = job.get("needs") or []
        wanted = [needs] if isinstance(needs, str) else needs
        results = {name: {"result": done[name].result, "outputs": done[name].outputs} for name in wanted}
        good = all(one["result"] == "success" for one in results.values())
        skipped = any(one["result"] == "skipped" for one in results.values())
        ref = payload.get("ref", "refs/heads/main")
        github = {
            "event": payload,
            "event_name": event,
            "ref": ref,
            "ref_name": ref.split("/", 2)[2],
            "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
            "repository": self.env["GITHUB_REPOSITORY"],
            "token": self.env["GITHUB_TOKEN"],
        }
        return {
            "github": github, "needs": results, "vars": self.variables, "inputs": payload.get("inputs") or {},
            "matrix": {}, "steps": {}, "status": "success" if good else "skipped" if skipped else "failure",
            "home": home,
        }  # fmt: skip

    def _matrix(
        self, job: Mapping[str, Any], contexts: Mapping[str, Any], only: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        given = (job.get("strategy") or {}).get("matrix") or {}
        axes = {key: fill(values, contexts) for key, values in given.items()}
        places = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
        wanted = {key: value for key, value in only.items() if key in axes}
        return [place for place in places if wanted.items() <= place.items()]

    def _job(
        self, job: Mapping[str, Any], contexts: dict[str, Any], home: Path, before: dict[str, Job]
    ) -> Job:
        environment = job.get("environment")
        if environment:
            self.approve(environment if isinstance(environment, str) else environment["name"], before)
        done, contexts = Job(), {**contexts, "steps": {}, "status": "success"}
        files = {name: home / f"{name}-{len(list(home.iterdir()))}" for name in ("output", "summary", "path")}
        for number, step in enumerate(job["steps"]):
            label = step.get("name") or step.get("run") or step["uses"].partition("@")[0]
            label = label if label not in done.steps else f"{label} ({number})"
            if not condition(step.get("if"), contexts):
                done.steps[label] = "skipped"
                continue
            files["output"].write_text("")
            good = self._step(step, job, contexts, home, files, done)
            done.steps[label] = "success" if good else "failure"
            if "id" in step:
                contexts["steps"] |= {step["id"]: {"outputs": _outputs(files["output"].read_text())}}
            if not good and step.get("continue-on-error") != "true":
                done.result = contexts["status"] = "failure"
        done.outputs = {key: text(fill(value, contexts)) for key, value in (job.get("outputs") or {}).items()}
        done.summary = files["summary"].read_text() if files["summary"].exists() else ""
        return done

    def _step(
        self, step: Mapping[str, Any], job: Mapping[str, Any], contexts: Mapping[str, Any], home: Path,
        files: Mapping[str, Path], done: Job,
    ) -> bool:  # fmt: skip
        if "uses" in step:
            return self._action(step, contexts, home)
        given = {**(job.get("env") or {}), **(step.get("env") or {})}
        command = fill(step["run"], contexts)
        process = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", self.replaced(command) or command],
            cwd=self.folder, env=self._env(given, contexts, home, files), capture_output=True, text=True,
            timeout=600,
        )  # fmt: skip
        done.log += f"$ {command}\n{process.stdout}{process.stderr}"
        return process.returncode == 0

    def _env(
        self, given: Mapping[str, Any], contexts: Mapping[str, Any], home: Path, files: Mapping[str, Path]
    ) -> dict[str, str]:
        # A job's variables are there or empty; GITHUB_TOKEN is a step's only where the workflow says so.
        env = {key: value for key, value in self.env.items() if key != "GITHUB_TOKEN"}
        filled = {key: text(fill(value, contexts)) for key, value in given.items()}
        github = contexts["github"]
        folders = files["path"].read_text().splitlines() if files["path"].exists() else []
        runner = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": github["event_name"],
            "GITHUB_EVENT_PATH": str(home / "event.json"),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_PATH": str(files["path"]),
            "GITHUB_REF": github["ref"],
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
        }
        shims, _, rest = env["PATH"].partition(os.pathsep)
        path = os.pathsep.join([shims, *reversed(folders), rest])
        return {**env, **filled, **runner, "PATH": path}

    def _action(self, step: Mapping[str, Any], contexts: Mapping[str, Any], home: Path) -> bool:
        name = step["uses"].partition("@")[0]
        given = {key: fill(value, contexts) for key, value in (step.get("with") or {}).items()}
        if name == "actions/setup-python":
            return True
        if name == "actions/checkout":
            # Every job has a machine of its own, so nothing that another one edited is there.
            for words in (["checkout", "--quiet", "--", "."], ["clean", "--quiet", "-d", "--force"]):
                subprocess.run(["git", *words], cwd=self.folder, check=True)
            return True
        if name == "aws-actions/configure-aws-credentials":
            assert given["role-to-assume"].startswith("arn:aws:iam::"), given
            return True
        if name == "actions/upload-artifact":
            source = self.folder / given["path"]
            if source.exists():
                shutil.copytree(source, home / "artifacts" / given["name"], dirs_exist_ok=True)
                shutil.rmtree(source)  # another machine would not have it
            return True
        if name == "actions/download-artifact":
            for found in (home / "artifacts").glob(given.get("pattern") or given["name"]):
                shutil.copytree(found, self.folder / given["path"], dirs_exist_ok=True)
            return True
        raise AssertionError(f"the action {name} is not known to the tests' runner")


def _outputs(content: str) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT."""
    found, lines = {}, iter(content.splitlines())
    for line in lines:
        name, heredoc, mark = line.partition("<<")
        if heredoc:
            found[name] = "\n".join(itertools.takewhile(lambda each, end=mark: each != end, lines))
        else:
            key, _, value = line.partition("=")
            found[key] = value
    return found
