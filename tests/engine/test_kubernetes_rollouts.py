"""Rollouts on a real cluster: good ones and bad ones, under constant load, finished and interrupted."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.oci import find_release
from sandbox.assembly import Sandbox
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack, app_config, destroy
from tests.engine.kubernetes_load import deployment, load, namespace, version
from tests.engine.releases import Releases

ROLLOUTS = int(os.environ.get("ANTGENT_ROLLOUTS", "2"))
"""How many good releases roll out in a row."""
CERTAIN = 30
"""Seconds in which `up` must fail where nothing can heal."""
DEADLINE = 12
"""Seconds that a release gets where only the deadline is a verdict."""
AFTER_DEADLINE = 10
"""Seconds after it in which `up` must have ended; the deadline runs from the rollout's start."""


class OnCluster(Releases):
    """Asks the Service itself: its name in the URL is the cluster's own."""

    def version(self) -> str:
        return version(self.stack)


@pytest.fixture(scope="module")
def shared(
    kubernetes_sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Releases]:
    """A stack with a good release running, for all tests of this file."""
    mark = f"rollouts-{uuid.uuid4().hex[:8]}"
    config = app_config(app_context, mark, "good", "v1.0.0")
    config["service"] |= {
        "runtime": "kubernetes",
        "kubernetes": {"namespace": mark},
        "rollout": {"deadline": 90},
    }
    config["service"]["server"]["replicas"] = 2
    config["service"]["server"]["health"]["startPeriod"] = 20
    stack = Stack(tmp_path_factory.mktemp("project"), kubernetes_sandbox.env, config)
    try:
        stack.pulumi.up()
        yield OnCluster(stack)
    finally:
        destroy(stack)


@pytest.fixture
def releases(shared: Releases) -> Releases:
    """The stack with its usual config, whatever the test before did."""
    shared.stack.configure(shared.usual)
    return shared


@pytest.fixture
def four(releases: Releases) -> Releases:
    """Four servers; the next test's first release goes back to as many as it wants."""
    releases.stack.scale(4)
    releases.up()
    return releases


def test_no_request_fails_while_good_releases_roll_out(four: Releases) -> None:
    """Promise 5, several times in a row, because a dropped request is a matter of chance."""
    for _ in range(ROLLOUTS):
        started = time.monotonic()
        with load(four.stack) as seen:
            four.up()
            took = time.monotonic() - started
        print(f"release in {took:.1f} s: ", end="")
        seen.check()


def test_no_request_fails_while_a_setting_changes_or_the_service_grows(four: Releases) -> None:
    """Promise 5 for what is not a release: a changed setting, two more servers, and two fewer."""
    stack = four.stack
    for change in (
        lambda: four.service(environment={"ANTGENT_APP__NAME": uuid.uuid4().hex}),
        lambda: stack.scale(6),
        lambda: stack.scale(4),
    ):
        change()
        with load(stack) as seen:
            assert stack.pulumi.up().changes.total > 0
        seen.check()


def test_turning_the_autoscaler_on_takes_no_server_away(four: Releases) -> None:
    """A field that is no longer asked for falls back to its default, and that would be one server."""
    stack = four.stack
    server = f"deployment/{deployment(stack, 'server')['metadata']['name']}"
    watch = subprocess.Popen(
        ["kubectl", "--namespace", namespace(stack), "get", server, "--watch",
         "-o", 'jsonpath={.spec.replicas}{"\\n"}'],
        env=stack.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    asked = {key: value for key, value in stack.config["service"]["server"].items() if key != "replicas"}
    four.service(server=asked | {"autoscaling": {"min": 4, "max": 6, "cpuPercent": 95}})
    with load(stack) as seen:
        stack.pulumi.up()
    watch.terminate()
    assert set(watch.communicate()[0].split()) == {"4"}
    seen.check()


def test_a_slow_start_is_waited_for(releases: Releases) -> None:
    """A server that takes eight seconds to start is slow, not broken."""
    with load(releases.stack) as seen:
        releases.up("slow-start")
    seen.check()


@pytest.mark.parametrize("mode", ["dies-on-sigterm", "ignores-sigterm"])
def test_a_server_that_ends_badly_is_replaced_without_a_failed_request(releases: Releases, mode: str) -> None:
    """The endpoint leaves before the process does, so how the process ends does not matter."""
    releases.up(mode)
    started = time.monotonic()
    with load(releases.stack) as seen:
        releases.up()
        took = time.monotonic() - started
    print(f"replaced {mode} in {took:.1f} s: ", end="")
    seen.check()
    assert took < releases.stack.config["service"]["rollout"]["deadline"]


def test_a_crash_at_start_fails_while_the_previous_release_serves(releases: Releases, tmp_path: Path) -> None:
    """Promise 4: the reason, the exit code and the log line, as soon as it is certain."""
    words = ["CrashLoopBackOff", "exit code 3", "the database password is missing"]
    releases.ask_for("crash")
    must_fail(releases, tmp_path, words, within=CERTAIN)


def test_a_server_that_is_never_ready_fails_at_the_deadline(releases: Releases, tmp_path: Path) -> None:
    """It may yet become ready, so only the deadline is a verdict; what the probe saw is in the error."""
    releases.service(rollout={"deadline": DEADLINE})
    releases.ask_for("never-ready")
    words = ["0 of 2 ready", "statuscode: 503", "mode never-ready"]
    must_fail(releases, tmp_path, words, within=DEADLINE + AFTER_DEADLINE, of="rollout")


def test_a_server_that_fits_on_no_node_fails_at_the_deadline(releases: Releases, tmp_path: Path) -> None:
    """A cluster's autoscaler may make room; the error says what there is too little of."""
    server = releases.stack.config["service"]["server"]
    releases.service(server=server | {"cpu": 64}, rollout={"deadline": DEADLINE})
    releases.ask_for("good")
    words = ["FailedScheduling", "Insufficient cpu"]
    must_fail(releases, tmp_path, words, within=DEADLINE + AFTER_DEADLINE, of="rollout")


def test_an_image_that_cannot_be_pulled_fails_while_the_previous_release_serves(
    releases: Releases, app_context: Path, tmp_path: Path
) -> None:
    """A registry that lost a layer: the tag resolves, the pull does not."""
    context = tmp_path / "context"
    shutil.copytree(app_context, context)
    # A layer that neither the node nor the registry has seen.
    (context / "unique").write_text(uuid.uuid4().hex)
    with (context / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("COPY unique /unique\n")
    own = {"context": str(context), "dockerfile": str(context / "Dockerfile")}
    releases.stack.change(build=releases.stack.config["build"] | own)
    releases.ask_for("good")
    push_without_a_layer(releases.stack, tmp_path)
    must_fail(releases, tmp_path, ["ImagePullBackOff", "not found"], within=CERTAIN)


def push_without_a_layer(stack: Stack, folder: Path) -> None:
    """Build and push what `stack` asks for from a stack that runs nothing, then lose the last layer."""
    project, state = folder / "builder", folder / "state"
    project.mkdir()
    state.mkdir()
    config = {key: value for key, value in stack.config.items() if key != "service"}
    # All stacks of these tests have one name, so this one has a backend of its own.
    builder = Stack(project, stack.env | {"PULUMI_BACKEND_URL": f"file://{state}"}, config)
    builder.pulumi.up()
    repository = f"{stack.env['SANDBOX_REGISTRY']}/{config['registry']['repository']}"
    release = find_release(repository, config["imageTag"])
    assert release is not None
    host, _, name = repository.partition("/")
    base = f"http://{host}/v2/{name}"
    accept = {"accept": "application/vnd.docker.distribution.manifest.v2+json"}
    manifest = httpx.get(f"{base}/manifests/{config['imageTag']}", headers=accept).raise_for_status().json()
    httpx.delete(f"{base}/blobs/{manifest['layers'][-1]['digest']}").raise_for_status()
    destroy(builder)


def must_fail(
    releases: Releases, folder: Path, words: list[str], *, within: float, of: str = "command"
) -> None:
    """`up` fails in time and says why, nobody notices, and the next good `up` repairs it.

    Args:
        folder: for the engine's event log.
        words: what the error must contain.
        within: seconds until the command has ended.
        of: what they run from: the `command`, with the image's build, or the `rollout`.
    """
    stack, log = releases.stack, folder / "events"
    running, started = version(stack), time.time()
    with load(stack) as seen:
        with pytest.raises(PulumiError) as failed:
            stack.pulumi.run("up", "--yes", "--skip-preview", "--suppress-progress", events=log)
        ended = time.time()
        assert version(stack) == running
        stack.configure(releases.usual)
        releases.up()
    took = ended - (started if of == "command" else rollout_began(log))
    print(f"{failed.value}\nfailed {took:.1f} s after the {of} began; until repaired: ", end="")
    seen.check()
    for word in words:
        assert word in str(failed.value)
    assert "Traceback" not in str(failed.value)
    # The promise is for a machine that is not overloaded; the load generator runs on this one as well.
    assert took < within * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def rollout_began(log: Path) -> int:
    """When the engine began to create or update the Rollout, in seconds since the epoch."""
    for event in map(json.loads, log.read_text().splitlines()):
        if event.get("resourcePreEvent", {}).get("metadata", {}).get("urn", "").endswith("::antgent-rollout"):
            return event["timestamp"]
    raise AssertionError("there was no rollout")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_bad_release_whose_up_was_ended_is_repaired_by_the_next(
    releases: Releases, how: signal.Signals
) -> None:
    """A cancelled wait must not hide the broken rollout from the next `up`."""
    stack = releases.stack
    # After a SIGINT the engine lets the wait that is under way end, at its deadline.
    releases.service(rollout={"deadline": 30})
    releases.ask_for("never-ready")
    with load(stack) as seen:
        running = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
            cwd=stack.folder, env=stack.env, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            if "server: 0 of 2 ready" in line:
                os.killpg(running.pid, how)
                break
        try:
            output = running.communicate(timeout=120)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        assert running.returncode != 0, output
        stack.configure(releases.usual)
        releases.up()
    seen.check()
    assert deployment(stack, "server")["status"]["updatedReplicas"] == 2
    assert stack.pulumi.up().changes.total == 0
