"""The main job on real input: the published antgent, built, pushed, run and released."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import yaml
from pip._internal.models.index import PyPI

from components import ledger
from sandbox.assembly import Sandbox
from sandbox.paths import CHECKOUT
from sandbox.process import free_port
from sandbox.pulumi_cli import PulumiError
from tests.conftest import Stack, destroy
from tests.e2e.echo_workflow import echo
from tests.e2e.image_leaks import leaks, machine_needles

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture(scope="module")
def local(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack that `make up` deploys, from its own file, on a free port."""
    shipped = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())["config"]
    config = {key.removeprefix("antgent:"): value for key, value in shipped.items()}
    config["service"]["docker"] = {"publish": {"port": free_port()}}
    config["imageTag"] = "v0.3.1"
    stack = Stack(tmp_path_factory.mktemp("local"), sandbox.env, config)
    try:
        stack.pulumi.up()
        yield stack
    finally:
        destroy(stack)


@pytest.fixture(scope="module")
def released(local: Stack) -> Stack:
    """The same stack after its one line changed to the next published version."""
    local.change(imageTag="v0.3.2")
    local.pulumi.up()
    return local


def test_a_release_is_one_changed_line(released: Stack) -> None:
    """The server reports the version of `antgent:imageTag`."""
    assert released.version() == "0.3.2"


@pytest.mark.usefixtures("released")
def test_the_worker_completes_a_workflow_on_temporal(sandbox: Sandbox) -> None:
    """A worker is healthy when work gets done, not when its process runs."""
    assert "hello" in asyncio.run(echo(sandbox.env["SANDBOX_TEMPORAL"], "hello"))


def test_both_releases_were_verified(released: Stack) -> None:
    """The shipped stack checks the version that answers and who polls the worker's queue; both passed twice."""
    newest, first = ledger.read(released.pulumi.outputs())
    assert (newest.tag, first.tag) == ("v0.3.2", "v0.3.1")
    assert newest.image == released.pulumi.outputs()["image"]
    assert [check.name for check in newest.checks] == [
        "GET /version: status 200, version = '0.3.2'",
        "workers poll antgent-queue",
    ]


def test_a_worker_that_does_not_do_its_work_fails_the_up(released: Stack) -> None:
    """The echo workflow end to end passes; a queue that nobody polls fails, and the ledger stays."""
    shipped = released.config["verify"]
    released.change(verify=shipped | {"worker": shipped["worker"] | {"workflow": "EchoWorkflow"}})
    assert "EchoWorkflow answered in" in released.pulumi.up().output
    before = ledger.read(released.pulumi.outputs())
    assert before[0].checks[-1].name == "workers poll antgent-queue, EchoWorkflow answers"
    released.change(verify={"deadline": 5, "worker": {"taskQueues": ["nobody-queue"]}})
    with pytest.raises(PulumiError, match="a worker polls the task queue nobody-queue"):
        released.pulumi.up()
    assert ledger.read(released.pulumi.outputs()) == before
    released.change(verify=shipped)
    released.pulumi.up()


@pytest.mark.usefixtures("released")
def test_both_workloads_run_one_digest_without_privileges(sandbox: Sandbox) -> None:
    """Promises 1 and 3, on the real image."""
    client = docker.DockerClient(base_url=sandbox.env["DOCKER_HOST"])
    stack = {"label": ["antgent.workload", "antgent.release=v0.3.2"]}
    running = client.containers.list(filters=stack)
    assert sorted(one.labels["antgent.workload"] for one in running) == ["server", "worker"]
    assert len({one.attrs["Config"]["Image"] for one in running}) == 1
    for one in running:
        assert "@sha256:" in one.attrs["Config"]["Image"]
        assert one.attrs["Config"]["User"] == "10001:10001"
        assert one.attrs["HostConfig"]["ReadonlyRootfs"]
        assert one.attrs["HostConfig"]["Memory"]


def test_a_second_up_changes_nothing(released: Stack) -> None:
    """Promise 10, with a refresh as `make up` does it."""
    assert released.pulumi.up("--refresh").changes.total == 0


def test_no_package_registry_and_no_secret_in_state_logs_or_image(released: Stack, sandbox: Sandbox) -> None:
    """Where packages came from is this machine's affair; it must not travel with the release."""
    hosts = {PyPI.netloc, PyPI.file_storage_domain}
    client = docker.DockerClient(base_url=sandbox.env["DOCKER_HOST"])
    image = released.pulumi.outputs()["image"]
    passphrase = Path(sandbox.env["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text().strip()
    assert leaks(client, image, machine_needles()) == []
    texts = {
        "state": str(released.pulumi.export()),
        "image": str(client.images.get(image).attrs) + str(client.images.get(image).history()),
        **{log.name: log.read_text(errors="replace") for log in sandbox.home.folder("logs").glob("*.log")},
    }
    for where, text in texts.items():
        assert passphrase not in text, f"the passphrase stands in {where}"
        for host in hosts:
            assert host not in text, f"{host} stands in {where}"
