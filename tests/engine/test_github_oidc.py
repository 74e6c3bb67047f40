"""CI's roles and the policy pack through the real engine, asked over AWS's API."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.assembly import Sandbox
from sandbox.paths import CHECKOUT, cache_dir
from sandbox.pulumi_cli import PulumiError
from tests.engine.aws_cloud import AwsStack, Cloud

pytestmark = pytest.mark.timeout(600)
GITHUB = {"repository": "example/antgent-delivery", "stateBucket": "antgent-pulumi-state"}
SUBJECT = "token.actions.githubusercontent.com:sub"
PACK = CHECKOUT / "policies" / "pack"


@pytest.fixture(scope="module")
def cloud(aws_sandbox: Sandbox) -> Cloud:
    """AWS's API."""
    return Cloud(aws_sandbox.env)


@pytest.fixture(scope="module")
def stack(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsStack]:
    """A stack that makes CI's roles and nothing else."""
    made = AwsStack(tmp_path_factory.mktemp("ci"), "t-ci", cloud.env, {"github": GITHUB, "owner": "tests"})
    try:
        made.pulumi.up()
        yield made
    finally:
        made.pulumi.destroy()
        assert cloud.all("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList") == []
        assert [
            one for one in cloud.all("iam", "list_roles", "Roles") if "antgent-ci" in one["RoleName"]
        ] == []


def role(cloud: Cloud, name: str) -> dict[str, Any]:
    return cloud.client("iam").get_role(RoleName=f"antgent-ci-{name}")["Role"]


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("preview", ["pull_request", "ref:refs/heads/main"]),
        ("staging", ["environment:dev", "environment:staging"]),
        ("production", "environment:production"),
    ],
)
def test_each_role_trusts_its_workflows_of_this_repository(
    cloud: Cloud, stack: AwsStack, name: str, subjects: str | list[str]
) -> None:
    """What AWS has, not what was asked for."""
    (statement,) = role(cloud, name)["AssumeRolePolicyDocument"]["Statement"]
    wanted = [
        f"repo:example/antgent-delivery:{one}"
        for one in ([subjects] if isinstance(subjects, str) else subjects)
    ]
    assert statement["Condition"]["StringEquals"][SUBJECT] == (wanted if len(wanted) > 1 else wanted[0])
    (provider,) = cloud.all("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList")
    assert statement["Principal"]["Federated"] == provider["Arn"]
    assert stack.pulumi.outputs()["ciRoles"][name] == role(cloud, name)["Arn"]


def test_the_preview_roles_policy_on_aws_is_the_one_that_was_judged(cloud: Cloud, stack: AwsStack) -> None:
    """The unit tests judge a document; this is that document."""
    from components.github_policies import preview_policy

    iam = cloud.client("iam")
    (name,) = iam.list_role_policies(RoleName="antgent-ci-preview")["PolicyNames"]
    found = iam.get_role_policy(RoleName="antgent-ci-preview", PolicyName=name)["PolicyDocument"]
    assert found == preview_policy(bucket="antgent-pulumi-state", key=None)
    assert stack.config["github"]["stateBucket"] == "antgent-pulumi-state"


def test_a_second_up_changes_nothing(stack: AwsStack) -> None:
    """Documents come back from AWS as they were written."""
    assert stack.pulumi.up().changes.total == 0


@pytest.fixture(scope="module")
def policy_library() -> Path:
    """`pulumi-policy` in a folder of its own, as the pack's environment has it."""
    wanted = (PACK / "requirements.txt").read_text().splitlines()[-1]
    folder = cache_dir() / "policy-pack" / wanted
    if not folder.exists():
        scratch = folder.with_name(f"{folder.name}-{os.getpid()}")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(scratch),
            wanted,
        ]
        subprocess.run(command, check=True)
        scratch.rename(folder)
    return folder


@pytest.fixture
def pack_env(cloud: Cloud, policy_library: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The pack as this sandbox's engine starts it.

    The language host that can be built here does not know policy packs. The engine starts the pack of a
    runtime without a language host by a program `pulumi-analyzer-policy-RUNTIME`, so that is what it gets;
    the pack's own code is the shipped one.
    """
    pack = tmp_path / "pack"
    pack.mkdir()
    project = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    (pack / "PulumiPolicy.yaml").write_text(yaml.safe_dump(project | {"runtime": "sandboxed"}))
    shim = tmp_path / "bin" / "pulumi-analyzer-policy-sandboxed"
    shim.parent.mkdir()
    shim.write_text(
        f'#!/bin/sh\nPYTHONPATH={policy_library} exec {sys.executable} -u {PACK}/__main__.py "$@"\n'
    )
    shim.chmod(0o755)
    return pack, {**cloud.env, "PATH": f"{shim.parent}{os.pathsep}{cloud.env['PATH']}"}


def test_the_engine_asks_the_policy_pack_and_obeys_it(
    stack: AwsStack, pack_env: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """The second way in: the same rules, inside of `pulumi preview`."""
    pack, env = pack_env
    folder = tmp_path / "project"
    shutil.copytree(stack.file.parent, folder)
    good = AwsStack(folder, "t-pack", env, stack.config)
    try:
        assert "antgent" in good.pulumi.preview(f"--policy-pack={pack}").output
        good.configure({**stack.config, "owner": ""} | {"owner": None})
        program = folder / "program"
        program.mkdir()
        (program / "__main__.py").write_text(
            "import pulumi_aws as aws\naws.cloudwatch.LogGroup('forever', retention_in_days=0)\n"
        )
        content = yaml.safe_load((folder / "Pulumi.yaml").read_text())
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(content | {"main": str(program)}))
        with pytest.raises(PulumiError) as caught:
            good.pulumi.preview(f"--policy-pack={pack}")
        assert "logs-expire" in caught.value.output
        assert "it keeps its logs for ever" in caught.value.output
        assert json.loads(good.pulumi.run("stack", "export").output)["deployment"].get("resources") is None
    finally:
        good.pulumi.stack_remove()
