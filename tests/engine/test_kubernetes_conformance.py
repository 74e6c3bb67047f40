"""The Kubernetes stand-in answers as the official plugin did, call by call, on a real cluster.

`recordings/kubernetes` holds what the official plugin (4.34.2) answered; README.md there says how it
was made. Each step is one `pulumi` command; the steps of a series build on each other.

The wire form of every answer is compared field by field, except what `EXCEPTIONS` names.
Set ANTGENT_TEST_KUBECONFIG and ANTGENT_TEST_BUSYBOX (an image with /bin/busybox) to use a cluster
that is already there.
"""

import copy
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.providers.kubernetes_api import Client
from sandbox.providers.kubernetes_config import load
from tests.engine.docker_replay import busybox
from tests.engine.kubernetes_replay import (
    Answer,
    Replay,
    differences,
    engine_side,
    kubeconfig_for,
    recording,
    until,
)

RECORDED_IMAGE, RECORDED_ABSENT = "docker.io/local/bb:1", "127.0.0.1:5001/absent"
FIRST = (
    "01-preview", "02-create", "03-noop", "04-change-preview", "05-change", "06-crash", "06-no-image",
    "07-repair", "08-drift-preview", "09-drift-repair", "10-lookup", "11-destroy",
)  # fmt: skip
SECOND = (
    "20-skip-create", "21-skip-crash", "21-skip-never-ready", "21-skip-no-image", "22-skip-repair",
    "23-drift-preview", "24-drift-repair", "25-custom-timeout-crash", "26-repair", "27-destroy",
)  # fmt: skip

# What may differ, and why: a pattern for `Method Kind path`.
EXCEPTIONS = {
    r"\.(uid|resourceVersion|creationTimestamp|.*controller-uid)": "made up by the server each time",
    r"\.(\w*Time|time)\b": "when it happened",
    r"Service .*\.clusterIPs?": "the server's choice",
    r"\.status\.conditions.*\.message": "names a ReplicaSet, whose name is a hash of this run's names",
    r"Deployment \.inputs\.spec\.minReadySeconds": "Go drops a zero here; the server does it for us",
    r"Deployment .*__inputs\.spec\.minReadySeconds": "the same",
    r"HorizontalPodAutoscaler .*\.(status|managedFields)": "says how far its controller has got",
    r"PodDisruptionBudget .*\.(status|managedFields)": "says how far its controller has got",
}
# With skipAwait nothing is waited for, so an answer catches the controllers wherever they are.
NOT_AWAITED = {
    r"Deployment .*\.(status|managedFields|generation)\b": "how far the controllers have got",
    r"Deployment .*deployment\.kubernetes\.io/revision": "the same",
}
# A rollout between 09 and 10 was not recorded.
UNRECORDED = {
    "10-lookup": {
        r"Deployment .*\.(generation|observedGeneration)": "one rollout less happened here",
        r"Deployment .*deployment\.kubernetes\.io/revision": "the same",
    }
}


@pytest.fixture(scope="module")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """A real cluster's."""
    return kubeconfig_for(request)


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pushed image with /bin/busybox in it, which is what the recorded program runs."""
    if given := os.environ.get("ANTGENT_TEST_BUSYBOX"):
        return given
    folder = tmp_path_factory.mktemp("busybox")
    shutil.copy(busybox(), folder / "busybox")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY busybox /bin/busybox\n")
    name = f"{request.getfixturevalue('registry_address')}/recorded-busybox"
    client = docker.DockerClient(request.getfixturevalue("docker_host"))
    client.images.build(path=str(folder), tag=f"{name}:1")
    pushed = list(client.images.push(name, tag="1", stream=True, decode=True))
    client.images.remove(f"{name}:1")
    assert not [line for line in pushed if "error" in line], pushed
    return f"{name}:1"


@pytest.fixture(scope="module")
def replay(kubeconfig: Path, image: str) -> Iterator[Replay]:
    """An engine's side, talking to a stand-in of its own."""
    absent = image.partition("/")[0] + "/absent"
    with engine_side(kubeconfig, {RECORDED_IMAGE: image, RECORDED_ABSENT: absent}) as replay:
        yield replay


@pytest.fixture(scope="module")
def hand(kubeconfig: Path, replay: Replay) -> Iterator["Hand"]:
    """A person with kubectl; takes the namespaces away in the end."""
    person = Hand(Client(load(str(kubeconfig))), replay)
    yield person
    for namespace in person.namespaces:
        person.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


class Hand:
    """What was done by hand, or by an interrupted engine, between and during the recorded steps."""

    def __init__(self, client: Client, replay: Replay) -> None:
        self._client, self._replay = client, replay
        self.namespaces: set[str] = set()

    def object(self, kind: str) -> dict[str, Any]:
        """The live object of the one resource of a kind."""
        states = [one for urn, known in self._replay.states.items() if f":{kind}::" in urn for one in known]
        outputs = states[-1].outputs
        return self._client.get({key: outputs[key] for key in ("apiVersion", "kind", "metadata")})

    def delete(self, obj: dict[str, Any]) -> None:
        if self._client.find(obj):
            self._client.delete(obj, "Background")

    def scale(self, replicas: int, manager: str) -> None:
        """As `kubectl scale` does it, under the name of `manager`."""
        path = self._client.path(self.object("Deployment")) + "/scale"
        body = {"spec": {"replicas": replicas}}
        self._client.request("PATCH", path, {"fieldManager": manager}, body, "application/merge-patch+json")

    def rolled_out(self, replicas: int) -> bool:
        """Whether the Deployment has settled on this many pods of its newest revision."""
        live = self.object("Deployment")
        status = live.get("status") or {}
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        return status.get("observedGeneration") == live["metadata"]["generation"] and counts == [replicas] * 3

    def image_cannot_be_pulled(self) -> bool:
        """Whether a pod already says so."""
        namespace = self.object("Deployment")["metadata"]["namespace"]
        pods = self._client.select("v1", "Pod", namespace)
        states = [
            one.get("state", {}) for pod in pods for one in pod["status"].get("containerStatuses") or []
        ]
        return any(state.get("waiting", {}).get("reason") == "ImagePullBackOff" for state in states)


def _drift(hand: Hand) -> None:
    hand.delete(hand.object("PodDisruptionBudget"))
    hand.scale(1, "kubectl")


def _settled_drift(hand: Hand) -> None:
    until(lambda: hand.rolled_out(2))
    _drift(hand)
    until(lambda: hand.rolled_out(1))


# What happened just before a step.
BEFORE: dict[str, Callable[[Hand], None]] = {
    "08-drift-preview": _drift,
    # The autoscaler had undone the scaling by then.
    "10-lookup": lambda hand: hand.scale(2, "kube-controller-manager"),
    "23-drift-preview": _settled_drift,
}
# When a wait was cancelled: method, kind, and what the world looked like.
CANCELLED: dict[str, tuple[str, str, Callable[[Hand], bool]]] = {
    "06-crash": (
        "Update",
        "Deployment",
        lambda hand: hand.object("Deployment")["metadata"]["generation"] > 2,
    ),
    "06-no-image": ("Update", "Deployment", Hand.image_cannot_be_pulled),
    "09-drift-repair": ("Update", "Service", lambda hand: bool(hand.object("Service"))),
}
REASONS = {
    ("25-custom-timeout-crash", "Update", "Deployment"): (
        r"timed out waiting to be Ready",
        r"\[ProgressDeadlineExceeded\] ReplicaSet \".*\" has timed out progressing",
        r"Minimum number of Pods to consider the application live was not attained",
        r"\[Pod .*\]: containers with unready status: \[server\]\[CrashLoopBackOff\] .*\n"
        r"container \"server\" terminated at .* \(Error: exit code 3\)",
    ),
    ("08-drift-preview", "Read", "Deployment"): (
        r"created but failed to initialize",
        r"Minimum number of Pods to consider the application live was not attained",
        r"\[Pod .*\]: containers with unready status: \[server\]\[(ImagePullBackOff|ErrImagePull)\] ",
    ),
    ("08-drift-preview", "Read", "Service"): (r"created but failed to initialize",),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", FIRST + SECOND)
def test_the_stand_in_answers_as_the_official_plugin_did(step: str, replay: Replay, hand: Hand) -> None:
    """Protects that one program has the same plans, objects and state on the plugin and on the stand-in."""
    if step in BEFORE:
        BEFORE[step](hand)
    before = copy.deepcopy(replay.states)
    wrong = []
    for call in recording(step):
        wrong += _compared(step, call, replay, hand)
    if step.endswith("preview"):
        replay.states = before
    assert not wrong, "\n".join(wrong)


def _compared(step: str, call: dict[str, Any], replay: Replay, hand: Hand) -> list[str]:
    kind = (
        call["request"].get("urn", "").split("::")[-2:-1][0].rpartition(":")[2]
        if "urn" in call["request"]
        else ""
    )
    method, who, when = CANCELLED.get(step, ("", "", lambda _: True))
    is_cancelled = (call["method"], kind) == (method, who)
    answer = replay.call(call, cancel_when=(lambda: when(hand)) if is_cancelled else None)
    replay.learn(call, answer)
    if kind == "Namespace" and answer.response and answer.response.get("id"):
        hand.namespaces.add(answer.response["id"])
    if "error" in call or answer.error:
        return _compared_errors(step, kind, call, answer, replay)
    found = differences(replay.said_here(call.get("response", {})), answer.response)
    is_awaited = "skipAwait" not in str(call) and not step.endswith("preview")
    allowed = EXCEPTIONS | ({} if is_awaited else NOT_AWAITED) | UNRECORDED.get(step, {})
    where = f"{call['method']} {kind} "
    return [
        where + one
        for one in found
        if not any(re.search(each, where + one.partition(": ")[0]) for each in allowed)
    ]


def _compared_errors(step: str, kind: str, call: dict[str, Any], answer: Answer, replay: Replay) -> list[str]:
    recorded = re.sub(
        r"^rpc error: code = (\w+) desc = ", lambda code: f"{code[1].upper()}: ", call.get("error", "")
    )
    expected = replay.said_here(recorded).replace("CANCELED:", "CANCELLED:")
    wrong = [] if expected == answer.error else [f"{call['method']} {kind}: {expected!r} -> {answer.error!r}"]
    patterns = REASONS.get((step, call["method"], kind), ())
    missing = [one for one in patterns if not any(re.search(one, reason) for reason in answer.reasons)]
    return wrong + [f"{call['method']} {kind}: no reason like {one!r} in {answer.reasons}" for one in missing]
