"""The sandbox's own cluster, for real: it runs pods, it survives a crash, and it leaves nothing behind."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import psutil
import pytest

from sandbox.assembly import Sandbox
from sandbox.cluster import Cluster, ensure_cluster, find_cluster, own, purge, status, stop_cluster
from sandbox.cluster.api import Api
from sandbox.cluster.layout import Layout
from sandbox.cluster.node import MASKED
from sandbox.paths import Home
from sandbox.process import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a node needs root")

WEB = """
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: IMAGE
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {memory: 96Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: AverageValue, averageValue: 5m}}}
"""


@pytest.fixture(scope="session")
def image(sandbox: Sandbox, app_context: Path) -> Iterator[str]:
    """The small app in the sandbox's registry, by digest."""
    client = docker.DockerClient(base_url=sandbox.env["DOCKER_HOST"])
    repository = f"{sandbox.env['SANDBOX_REGISTRY']}/cluster-test"
    built, _ = client.images.build(path=str(app_context), tag=f"{repository}:1")
    client.images.push(repository, tag="1")
    built.reload()
    yield next(one for one in built.attrs["RepoDigests"] if one.startswith(f"{repository}@"))
    client.images.remove(f"{repository}:1")
    client.close()


class Kubectl:
    """The cluster's own kubectl, in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        assert cluster.bin is not None
        self.namespace = namespace
        self.command = [
            str(cluster.bin / "kubectl"),
            "--kubeconfig",
            str(cluster.kubeconfig),
            "-n",
            namespace,
        ]

    def __call__(self, *args: str, text: str | None = None) -> str:
        done = subprocess.run([*self.command, *args], input=text, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}{done.stdout}"
        return done.stdout

    def deploy(self, image: str) -> None:
        self("apply", "-f", "-", text=WEB.replace("NAMESPACE", self.namespace).replace("IMAGE", image))
        self.rolled_out()
        assert wait_until(self.answer, seconds=30), "kube-proxy knows a new Service within seconds"

    def rolled_out(self) -> None:
        self("rollout", "status", "deployment/web", "--timeout=60s")

    def answer(self) -> bool:
        """Whether the Service answers this machine, at its cluster address."""
        address = self("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
        try:
            return httpx.get(f"http://{address}/", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def web(cluster: Cluster, image: str) -> Iterator[Kubectl]:
    """The small app with two replicas on the session's cluster."""
    kubectl = Kubectl(cluster, "cluster-test")
    kubectl.deploy(image)
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=true")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home for a cluster that the test itself starts and ends."""
    made = Home(tmp_path / "home")
    yield made
    purge(made)


def test_an_image_pulled_by_digest_answers_through_its_service(web: Kubectl) -> None:
    """The whole path: registry, containerd, pod network, kube-proxy, readiness."""
    assert web.answer()


def test_logs_and_exec_reach_a_pod(web: Kubectl) -> None:
    """`kubectl logs` is how a person sees why a release failed; it needs the kubelet's address."""
    assert "serving version" in web("logs", "deployment/web")
    web("exec", "deployment/web", "--", "/app", "worker-alive")


def test_a_pod_finds_services_by_name(web: Kubectl) -> None:
    """Names are how antgent finds what it needs, in every cluster."""
    web("exec", "deployment/web", "--", "/app", "healthcheck", "http://web/")
    full = f"http://web.{web.namespace}.svc.cluster.local/"
    web("exec", "deployment/web", "--", "/app", "healthcheck", full)


def test_a_pod_reaches_an_outside_service_by_name(
    web: Kubectl, cluster: Cluster, kubernetes_sandbox: Sandbox
) -> None:
    """Temporal runs on the host: pods find it as `temporal.default`. Here the registry stands for it."""
    registry = kubernetes_sandbox.env["SANDBOX_REGISTRY"]
    host = cluster.node_address.rpartition(".")[0] + ".1"
    port = registry.rpartition(":")[2]
    ensure_cluster(kubernetes_sandbox.home, registry, services={"outside": f"{host}:{port}"})
    url = f"http://outside.default:{port}/v2/"

    def reached() -> bool:
        line = [*web.command, "exec", "deployment/web", "--", "/app", "healthcheck", url]
        return subprocess.run(line, capture_output=True, timeout=30).returncode == 0

    assert wait_until(reached, seconds=20, every=0.5)


def test_the_autoscaler_acts_on_measured_load(web: Kubectl) -> None:
    """An autoscaler without metrics shows `<unknown>` for ever and nobody notices before production."""
    web("scale", "deployment/web", "--replicas=1")
    web("apply", "-f", "-", text=AUTOSCALER.replace("NAMESPACE", web.namespace))
    address = web("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")

    def scaled() -> bool:
        with httpx.Client(trust_env=False) as client:
            until = time.monotonic() + 2
            while time.monotonic() < until:
                with contextlib.suppress(httpx.HTTPError):  # load is what counts here, not answers
                    client.get(f"http://{address}/", timeout=2)
        seen = json.loads(web("get", "horizontalpodautoscaler", "web", "-o", "json"))["status"]
        return seen.get("desiredReplicas", 0) >= 2 and bool(seen.get("currentMetrics"))

    assert wait_until(scaled, seconds=120)


def test_a_second_start_changes_no_process(kubernetes_sandbox: Sandbox, cluster: Cluster) -> None:
    """`make up` again must be quick, and must not restart what pods depend on."""
    assert cluster.ours
    before = {row.part: row.pid for row in status(kubernetes_sandbox.home)}
    ensure_cluster(kubernetes_sandbox.home, kubernetes_sandbox.env["SANDBOX_REGISTRY"])
    assert {row.part: row.pid for row in status(kubernetes_sandbox.home)} == before


def test_pods_come_back_after_down_and_up(home: Home, sandbox: Sandbox, image: str) -> None:
    """`down` ends processes, not the work: what was deployed runs again, at the same addresses."""
    registry = sandbox.env["SANDBOX_REGISTRY"]
    kubectl = Kubectl(ensure_cluster(home, registry), "come-back")
    kubectl.deploy(image)
    address = kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert stop_cluster(home)
    assert find_cluster(home) is None
    ensure_cluster(home, registry)
    assert wait_until(kubectl.answer, seconds=60)
    assert kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}") == address


@pytest.mark.parametrize("victim", ["kubelet", "containerd", "kube-apiserver", "etcd", "node", "coredns"])
def test_the_next_start_repairs_what_was_killed(
    victim: str, kubernetes_sandbox: Sandbox, web: Kubectl
) -> None:
    """A laptop sleeps, a kernel runs out of memory: nobody should have to clean up by hand."""
    rows = {row.part: row for row in status(kubernetes_sandbox.home)}
    pid = rows[victim].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not psutil.pid_exists(pid) or _zombie(pid), seconds=10)
    ensure_cluster(kubernetes_sandbox.home, kubernetes_sandbox.env["SANDBOX_REGISTRY"])
    assert {row.health for row in status(kubernetes_sandbox.home)} == {"healthy"}
    assert wait_until(web.answer, seconds=60)
    web.rolled_out()


def test_down_leaves_nothing_on_the_machine(home: Home, sandbox: Sandbox, image: str) -> None:
    """No process, mount, interface, packet rule, route or cgroup; other engines' are not touched."""
    before = machine()
    kubectl = Kubectl(ensure_cluster(home, sandbox.env["SANDBOX_REGISTRY"]), "leave-nothing")
    kubectl.deploy(image)
    processes = of_cluster(home)
    assert len(processes) > 15, "the control plane, the node, its shims and pods"
    assert new_of_ours(home, before), "the comparison must be able to see something"
    stop_cluster(home)
    assert wait_until(lambda: not [one for one in processes if one.is_running()], seconds=5)
    assert new_of_ours(home, before) == []


def test_down_ends_a_cluster_whose_pid_files_are_gone(home: Home, sandbox: Sandbox, image: str) -> None:
    """Somebody removed the state folder of a sandbox that was up: nothing may run on unseen."""
    before = machine()
    Kubectl(ensure_cluster(home, sandbox.env["SANDBOX_REGISTRY"]), "pids-gone").deploy(image)
    processes = of_cluster(home)
    for file in home.folder("pids").iterdir():
        file.unlink()
    stop_cluster(home)
    assert wait_until(lambda: not [one for one in processes if one.is_running()], seconds=5)
    assert new_of_ours(home, before) == []


def test_without_root_there_is_a_control_plane(tmp_path: Path) -> None:
    """Objects can be stored and checked by everybody; the table says why no pod runs."""
    layout = Layout(Home(tmp_path / "home"), node=False)
    try:
        addresses = own.start(layout, "", {})
        assert addresses.host == "127.0.0.1"
        rows = {row.part: row.health for row in own.status(layout)}
        assert "needs root" in rows.pop("pod network")
        assert set(rows.values()) == {"healthy"}
        assert Api(layout, addresses).get("/api/v1/namespaces/default/serviceaccounts/default")
    finally:
        own.purge(layout)


def machine() -> set[str]:
    """Everything of this machine that a cluster could leave behind, one line each."""
    found: set[str] = set()
    for command in ("ip -oneline link", "ip -oneline address", "ip route", "iptables-save"):
        lines = subprocess.run(
            command.split(), capture_output=True, text=True, check=True
        ).stdout.splitlines()
        found |= {f"{command}: {line}" for line in lines if not line.startswith(("#", ":"))}
    found |= {f"mount: {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    found |= {f"cgroup: {path}" for path in Path("/sys/fs/cgroup").rglob("*/")}
    for folder in (Path("/run"), *map(Path, MASKED)):
        found |= {f"file: {path}" for path in (folder.iterdir() if folder.exists() else ())}
    return found


def new_of_ours(home: Home, before: set[str]) -> list[str]:
    """What is new since, and belongs to the home's cluster or to no other sandbox."""
    layout = Layout(home, node=True)
    names = (
        layout.bridge,
        layout.veth,
        layout.mark,
        str(layout.run),
        str(home.root),
        "KUBE-",
        "CNI-",
        "kubepods",
    )
    others = [f"antgent-k8s-{other}" for other in _other_clusters(layout)]
    new = machine() - before
    return sorted(
        line for line in new if any(w in line for w in names) and not any(o in line for o in others)
    )


def _other_clusters(layout: Layout) -> set[str]:
    marks = {
        path.name.removeprefix("antgent-k8s-") for path in Path("/sys/fs/cgroup").glob("*/antgent-k8s-*")
    }
    return marks - {layout.id}


def of_cluster(home: Home) -> list[psutil.Process]:
    """The processes of the home's cluster: its parts and all below them, pods among them."""
    parts = [psutil.Process(row.pid) for row in status(home) if row.pid]
    return [*parts, *(child for part in parts for child in part.children(recursive=True))]


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
