"""The Kubernetes runtime through the real engine, on a real cluster, under real load."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sandbox.packages import Package, ensure_packages
from sandbox.process import wait_until
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack

MakeStack = Callable[..., Stack]
RATE = 240
CLIENTS = 8


@pytest.fixture(scope="module", autouse=True)
def load_tool() -> None:
    """An independent load generator, from Debian's packages."""
    ensure_packages([Package("hey", "hey", "sends the load that a rollout must not drop")])


def kubectl(stack: Stack, *words: str) -> Any:
    """Ask the cluster itself; JSON where the words ask for it."""
    namespace = stack.config["service"]["kubernetes"]["namespace"]
    done = subprocess.run(
        ["kubectl", "--namespace", namespace, *words],
        env=stack.env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(done.stdout) if "json" in words else done.stdout


def address(stack: Stack) -> str:
    """The Service's address; this machine is the node, so kube-proxy serves it here as well."""
    return f"http://{kubectl(stack, 'get', 'service', 'antgent', '-o', 'json')['spec']['clusterIP']}"


def version(stack: Stack) -> str:
    """The version that answers through the Service."""
    return httpx.get(f"{address(stack)}/version", timeout=5).json()["version"]


@dataclass
class Load:
    """What a load tool counted."""

    answered: int = 0
    failed: int = 0
    said: list[str] = field(default_factory=list)


@contextlib.contextmanager
def load(stack: Stack) -> Iterator[Load]:
    """New connections at a constant rate through the Service, until the block ends."""
    seen, done = Load(), threading.Event()
    url = f"{address(stack)}/version"
    assert wait_until(lambda: _reachable(url), seconds=10), "the Service does not answer before the load"
    command = [
        "hey",
        "-z",
        "2s",
        "-c",
        str(CLIENTS),
        "-q",
        str(RATE // CLIENTS),
        "-disable-keepalive",
        "-o",
        "csv",
        url,
    ]

    def send() -> None:
        while not done.is_set():
            _count(subprocess.run(command, capture_output=True, text=True, timeout=30).stdout, seen)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield seen
    finally:
        done.set()
        sender.join()


def _count(table: str, seen: Load) -> None:
    for row in csv.DictReader(io.StringIO(table)):
        if row["status-code"] == "200":
            seen.answered += 1
        else:
            seen.failed += 1
            seen.said.append(str(row))


def _reachable(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=1).status_code == 200
    return False


def test_the_release_answers_through_its_service(kubernetes_stack: MakeStack) -> None:
    """Promises 1 and 3 on this runtime: one digest, in both Deployments and in the pods."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    assert wait_until(lambda: _reachable(f"{address(stack)}/version"), seconds=10)
    assert version(stack) == "1.0.0"
    pods = kubectl(stack, "get", "pods", "-o", "json")["items"]
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert len(pods) == 2
    assert len(images) == 1
    assert "@sha256:" in images.pop()


def test_a_second_up_changes_nothing(kubernetes_stack: MakeStack) -> None:
    """Promise 10, with a refresh as well."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    assert stack.pulumi.up().changes.total == 0
    assert stack.pulumi.up("--refresh").changes.total == 0


def test_no_request_fails_while_a_release_rolls_out(kubernetes_stack: MakeStack) -> None:
    """Promise 5: a release, a changed setting and a scale-up, under constant load."""
    stack = kubernetes_stack(replicas=4)
    stack.pulumi.up()
    with load(stack) as seen:
        stack.build("good", "v1.1.0")
        stack.pulumi.up()
        service = stack.config["service"]
        stack.change(service=service | {"environment": {"ANTGENT_APP__NAME": "changed"}})
        stack.pulumi.up()
        stack.scale(5)
        stack.pulumi.up()
    assert seen.failed == 0, seen.said[:5]
    assert seen.answered > 500
    assert version(stack) == "1.1.0"


BAD = [
    pytest.param(
        "crash", ["CrashLoopBackOff", "exit code 3", "the database password is missing"], id="crash"
    ),
    pytest.param("never-ready", ["0 of 2 ready", "mode never-ready"], id="never-ready"),
]


@pytest.mark.parametrize(("mode", "words"), BAD)
def test_a_bad_release_fails_while_the_previous_one_serves(
    kubernetes_stack: MakeStack, mode: str, words: list[str]
) -> None:
    """Promise 4: the reason, the exit code and the log line; not one failed request; repaired after."""
    stack = kubernetes_stack(replicas=2)
    stack.change(service=stack.config["service"] | {"rollout": {"deadline": 12}})
    stack.pulumi.up()
    with load(stack) as seen:
        stack.build(mode, "v1.1.0")
        with pytest.raises(PulumiError) as failed:
            stack.pulumi.up()
    for word in words:
        assert word in str(failed.value)
    assert seen.failed == 0, seen.said[:5]
    stack.build("good", "v1.2.0")
    stack.pulumi.up()
    assert version(stack) == "1.2.0"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_bad_release_whose_up_was_ended_is_repaired_by_the_next(
    kubernetes_stack: MakeStack, how: signal.Signals
) -> None:
    """A cancelled wait must not hide the broken rollout from the next `up`."""
    stack = kubernetes_stack(replicas=2)
    stack.pulumi.up()
    stack.build("never-ready", "v1.1.0")
    running = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
        cwd=stack.folder, env=stack.env, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in running.stdout:
        if "of 2 ready" in line:
            os.killpg(running.pid, how)
            break
    output = running.communicate(timeout=60)[0]
    assert running.returncode != 0, output
    stack.build("good", "v1.2.0")
    stack.pulumi.up()
    assert version(stack) == "1.2.0"


def test_what_a_hand_changed_is_named_and_put_back(kubernetes_stack: MakeStack) -> None:
    """Drift: scaled, edited and deleted by hand."""
    stack = kubernetes_stack(replicas=2)
    stack.pulumi.up()
    server = kubectl(
        stack, "get", "deployments", "-l", "app.kubernetes.io/component=server", "-o", "name"
    ).strip()
    kubectl(stack, "scale", server, "--replicas=1")
    kubectl(stack, "delete", "poddisruptionbudgets", "--all")
    drift = stack.pulumi.preview("--refresh", "--diff")
    assert "replicas" in drift.output
    assert "PodDisruptionBudget" in drift.output
    stack.pulumi.up("--refresh")
    assert kubectl(stack, "get", server, "-o", "json")["spec"]["replicas"] == 2
    assert len(kubectl(stack, "get", "poddisruptionbudgets", "-o", "json")["items"]) == 1


def test_destroy_leaves_no_object(kubernetes_stack: MakeStack) -> None:
    """The namespace goes, with all that is in it."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    stack.pulumi.destroy()
    namespaces = kubectl(stack, "get", "namespaces", "-o", "json")["items"]
    mine = stack.config["service"]["kubernetes"]["namespace"]
    assert mine not in [one["metadata"]["name"] for one in namespaces]
