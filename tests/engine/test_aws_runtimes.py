"""An environment moves between ECS and Kubernetes by one word of its stack file; all else stays as it is."""

import base64
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import local_stack
from sandbox.assembly import Sandbox
from sandbox.process import wait_until
from tests.conftest import started
from tests.engine.aws_cloud import AwsStack, Cloud, empty, environment_config, release_config
from tests.engine.kubernetes_load import answers

pytestmark = pytest.mark.timeout(600)
TAG = "v1.0.0"


@pytest.fixture(scope="module")
def both(kubernetes_sandbox: Sandbox, aws_sandbox: Sandbox) -> Sandbox:
    """The session's sandbox with a cluster and AWS's API."""
    assert aws_sandbox.home == kubernetes_sandbox.home
    return started(kubernetes_sandbox.home, "kubernetes", with_aws=True)


@pytest.fixture(scope="module")
def cloud(both: Sandbox) -> Cloud:
    return Cloud({**both.env, "TEST_LLM_KEY": "nobody-may-read-this"})


@pytest.fixture
def staging(cloud: Cloud, app_context: Path, tmp_path: Path) -> Iterator[AwsStack]:
    """An environment that promotes a release from ECR, with the options of both runtimes."""
    mark = uuid.uuid4().hex[:6]
    release = AwsStack(tmp_path, f"r-{mark}", cloud.env, release_config(app_context, TAG))
    config = environment_config(release.name, TAG, cloud.secret(f"app/{mark}"), alarms={"enabled": False})
    config["service"]["kubernetes"] = {"namespace": f"move-{mark}", "context": "antgent-sandbox"}
    config["service"]["server"] |= {"autoscaling": {"min": 1, "max": 2}}
    config["service"]["worker"] |= {"replicas": 1}
    made = AwsStack(tmp_path, f"s-{mark}", cloud.env, config)
    try:
        release.pulumi.up()
        yield made
    finally:
        made.pulumi.destroy()
        empty(cloud.env["SANDBOX_ECR"], release.config["registry"]["repository"])
        release.pulumi.destroy()


def secrets(sandbox: Sandbox, namespace: str) -> list[dict[str, Any]]:
    """The cluster's own word."""
    command = ["kubectl", "--namespace", namespace, "get", "secrets", "-o", "json"]
    done = subprocess.run(command, env=sandbox.env, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)["items"]


def test_one_word_moves_an_environment_to_the_other_runtime(
    both: Sandbox, cloud: Cloud, staging: AwsStack
) -> None:
    """The same release answers on both, with the same secret, and nothing of the other runtime is left."""
    staging.pulumi.up()
    on_ecs = staging.pulumi.outputs()
    assert cloud.services(staging.name).keys() == {"server", "worker"}
    assert wait_until(lambda: answers(f"{on_ecs['url']}/version"), seconds=30)
    assert httpx.get(f"{on_ecs['url']}/version").json()["version"] == "1.0.0"

    staging.change(service=staging.config["service"] | {"runtime": "kubernetes"})
    staging.pulumi.up()
    moved = staging.pulumi.outputs()
    assert moved["image"] == on_ecs["image"]
    url = local_stack.reachable(both, staging.pulumi, moved["url"])
    assert wait_until(lambda: answers(f"{url}/version"), seconds=30)
    assert httpx.get(f"{url}/version").json()["version"] == "1.0.0"
    assert cloud.services(staging.name) == {}
    (secret,) = secrets(both, staging.config["service"]["kubernetes"]["namespace"])
    token = base64.b64decode(secret["data"]["ANTGENT_SERVER__TOKEN"]).decode()
    arn = staging.config["secrets"]["ANTGENT_SERVER__TOKEN"]
    assert token == cloud.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
