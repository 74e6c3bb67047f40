"""The Kubernetes runtime through the real engine, on a real cluster: what a stack is, and what it stays."""

from collections.abc import Callable

import httpx

from sandbox import local_stack
from sandbox.assembly import Sandbox
from sandbox.process import wait_until
from tests.conftest import Stack
from tests.engine.kubernetes_load import address, answers, deployment, kubectl, namespace, version

MakeStack = Callable[..., Stack]


def test_the_release_answers_through_its_service(kubernetes_stack: MakeStack) -> None:
    """Promises 1, 3 and 10 on this runtime: one digest everywhere, and a second `up` changes nothing."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    assert wait_until(lambda: answers(f"{address(stack)}/version"), seconds=10)
    assert version(stack) == "1.0.0"
    pods = kubectl(stack, "get", "pods", "-o", "json")["items"]
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert len(pods) == 2
    assert len(images) == 1
    assert "@sha256:" in images.pop()
    assert stack.pulumi.up().changes.total == 0
    assert stack.pulumi.up("--refresh").changes.total == 0


def test_the_url_that_make_prints_answers_on_this_machine(
    kubernetes_sandbox: Sandbox, kubernetes_stack: MakeStack
) -> None:
    """The stack's own URL is a name of the cluster, which this machine cannot resolve."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    assert stack.url == f"http://antgent.{namespace(stack)}.svc.cluster.local"
    printed = local_stack.reachable(kubernetes_sandbox, stack.pulumi, stack.url)
    assert wait_until(lambda: answers(f"{printed}/version"), seconds=10)
    assert httpx.get(f"{printed}/version", timeout=5).json()["version"] == "1.0.0"


def test_what_a_hand_changed_is_named_and_put_back(kubernetes_stack: MakeStack) -> None:
    """Drift: scaled, edited in the pods and beside them, and deleted by hand."""
    stack = kubernetes_stack(replicas=2)
    stack.pulumi.up()
    asked = deployment(stack, "server")["spec"]
    server = f"deployment/{deployment(stack, 'server')['metadata']['name']}"
    kubectl(stack, "scale", server, "--replicas=1")
    kubectl(stack, "set", "image", server, "server=127.0.0.1:1/hotfix:1")
    kubectl(stack, "label", "--overwrite", "service/antgent", "app.kubernetes.io/version=mine")
    kubectl(stack, "delete", "poddisruptionbudgets", "--all")
    drift = stack.pulumi.preview("--refresh", "--diff").output
    for named in ("replicas", "hotfix:1", "app.kubernetes.io/version", "PodDisruptionBudget"):
        assert named in drift
    assert stack.pulumi.up("--refresh").changes.total > 0
    repaired = deployment(stack, "server")
    assert repaired["spec"] == asked
    assert repaired["status"]["readyReplicas"] == 2
    assert len(kubectl(stack, "get", "poddisruptionbudgets", "-o", "json")["items"]) == 1
    labels = kubectl(stack, "get", "service", "antgent", "-o", "json")["metadata"]["labels"]
    assert labels["app.kubernetes.io/version"] == "v1.0.0"
    assert stack.pulumi.preview("--refresh", "--expect-no-changes").changes.total == 0


def test_a_deleted_workload_comes_back(kubernetes_stack: MakeStack) -> None:
    """The worst of the hand's mistakes: the server's Deployment and its Service."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    server = deployment(stack, "server")["metadata"]["name"]
    kubectl(stack, "delete", f"deployment/{server}", "service/antgent", "--wait=true")
    drift = stack.pulumi.preview("--refresh", "--diff").output
    assert server in drift
    assert "Service" in drift
    stack.pulumi.up("--refresh")
    assert wait_until(lambda: answers(f"{address(stack)}/version"), seconds=10)
    assert stack.pulumi.up("--refresh").changes.total == 0


def test_destroy_leaves_no_object(kubernetes_stack: MakeStack) -> None:
    """The namespace goes, with all that is in it."""
    stack = kubernetes_stack()
    stack.pulumi.up()
    stack.pulumi.destroy()
    namespaces = kubectl(stack, "get", "namespaces", "-o", "json")["items"]
    assert namespace(stack) not in [one["metadata"]["name"] for one in namespaces]
