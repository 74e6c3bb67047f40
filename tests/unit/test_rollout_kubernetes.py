"""What of a waiting container is a verdict, asked of an API server that answers what a test wrote down.

Everything that a real cluster can be made to do is in `tests/engine/test_kubernetes_rollouts.py`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.rollout import Observation
from components.rollout_kubernetes import KubernetesObserver
from tests.answering_server import Answer, Server

LABELS = {"app": "server"}
REVISION = {"deployment.kubernetes.io/revision": "1"}
IMAGE = "registry.example.com/app@sha256:" + "1" * 64
CONTAINER = {"name": "app", "image": IMAGE}
DEPLOYMENT = {
    "metadata": {"name": "server", "annotations": REVISION},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}},
    },
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
}
REPLICA_SET = {
    "metadata": {"name": "server-1", "labels": {"pod-template-hash": "1"}, "annotations": REVISION},
    "spec": {"selector": {"matchLabels": LABELS}},
}


def pod(reason: str, message: str) -> dict[str, Any]:
    """A pod whose container waits."""
    status = {
        "name": "app", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}}, "lastState": {},
    }  # fmt: skip
    return {
        "metadata": {"name": "server-1-a", "uid": "1", "labels": {**LABELS, "pod-template-hash": "1"}},
        "spec": {"containers": [CONTAINER]},
        "status": {"phase": "Pending", "containerStatuses": [status]},
    }


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Callable[[str, str], Observation]]:
    """What the observer makes of a container that waits for a reason, with a message."""
    server = Server()
    answers: dict[str, Any] = {"events": [], "replicasets": [REPLICA_SET]}

    def answer(_: int) -> Answer:
        kind = server.asked[-1][0].partition("?")[0].rpartition("/")[2]
        return 200, json.dumps({"items": answers[kind]} if kind in answers else DEPLOYMENT)

    server.answer = answer
    file = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": server.url}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    users = [{"name": "c", "user": {}}]
    file.write_text(
        yaml.safe_dump({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"})
    )

    def look(reason: str, message: str) -> Observation:
        answers["pods"] = [pod(reason, message)]
        wanted = {"server": {"name": "server", "generation": 1}}
        return KubernetesObserver(
            namespace="default", image=IMAGE, deployments=wanted, kubeconfig=str(file)
        ).observe()

    try:
        yield look
    finally:
        server.close()


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerConfigError", "failed to sync configmap cache: timed out waiting for the condition"),
        ("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"),
        ("RunContainerError", "context deadline exceeded"),
        ("ErrImagePull", "dial tcp: connection refused"),
        ("ContainerCreating", ""),
    ],
)
def test_what_a_slow_node_says_is_no_verdict(
    seen: Callable[[str, str], Observation], reason: str, message: str
) -> None:
    """The kubelet tries these again by itself, so that failing a good release for them would be wrong."""
    assert seen(reason, message).state == "waiting"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerConfigError", 'configmap "server" not found'),
        ("CreateContainerConfigError", ""),
        ("RunContainerError", "exec: no such file or directory"),
        ("CrashLoopBackOff", "back-off 10s restarting failed container"),
        ("ImagePullBackOff", "Back-off pulling image: context deadline exceeded"),
    ],
)
def test_what_no_time_heals_is_one(
    seen: Callable[[str, str], Observation], reason: str, message: str
) -> None:
    """The same reasons with another cause fail at once, and say it."""
    found = seen(reason, message)
    assert found.state == "failed"
    assert reason in found.summary
    assert f"{reason}: {message or 'no message'}" in found.told()
