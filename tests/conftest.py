"""What tests share: one sandbox a session, a project folder and a stack a test, the small app's images."""

import functools
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling

from sandbox import assembly, gobuild
from sandbox.assembly import Sandbox
from sandbox.cluster import Cluster, find_cluster
from sandbox.engine import Engine, ensure_engine
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home, cache_dir
from sandbox.process import free_port
from sandbox.pulumi_cli import Pulumi, PulumiError

APP = Path(__file__).parent / "app"
SHARING = {"cluster": r"\bkubernetes_(sandbox|stack)\b", "ship": r"\bproject: ShipProject", "": ""}
"""Workers' group → what the files in it use: a session's fixture that is costly to make twice."""

MEASURING = "COVERAGE_PROCESS_CONFIG"
"""What coverage tells child processes by."""
MEASURED = {
    "test_aws_stacks",
    "test_docker_runtime",
    "test_kubernetes_runtime",
    "test_promotion",
    "test_verification",
}
"""Modules in which the coverage of every program and command is measured: each path through the program is in
one of them. It takes twice the time, which everywhere else is better spent on the tests."""


class FilesTogether(LoadScopeScheduling):
    """Keeps a file's tests, and files that share a costly fixture, on one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid.partition("::")[0])


@functools.cache
def group(file: str) -> str:
    """The group of a test file: one that shares a fixture, else its own."""
    source = (CHECKOUT / file).read_text()
    return next(name for name, use in SHARING.items() if re.search(use, source)) or file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """For `-n`; xdist's own groups do not survive this version of pytest."""
    return FilesTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left with them in the end."""
    items.sort(
        key=lambda item: ("unit" in item.path.parts, group(item.nodeid.partition("::")[0]) not in SHARING)
    )


@pytest.hookimpl(trylast=True)  # the workers are gone then
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the sandboxes of workers that were ended before they could, as after a Ctrl-C."""
    if hasattr(session.config, "workerinput"):
        return
    factory = getattr(session.config, "_tmp_path_factory", None)
    for home in left_homes(factory.getbasetemp()) if factory else ():
        try:
            assembly.stop(home, purge=True)
        except SandboxError as error:  # the results are still to be printed; the run is no success
            print(f"\nleft behind by a test worker, in {home.root}: {error}", file=sys.stderr)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def left_homes(base: Path) -> list[Home]:
    """The homes of started processes below the workers' folders, whatever a fixture has called them."""
    return [
        Home(root) for root in sorted({file.parent.parent for file in base.glob("popen-gw*/*/pids/*.json")})
    ]


@pytest.fixture(scope="module", autouse=True)
def measured_children(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let coverage follow into child processes only in the modules that are `MEASURED`."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.stem not in MEASURED:
            patch.delenv(MEASURING, raising=False)
        yield


def started(home: Home, runtime: str = "docker", *, with_aws: bool = False) -> Sandbox:
    """A sandbox for this session, whose own processes are measured.

    What is run against it is so where `measured_children` lets it: this environment, made before any module's
    fixtures, must not say so for all of them.
    """
    running = assembly.start(home, runtime, with_aws=with_aws, pid=os.getpid())
    running.env.pop(MEASURING, None)
    return running


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real engine, installed or built when this machine has none yet."""
    return ensure_engine()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox of its own for this session; the Docker engine and the caches are the machine's."""
    home = Home(tmp_path_factory.mktemp("sandbox"))
    try:
        yield started(home)
    finally:
        assembly.stop(home, purge=True)


@pytest.fixture(scope="session")
def docker_host(sandbox: Sandbox) -> str:
    """The address of a real Docker engine."""
    return sandbox.env["DOCKER_HOST"]


@pytest.fixture(scope="session")
def registry_address(sandbox: Sandbox) -> str:
    """`host:port` of a real registry."""
    return sandbox.env["SANDBOX_REGISTRY"]


@pytest.fixture(scope="session")
def app_context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context of the small app: a Dockerfile and a static binary, cached by its source."""
    source = hashlib.sha256((APP / "main.go").read_bytes()).hexdigest()[:12]
    binary = cache_dir() / "test-app" / source / "app"
    if not binary.exists():
        gobuild.build(APP, {"app": "."}, binary.parent, ldflags="-s -w")
    context = tmp_path_factory.mktemp("app")
    shutil.copy(binary, context / "app")
    shutil.copy(APP / "Dockerfile", context / "Dockerfile")
    return context


class Stack:
    """One stack of the unchanged program, in a project folder of its own."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], config: Mapping[str, Any], name: str = "test"
    ) -> None:
        self.folder, self.env, self.name = folder, dict(env), name
        self.file = folder / f"Pulumi.{name}.yaml"
        project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
        project["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | {"main": str(CHECKOUT)}))
        self.configure(config)
        self.pulumi = Pulumi(folder, name, self.env)
        self.pulumi.stack_init()

    def configure(self, config: Mapping[str, Any]) -> None:
        """Replace the stack's whole config."""
        self.config = dict(config)
        namespaced = {f"antgent:{key}": value for key, value in config.items()}
        self.file.write_text(yaml.safe_dump({"config": namespaced}))

    def change(self, **keys: Any) -> None:
        """Set top-level keys of the config."""
        self.configure(self.config | keys)

    def build(self, mode: str, tag: str) -> None:
        """Ask for the small app in `mode`, as release `tag`."""
        section = self.config["build"] | {"args": {"MODE": mode}}
        self.change(build=section, imageTag=tag)

    def scale(self, replicas: int) -> None:
        """Ask for this many servers."""
        service = self.config["service"]
        self.change(service=service | {"server": service["server"] | {"replicas": replicas}})

    @property
    def url(self) -> str:
        """Where the stack's server answers."""
        return self.pulumi.outputs()["url"]

    def version(self) -> str:
        """The version that the running server reports."""
        return httpx.get(f"{self.url}/version", timeout=5).json()["version"]


def own_state(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with a state apart: for stacks of the same project and name as another test's."""
    state = folder / "state"
    state.mkdir()
    return {**env, "PULUMI_BACKEND_URL": state.as_uri()}


def app_config(context: Path, repository: str, mode: str, tag: str) -> dict[str, Any]:
    """The config of a stack that builds the small app; the runtime is the caller's to add."""
    # Not each second: Docker starts a process for every probe, and many containers wait at the same time.
    probe = {"interval": 2, "timeout": 2, "retries": 3, "startPeriod": 2}
    server_probe = {"path": "/version", "command": ["/app", "healthcheck", "http://127.0.0.1:8080/version"]}
    return {
        "imageTag": tag,
        "registry": {"kind": "external", "server": "${SANDBOX_REGISTRY}", "repository": repository},
        "build": {
            "context": str(context),
            "dockerfile": str(context / "Dockerfile"),
            "args": {"MODE": mode},
        },
        "service": {
            "server": {"memory": 64, "cpu": 0.25, "stopGrace": 5, "health": server_probe | probe},
            "worker": {
                "memory": 64,
                "cpu": 0.25,
                "stopGrace": 2,
                "healthCommand": ["/app", "worker-alive"],
            },
            "rollout": {"deadline": 30},
        },
    }


@pytest.fixture
def make_stack(app_context: Path, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes stacks that build the small app; all are destroyed afterwards.

    Arguments of what it gives: the sandbox, the `service` keys to add, the app's mode and tag.
    """
    stacks: list[Stack] = []
    repository = f"app-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:10]}"

    def make(sandbox: Sandbox, service: Mapping[str, Any], mode: str, tag: str) -> Stack:
        config = app_config(app_context, repository, mode, tag)
        config["service"] |= service
        folder = tmp_path / f"project-{len(stacks)}"
        folder.mkdir()
        stacks.append(Stack(folder, sandbox.env, config))
        return stacks[-1]

    yield make
    for stack in stacks:
        destroy(stack)


@pytest.fixture
def docker_stack(sandbox: Sandbox, make_stack: Callable[..., Stack]) -> Callable[..., Stack]:
    """Makes a stack of the small app on the Docker runtime."""

    def make(mode: str = "good", tag: str = "v1.0.0") -> Stack:
        service = {"runtime": "docker", "docker": {"publish": {"port": free_port()}}}
        return make_stack(sandbox, service, mode, tag)

    return make


@pytest.fixture(scope="session")
def aws_sandbox(sandbox: Sandbox) -> Sandbox:
    """The session's sandbox with AWS's API beside it, whose ECS runs tasks."""
    return started(sandbox.home, "ecs")


@pytest.fixture(scope="session")
def kubernetes_sandbox(sandbox: Sandbox) -> Sandbox:
    """The session's sandbox with a real cluster beside it."""
    return started(sandbox.home, "kubernetes")


@pytest.fixture(scope="session")
def cluster(kubernetes_sandbox: Sandbox) -> Cluster:
    """The session's cluster."""
    found = find_cluster(kubernetes_sandbox.home)
    assert found is not None
    return found


@pytest.fixture
def kubernetes_stack(
    kubernetes_sandbox: Sandbox, make_stack: Callable[..., Stack], tmp_path: Path
) -> Callable[..., Stack]:
    """Makes a stack of the small app on the Kubernetes runtime, in a namespace of its own."""
    namespace = f"test-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"

    def make(mode: str = "good", tag: str = "v1.0.0", replicas: int = 1) -> Stack:
        stack = make_stack(
            kubernetes_sandbox,
            {"runtime": "kubernetes", "kubernetes": {"namespace": namespace}},
            mode,
            tag,
        )
        stack.scale(replicas)
        return stack

    return make


def destroy(stack: Stack) -> None:
    """Destroy also what a failed or killed update left half done."""
    try:
        stack.pulumi.destroy()
    except PulumiError:
        stack.pulumi.cancel()
        stack.pulumi.destroy()
