"""What tests of the Kubernetes runtime share: the cluster asked directly, and load on the Service."""

import contextlib
import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.packages import Package, command, ensure_packages
from sandbox.process import wait_until
from tests.conftest import Stack

HEY = Package("hey", "hey", "sends the load that a rollout must not drop")
CLIENTS, EACH = 30, 10
"""How many clients send, and how many requests a second each of them."""
LEAST = 200
"""Requests a second below which the load proves nothing."""


@dataclass(frozen=True)
class Report:
    """What the load tool counted.

    Args:
        seconds: how long it sent.
        answered: requests answered with 200.
        failed: every other outcome by its name: another status, a refused or a reset connection.
        slowest: seconds of the slowest answer.
    """

    seconds: float
    answered: int
    failed: dict[str, int]
    slowest: float

    @classmethod
    def read(cls, text: str) -> "Report":
        """Read the tool's summary. (Its CSV leaves out requests that were not answered at all.)"""
        statuses, _, errors = text.partition("Status code distribution:")[2].partition("Error distribution:")
        by_status = {
            status: int(count) for status, count in re.findall(r"\[(\d+)\]\t(\d+) responses", statuses)
        }
        by_error = {error: int(count) for count, error in re.findall(r"\[(\d+)\]\t(.+)", errors)}
        answered = by_status.pop("200", 0)
        return cls(_number(text, "Total"), answered, by_status | by_error, _number(text, "Slowest"))

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds

    def __str__(self) -> str:
        failed = sum(self.failed.values())
        return (
            f"{self.seconds:.1f} s, {self.answered} answered ({self.rate:.0f}/s), {failed} failed, "
            f"slowest {self.slowest:.2f} s"
        )


class Load:
    """Load that runs; `report` is there when it has ended."""

    report: Report

    def check(self) -> None:
        """Not one request failed, and there was load enough to tell."""
        print(self.report)
        assert not self.report.failed, self.report.failed
        assert self.report.rate >= LEAST, str(self.report)


@contextlib.contextmanager
def load(stack: Stack) -> Generator[Load]:
    """New connections at a constant rate through the Service, until the block ends.

    One run of one tool covers the whole block and the end of the last pod that is replaced, so that
    there is no moment in which a failure goes unseen.
    """
    with sending(f"{address(stack)}/version") as running:
        yield running
        assert wait_until(lambda: not _leaving(stack), seconds=30), "a replaced pod does not end"


@contextlib.contextmanager
def sending(url: str) -> Generator[Load]:
    """New connections to `url` at a constant rate, until the block ends; it must answer before."""
    ensure_packages([HEY])
    running = Load()
    assert wait_until(lambda: answers(url), seconds=15), f"{url} does not answer before the load"
    send = [
        command("hey"),
        "-z",
        "30m",
        "-c",
        str(CLIENTS),
        "-q",
        str(EACH),
        "-t",
        "5",
        "-disable-keepalive",
        url,
    ]
    with tempfile.TemporaryFile("w+") as said:
        sender = subprocess.Popen(send, stdout=said, stderr=subprocess.STDOUT, process_group=0)
        try:
            yield running
        finally:
            sender.send_signal(signal.SIGINT)
            sender.wait(30)
        said.seek(0)
        running.report = Report.read(said.read())


def kubectl(stack: Stack, *words: str, text: str | None = None) -> Any:
    """Ask the cluster itself, in the stack's namespace; parsed where the words ask for JSON."""
    done = subprocess.run(
        ["kubectl", "--namespace", namespace(stack), *words],
        env=stack.env, input=text, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
    return json.loads(done.stdout) if "json" in words else done.stdout + done.stderr


def namespace(stack: Stack) -> str:
    """Where the stack's objects are."""
    return stack.config["service"]["kubernetes"]["namespace"]


def deployment(stack: Stack, role: str) -> dict[str, Any]:
    """The Deployment of `server` or `worker`, whose name the engine chose."""
    chosen = f"app.kubernetes.io/component={role}"
    return kubectl(stack, "get", "deployments", "-l", chosen, "-o", "json")["items"][0]


def address(stack: Stack) -> str:
    """The Service's address; this machine is the node, so kube-proxy serves it here as well."""
    return f"http://{kubectl(stack, 'get', 'service', 'antgent', '-o', 'json')['spec']['clusterIP']}"


def version(stack: Stack) -> str:
    """The version that answers through the Service."""
    return httpx.get(f"{address(stack)}/version", timeout=5).json()["version"]


def answers(url: str) -> bool:
    """Whether the URL answers 200 now."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=1).status_code == 200
    return False


def _leaving(stack: Stack) -> list[str]:
    pods = kubectl(stack, "get", "pods", "-o", "json")["items"]
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]


def _number(text: str, name: str) -> float:
    found = re.search(rf"{name}:\s+([\d.]+) secs", text)
    assert found, f"the load tool reported nothing:\n{text}"
    return float(found[1])
