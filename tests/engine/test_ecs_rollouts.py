"""Rollouts on ECS through the unchanged program: good ones and bad ones, under load, finished and interrupted.

What ECS and Docker say is asked over their own APIs, requests go through the load balancer by its name.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from components.pollers import TemporalError, pollers
from sandbox.assembly import Sandbox
from sandbox.process import free_port, wait_until
from sandbox.pulumi_cli import PulumiError
from tests.conftest import APP, Stack, app_config, destroy
from tests.engine.aws_cloud import Cloud
from tests.engine.kubernetes_load import sending
from tests.engine.releases import Releases

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="ports 80 and 443 and the hosts file need root"),
    pytest.mark.timeout(900),
]
ROLLOUTS = int(os.environ.get("ANTGENT_ROLLOUTS", "1"))
"""How many good releases roll out in a row."""
slow = pytest.mark.skipif(
    "ANTGENT_ROLLOUTS" not in os.environ, reason="a minute more; ANTGENT_ROLLOUTS asks for it"
)
CERTAIN = 60
"""Seconds in which `up` must fail where nothing can heal."""
NETWORK = {"nat": "none"}


class OnEcs(Releases):
    """With the AWS API behind the stack."""

    def __init__(self, stack: Stack, cloud: Cloud) -> None:
        super().__init__(stack)
        self.cloud = cloud

    def describe(self, role: str = "server") -> dict[str, Any]:
        """The ECS service."""
        return self.cloud.services(self.stack.name)[role]

    def complete(self, role: str = "server") -> str:
        """Wait until one deployment is there and complete; its task definition."""

        def settled() -> bool:
            found = self.describe(role)["deployments"]
            return [one["rolloutState"] for one in found] == ["COMPLETED"]

        assert wait_until(settled, seconds=60, every=0.5), self.describe(role)["deployments"]
        return self.describe(role)["deployments"][0]["taskDefinition"]

    def tasks(self, role: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        """Tasks of a workload."""
        service, ecs = self.describe(role), self.cloud.client("ecs")
        asked = {"cluster": service["clusterArn"], "serviceName": service["serviceName"]}
        arns = ecs.list_tasks(desiredStatus=status, **asked)["taskArns"]
        return ecs.describe_tasks(cluster=asked["cluster"], tasks=arns)["tasks"] if arns else []


@pytest.fixture(scope="module")
def shared(
    aws_sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnEcs]:
    """A stack with a good release of two servers and a worker, for all tests of this file."""
    mark = f"rollouts-{uuid.uuid4().hex[:8]}"
    config = app_config(app_context, mark, "good", "v1.0.0")
    service = config["service"]
    for role in ("server", "worker"):
        service[role] |= {"memory": 512, "stopGrace": 4}
    service["server"]["replicas"] = 2
    service |= {
        "runtime": "ecs",
        "ecs": {"network": NETWORK, "dashboard": False},
        "environment": {"ANTGENT_TEMPORALIO__HOST": aws_sandbox.env["SANDBOX_TEMPORAL"], "QUEUE": mark},
        "rollout": {"deadline": 120},
    }
    stack = Stack(tmp_path_factory.mktemp("project"), aws_sandbox.env, config, name=mark)
    try:
        stack.pulumi.up()
        yield OnEcs(stack, Cloud(aws_sandbox.env))
    finally:
        destroy(stack)


@pytest.fixture
def releases(shared: OnEcs) -> OnEcs:
    """The stack with its usual config, whatever the test before did."""
    shared.stack.configure(shared.usual)
    return shared


def test_no_request_fails_while_good_releases_roll_out(releases: OnEcs) -> None:
    """Promise 5 with four tasks, several times in a row, because a dropped request is a matter of chance."""
    releases.stack.scale(4)
    releases.up()
    for _ in range(ROLLOUTS):
        started = time.monotonic()
        with sending(f"{releases.stack.url}/version") as seen:
            wanted = releases.up()
            took = time.monotonic() - started
            releases.complete()
        print(f"release in {took:.1f} s: ", end="")
        seen.check()
        assert {releases.version() for _ in range(8)} == {wanted}
    assert len(releases.tasks("server")) == 4


def test_a_second_up_changes_nothing(releases: OnEcs) -> None:
    """Promise 10: the verdict is not asked for again."""
    releases.stack.pulumi.up()
    assert releases.stack.pulumi.up().changes.total == 0


def test_a_crash_at_start_fails_while_the_previous_release_serves(releases: OnEcs) -> None:
    """Promise 4: stop code, exit code and log line, and ECS has taken the release back by itself."""
    words = [
        "EssentialContainerExited",
        "exit code 3",
        "fatal: the database password is missing",
        "rolled back to",
    ]
    releases.ask_for("crash")
    must_fail(releases, [*words, "the circuit breaker"])


@slow
def test_the_same_bad_release_once_more_is_judged_again(releases: OnEcs) -> None:
    """Its services are unchanged, and what runs is still not what was asked for."""
    releases.ask_for("crash")
    for _ in range(2):
        with pytest.raises(PulumiError, match="rolled back to"):
            releases.stack.pulumi.up()
    releases.stack.configure(releases.usual)
    releases.up()


@slow
def test_an_image_that_cannot_be_pulled_fails_while_the_previous_release_serves(
    releases: OnEcs, app_context: Path, tmp_path: Path
) -> None:
    """The registry lost the image after it was pushed: ECS says so, and there is no log."""
    context = tmp_path / "context"
    shutil.copytree(app_context, context)
    (context / "unique").write_text(uuid.uuid4().hex)
    with (context / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("COPY unique /unique\n")
    build = releases.stack.config["build"] | {
        "context": str(context),
        "dockerfile": str(context / "Dockerfile"),
    }
    releases.stack.change(build=build)
    version = releases.ask_for("good")
    with losing_the_image(releases.stack, f"v{version}"):
        must_fail(releases, ["CannotPullContainerError", "rolled back to"])


@slow
def test_a_server_that_is_never_ready_fails_with_its_health_check(releases: OnEcs) -> None:
    """It runs and answers 503: the load balancer's view is in the error."""
    releases.ask_for("never-ready")
    must_fail(releases, ["health checks", "mode never-ready", "rolled back to"], within=120)


def must_fail(releases: OnEcs, words: list[str], *, within: float = CERTAIN) -> None:
    """`up` fails in time and says why, nobody notices, and the next good `up` repairs it.

    Args:
        words: what the error must contain.
        within: seconds for the whole command, with the image's build.
    """
    stack, ecs = releases.stack, releases.cloud.client("ecs")
    running, before, started = releases.version(), releases.complete(), time.monotonic()
    with sending(f"{stack.url}/version") as seen:
        with pytest.raises(PulumiError) as failed:
            stack.pulumi.up()
        took = time.monotonic() - started
        print(f"{failed.value}\nfailed in {took:.1f} s; until repaired: ", end="")
        assert releases.complete() == before
        assert releases.version() == running
        known = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
        assert known["status"] == "ACTIVE", "nobody took away what ECS goes back to"
        stack.configure(releases.usual)
        releases.up()
    seen.check()
    for word in words:
        assert word in str(failed.value)
    assert "Traceback" not in str(failed.value)
    # The promise is for a machine that is not overloaded; the load generator runs on this one as well.
    assert took < within * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@contextlib.contextmanager
def losing_the_image(stack: Stack, tag: str) -> Iterator[None]:
    """Delete the tag's manifest from the registry as soon as it has been pushed."""
    base = f"http://{stack.env['SANDBOX_REGISTRY']}/v2/{stack.config['registry']['repository']}/manifests"
    accept = {"accept": "application/vnd.docker.distribution.manifest.v2+json"}
    done = threading.Event()

    def lose() -> None:
        while not done.wait(0.05):
            found = httpx.head(f"{base}/{tag}", headers=accept)
            if found.status_code == 200:
                httpx.delete(f"{base}/{found.headers['docker-content-digest']}").raise_for_status()
                return

    thief = threading.Thread(target=lose)
    thief.start()
    try:
        yield
    finally:
        done.set()
        thief.join(10)


def test_a_rollback_by_an_alarm_fails_and_names_the_alarm(releases: OnEcs) -> None:
    """A release that starts well and answers badly: CloudWatch notices, ECS goes back, `up` says who."""
    before, running = releases.complete(), releases.version()
    cloudwatch = releases.cloud.client("cloudwatch")
    (name,) = [
        one
        for one in releases.describe()["deploymentConfiguration"]["alarms"]["alarmNames"]
        if "errors" in one
    ]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="test")
    releases.ask_for("good")
    errors: list[PulumiError] = []

    def release() -> None:
        try:
            releases.stack.pulumi.up()
        except PulumiError as error:
            errors.append(error)

    releasing = threading.Thread(target=release)
    releasing.start()
    try:
        assert wait_until(lambda: releases.describe()["taskDefinition"] != before, seconds=150, every=0.5)
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    finally:
        releasing.join(180)
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="test")
    assert errors, "`up` reported a rolled back deployment as a success"
    assert f"rolled back to {before.rpartition('/')[2]} by the alarm {name}" in str(errors[0])
    assert releases.complete() == before
    assert releases.version() == running
    releases.stack.configure(releases.usual)
    releases.up()


ENDINGS = [
    pytest.param(signal.SIGINT, id="SIGINT", marks=slow),
    pytest.param(signal.SIGKILL, id="SIGKILL"),
]  # fmt: skip


@pytest.mark.parametrize("how", ENDINGS)
def test_a_bad_release_whose_up_was_ended_is_repaired_by_the_next(
    releases: OnEcs, how: signal.Signals
) -> None:
    """A cancelled wait must not hide the broken rollout from the next `up`."""
    stack = releases.stack
    releases.ask_for("crash")
    with sending(f"{stack.url}/version") as seen:
        running = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", stack.name, "--non-interactive"],
            cwd=stack.folder, env=stack.env, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert running.stdout is not None
        said: list[str] = []
        try:
            for line in running.stdout:
                said.append(line)
                if "server: 0 of 2 running" in line:
                    os.killpg(running.pid, how)
                    break
            said.append(running.communicate(timeout=150)[0])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        assert running.returncode != 0, "".join(said)
        stack.configure(releases.usual)
        releases.up()
        releases.complete()
    seen.check()
    assert stack.pulumi.up().changes.total == 0


def test_a_worker_with_an_activity_in_flight_is_replaced_in_time_and_the_activity_tried_again(
    releases: OnEcs, tmp_path: Path
) -> None:
    """It ignores SIGTERM while the activity lasts; the stop timeout ends it, and Temporal tries again."""
    context, stack = temporal_context(tmp_path), releases.stack
    queue, address = stack.config["service"]["environment"]["QUEUE"], stack.env["SANDBOX_TEMPORAL"]
    base = {"BASE": stack.env["SANDBOX_BASE_IMAGE"]}
    stack.change(build={"context": str(context), "dockerfile": str(context / "Dockerfile"), "args": base})
    alive, service = ["/usr/bin/true"], stack.config["service"]
    releases.service(
        server=service["server"] | {"health": service["server"]["health"] | {"command": alive}},
        worker=service["worker"] | {"healthCommand": alive},
    )
    stack.change(imageTag="v2.0.0")
    began = time.time()
    stack.pulumi.up()
    assert wait_until(lambda: any(one.seen > began for one in pollers(address, "default", queue)), seconds=20)
    outcome = asyncio.run(released_while_it_works(stack, address, queue))
    assert outcome.startswith("attempt 2 on 2.1.0 at "), outcome
    assert releases.version() == "2.1.0"
    codes = [one["containers"][0].get("exitCode") for one in releases.tasks("worker", "STOPPED")]
    assert 137 in codes, "it was killed at its stop timeout"
    stack.configure(releases.usual)
    releases.up()


async def released_while_it_works(stack: Stack, address: str, queue: str) -> str:
    """Start an activity of ten minutes, release, and wait for the workflow's answer."""
    client = await Client.connect(address)
    running = await client.start_workflow("Slow", 600.0, id=f"slow-{queue}", task_queue=queue)
    for _ in range(100):
        pending = (await running.describe()).raw_description.pending_activities
        if any(one.attempt == 1 and one.HasField("last_heartbeat_time") for one in pending):
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError("the activity does not start")
    stack.change(imageTag="v2.1.0")
    await asyncio.to_thread(stack.pulumi.up)
    return await asyncio.wait_for(running.result(), 60)


def temporal_context(folder: Path) -> Path:
    """The build context of the Temporal worker: its file, and this environment's packages, which suit any Python 3."""
    shutil.copytree(APP / "temporal", folder / "temporal")
    packages = Path(sysconfig.get_path("purelib"))
    for name in ("temporalio", "protobuf", "nexus-rpc", "typing-extensions"):
        for file in importlib.metadata.files(name) or []:
            if file.suffix != ".pyc" and ".." not in file.parts:
                target = folder / "temporal" / "packages" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(packages / file, target)
    return folder / "temporal"


def test_a_temporal_that_does_not_answer_is_an_error_with_its_reason() -> None:
    """The deployer may be elsewhere; that is said, and not waited for."""
    with pytest.raises(TemporalError):
        pollers(f"127.0.0.1:{free_port()}", "default", "queue")
