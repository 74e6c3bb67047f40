"""The Kubernetes runtime with every option on, in a namespace that somebody else owns."""

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.assembly import Sandbox
from sandbox.process import wait_until
from tests.conftest import Stack, app_config, destroy
from tests.engine.kubernetes_load import deployment, kubectl, load, namespace

CHECKOV = "checkov==3.3.30"
TOKEN = "token-that-must-stay-secret"
LOGIN = "password-of-the-registry-that-must-stay-secret"
SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""The key by which the engine's JSON tells a secret from other objects."""
EXCEPTIONS = Path(__file__).parent / "kubernetes_exceptions.yaml"
OPTIONS = {
    "createNamespace": False,
    "ingress": {"host": "app.example.com", "className": "nginx", "tls": {"issuer": "letsencrypt"}},
    "networkPolicy": {"ingressNamespaces": ["ingress"], "monitoringNamespaces": ["monitoring"]},
    "podDisruptionBudget": True,
    "monitoring": "annotations",
    "topologySpread": "preferred",
    "serviceAccountAnnotations": {"example.com/role": "reader"},
}
KINDS = {
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
}
"""Left out: PodMonitor and HTTPRoute, whose definitions the sandbox's cluster does not have."""
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


@pytest.fixture(scope="module")
def stack(
    kubernetes_sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with all options, running in a restricted namespace that is not its own."""
    mark = f"options-{uuid.uuid4().hex[:8]}"
    config = app_config(app_context, mark, "good", "v1.0.0")
    config["registry"] |= {"username": "puller"}
    autoscaling = {"min": 2, "max": 4, "cpuPercent": 10}
    config["service"] |= {"runtime": "kubernetes", "kubernetes": OPTIONS | {"namespace": mark}}
    config["service"]["server"] |= {"autoscaling": autoscaling}
    made = Stack(tmp_path_factory.mktemp("project"), kubernetes_sandbox.env, config)
    kubectl(made, "apply", "-f", "-", text=restricted(mark))
    try:
        keep_secrets(made)
        made.pulumi.up()
        yield made
    finally:
        destroy(made)
        kubectl(made, "delete", "namespace", mark)


def keep_secrets(stack: Stack) -> None:
    """Add the token and the registry's password to the config, as `pulumi config set --secret` encrypts them."""
    for key, value in (("secrets.ANTGENT_SERVER__TOKEN", TOKEN), ("registry.password", LOGIN)):
        stack.pulumi.config_set(f"antgent:{key}", value, secret=True, path=True)
    config = yaml.safe_load(stack.file.read_text())["config"]
    stack.change(secrets=config["antgent:secrets"], registry=config["antgent:registry"])


def restricted(name: str) -> str:
    """A namespace that enforces the strictest Pod Security, and warns by it."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def manifests(stack: Stack) -> list[dict[str, Any]]:
    """Every object of the stack, as the program asked for it."""
    state = json.loads(stack.pulumi.run("stack", "export", "--show-secrets").output)
    resources = state["deployment"]["resources"]
    return [plain(one["inputs"]) for one in resources if one["type"].startswith("kubernetes:")]


def plain(value: Any) -> Any:
    """A value of the state without the engine's wrapping of secrets."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if SECRET_MARK in value:
        return plain(json.loads(value["plaintext"]))
    return {key: plain(one) for key, one in value.items() if not key.startswith("__")}


def pods_of(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pods that the Deployments among the objects would make."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": one["spec"]["template"]["metadata"]
            | {"name": one["metadata"]["name"], "namespace": one["metadata"]["namespace"]},
            "spec": one["spec"]["template"]["spec"],
        }
        for one in objects
        if one["kind"] == "Deployment"
    ]


def test_the_api_server_takes_every_object_and_warns_of_none(stack: Stack) -> None:
    """Unknown fields, deprecated versions and what Pod Security "restricted" forbids would show here.

    Pods are sent as well, because Pod Security only warns of a Deployment that it will not let start.
    """
    objects = [one for one in manifests(stack) if "kind" in one]
    assert {one["kind"] for one in objects} == KINDS
    sent = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects + pods_of(objects)})
    said = kubectl(
        stack, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict",
        "-f", "-", text=sent,
    )  # fmt: skip
    assert len(said.splitlines()) == len(objects) + 2
    assert "warning" not in said.lower()


def test_the_api_server_would_refuse_a_pod_that_is_not_restricted(stack: Stack) -> None:
    """The check above can fail: a pod that asks for more than it may have is refused."""
    pod = pods_of(manifests(stack))[0]
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    done = subprocess.run(
        ["kubectl", "create", "--dry-run=server", "-f", "-"],
        env=stack.env, input=json.dumps(pod), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def test_checkov_finds_nothing_but_named_exceptions(stack: Stack, tmp_path: Path) -> None:
    """A linter's view of the same objects; what it finds and we keep has its reason in a file."""
    exceptions = yaml.safe_load(EXCEPTIONS.read_text())
    assert all(len(reason.split()) >= 5 for reason in exceptions.values())
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(manifests(stack)))
    found = checkov(tmp_path / "objects.yaml")
    assert {one["check_id"] for one in found} == exceptions.keys(), [
        (one["check_id"], one["check_name"], one["resource"]) for one in found
    ]


def checkov(file: Path) -> list[dict[str, Any]]:
    """The checks that fail, found by a checkov in an environment of its own (it brings 190 MB)."""
    tool = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [str(tool), "tool", "run", "--quiet", CHECKOV, "--file", str(file), "--framework", "kubernetes",
         "--output", "json", "--quiet", "--compact", "--soft-fail", "--skip-download"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert answer["summary"]["passed"] > 100, "checkov has looked at the objects"
    return answer["results"]["failed_checks"]


def test_a_secret_is_in_the_cluster_and_nowhere_else(stack: Stack) -> None:
    """Promise 6: not in the state, not in the stack's file, not in an output."""
    found = kubectl(stack, "get", "secrets", "-o", "json")["items"]
    secrets = {key: value for one in found for key, value in one["data"].items()}
    assert secrets.keys() == {"ANTGENT_SERVER__TOKEN", ".dockerconfigjson"}
    state = Path(stack.env["PULUMI_BACKEND_URL"].removeprefix("file://"))
    files = [path for path in (*state.rglob("*"), *stack.folder.rglob("*")) if path.is_file()]
    assert len(files) > 3
    for text in (TOKEN, LOGIN, *secrets.values()):
        assert [str(path) for path in files if text.encode() in path.read_bytes()] == []
        assert text not in json.dumps(stack.pulumi.outputs(show_secrets=True))


def test_pods_pull_with_the_login_of_the_registry(stack: Stack) -> None:
    """The stack's registry has one; nobody has to make a Secret by hand."""
    (pull,) = [
        one
        for one in kubectl(stack, "get", "secrets", "-o", "json")["items"]
        if one["type"] == "kubernetes.io/dockerconfigjson"
    ]
    login = json.loads(base64.b64decode(pull["data"][".dockerconfigjson"]))
    assert login["auths"] == {stack.env["SANDBOX_REGISTRY"]: {"password": LOGIN, "username": "puller"}}
    pods = kubectl(stack, "get", "pods", "-o", "json")["items"]
    assert pods
    for pod in pods:
        assert pod["spec"]["imagePullSecrets"] == [{"name": pull["metadata"]["name"]}]


def test_a_release_keeps_the_number_that_the_autoscaler_chose(stack: Stack) -> None:
    """It scales for real; setting the number back in the middle of the day would be an outage."""
    with load(stack) as seen:
        assert wait_until(lambda: deployment(stack, "server")["spec"]["replicas"] > 2, seconds=120, every=1)
        stack.build("good", "v1.1.0")
        scaled = deployment(stack, "server")["spec"]["replicas"]
        assert stack.pulumi.up().changes.total > 0
        assert deployment(stack, "server")["spec"]["replicas"] >= scaled
    seen.check()
    assert stack.pulumi.up().changes.total == 0
    assert stack.pulumi.up("--refresh").changes.total == 0


def test_destroy_leaves_nothing_in_a_namespace_of_somebody_else(stack: Stack) -> None:
    """Of any kind that the cluster knows; the namespace and what Kubernetes puts into it stay."""
    assert left(stack) - OF_EVERY_NAMESPACE
    stack.pulumi.destroy()
    assert wait_until(lambda: left(stack) == OF_EVERY_NAMESPACE, seconds=30), left(stack)
    assert kubectl(stack, "get", "namespace", namespace(stack), "-o", "json")["status"]["phase"] == "Active"


def left(stack: Stack) -> set[str]:
    """Every object of the namespace, of every kind; events are a record and end by themselves."""
    kinds = kubectl(stack, "api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    listed = [kind for kind in kinds if not kind.startswith(("events", "pods.metrics"))]
    found = kubectl(stack, "get", ",".join(listed), "-o", "name", "--ignore-not-found")
    # A warning has spaces, a name has none.
    return {line for line in found.splitlines() if "/" in line and " " not in line}
