"""The pre-commit hooks, run by pre-commit itself in a repository of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox.paths import CHECKOUT

STACK = "config:\n  antgent:imageTag: {}\n  antgent:registry:\n    kind: external\n    server: r.example.com\n  antgent:build: {{}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with this project's hooks, and one stack that builds."""
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        (tmp_path / name).write_text((CHECKOUT / name).read_text())
    for folder in (".venv", "settings", "pipelines", "sandbox", "policies", "ship", "components"):
        (tmp_path / folder).symlink_to(CHECKOUT / folder)
    (tmp_path / ".gitignore").write_text(
        "/.venv\n/settings\n/pipelines\n/sandbox\n/policies\n/ship\n/components\n"
    )
    (tmp_path / "Pulumi.release.yaml").write_text(STACK.format("v1"))
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").write_text("FROM scratch\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--no-verify", "-m", "first")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    named = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True)


def hooks(folder: Path, *only: str) -> subprocess.CompletedProcess[str]:
    """Run pre-commit over what is staged; `only` names one hook."""
    git(folder, "add", "--update")
    env = {**os.environ, "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"), "PRE_COMMIT_COLOR": "never"}
    command = [sys.executable, "-m", "pre_commit", "run", *only]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_the_hooks_are_these() -> None:
    """One that is lost is missed by nobody for months."""
    (local,) = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["id"] for hook in local["hooks"]} == {
        "ruff-check", "ruff-format", "yaml", "merge-conflicts", "stack-files", "workflows", "clean-release",
        "secrets", "secrets-in-tests",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hook", "file", "content", "said"),
    [
        ("ruff-check", "x.py", "import os\n", "F401"),
        ("ruff-format", "x.py", "x = {  'a':1 }\n", "1 file reformatted"),
        ("yaml", "x.yaml", "a: [1\n", "parsing a flow sequence"),
        ("stack-files", "Pulumi.prod.yaml", "config:\n  antgent:imageTga: v1\n", "imageTag"),
        ("secrets", "x.txt", "key = AKIA" + "IOSFODNN7EXAMPLF\n", "AWS Access Key"),
        ("secrets-in-tests", "tests/x.txt", "-----BEGIN " + "RSA PRIVATE KEY-----\n", "Private Key"),
    ],
)
def test_a_hook_refuses_what_it_is_for(
    repository: Path, hook: str, file: str, content: str, said: str
) -> None:
    """Each is really called, with files that it takes."""
    (repository / file).parent.mkdir(exist_ok=True)
    (repository / file).write_text(content)
    git(repository, "add", file)
    done = hooks(repository, hook)
    assert done.returncode == 1, done.stdout
    assert said in done.stdout


def test_a_release_is_not_named_while_its_inputs_are_not_committed(repository: Path) -> None:
    """The image would record a commit that does not hold what it was built from."""
    (repository / "Pulumi.release.yaml").write_text(STACK.format("v2"))
    assert hooks(repository, "clean-release").returncode == 0
    (repository / "image" / "new.txt").write_text("not added")
    done = hooks(repository, "clean-release")
    assert done.returncode == 1
    assert "image has changes that are not part of this commit: image/new.txt" in done.stdout
    git(repository, "add", "--all")
    assert hooks(repository, "clean-release").returncode == 0
