"""The story on a real cluster, by `ship`: one image everywhere, built once; a bad one kept out; back under load."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from components import ledger
from components.oci import find_release
from sandbox.assembly import Sandbox
from ship.errors import Exit
from tests.conftest import own_state
from tests.engine.kubernetes_load import kubectl, load, version
from tests.engine.ship_project import ShipProject

pytestmark = pytest.mark.timeout(1200)

RELEASES = ("v1.0.0", "v1.1.0")
BAD = "v1.2.0"
ROLLBACK_SECONDS = 120
"""What a rollback of four replicas may take, from the command to the last word."""


@pytest.fixture(scope="module")
def pushes(kubernetes_sandbox: Sandbox) -> Iterator[list[str]]:
    """The images that are pushed while the story lasts, as the Docker engine tells them one by one.

    (It remembers no more than 256 events, and each probe of a container is three.)
    """
    client = docker.DockerClient(base_url=kubernetes_sandbox.env["DOCKER_HOST"])
    events = client.events(decode=True, filters={"type": "image", "event": "push"})
    seen: list[str] = []

    def listen() -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed while it waits
            for event in events:
                seen.append(event["Actor"]["ID"])

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    yield seen
    events.close()
    listener.join(10)


@pytest.fixture(scope="module")
def story(
    pushes: list[str],  # noqa: ARG001 — counts from before the first release
    kubernetes_sandbox: Sandbox,
    app_context: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ShipProject]:
    """Both releases went from the release stack to prod; the bad one was tried on staging."""
    folder = tmp_path_factory.mktemp("story")
    service = {
        stack: {
            "runtime": "kubernetes",
            "kubernetes": {"namespace": f"{folder.parent.name}-{stack}".replace("_", "-")},
        }
        for stack in ("staging", "prod")
    }
    project = ShipProject(folder, own_state(kubernetes_sandbox.env, folder), app_context, service)
    server = project.config("prod")["service"]["server"] | {"replicas": 4, "cpu": 0.1}
    project.change(
        "prod", service=project.config("prod")["service"] | {"server": server, "rollout": {"deadline": 90}}
    )
    try:
        for tag in RELEASES:
            project.release(tag)
            project.verified(tag)
            project.ship("promote", "--to", "prod", tag, "--yes")
        project.release(BAD, mode="crash")
        project.ship("promote", "--to", "staging", BAD, "--yes", code=Exit.BROKEN)
        yield project
    finally:
        project.destroy()


def on_cluster(project: ShipProject, stack: str) -> Any:
    """An environment as the helpers of the cluster's tests take it."""
    return SimpleNamespace(config=project.config(stack), env=project.env)


def running(project: ShipProject, stack: str) -> set[str]:
    """The digests of the containers that run, as the cluster's own node reports them."""
    pods = kubectl(on_cluster(project, stack), "get", "pods", "-o", "json")["items"]
    states = [state for pod in pods for state in pod["status"]["containerStatuses"] if state["ready"]]
    assert len(states) >= 2
    return {state["imageID"].rpartition("@")[2] for state in states}


def test_registry_staging_and_prod_have_one_digest(story: ShipProject) -> None:
    """Promise 1, asked of the registry and of the node, not of the program."""
    repository = f"{story.env['SANDBOX_REGISTRY']}/{story.repository.lower()}"
    found = find_release(repository, RELEASES[-1])
    assert found is not None
    digest = found.reference.rpartition("@")[2]
    assert running(story, "prod") == {digest}
    assert story.digest("prod") == digest
    assert [entry.digest for entry in ledger.read(story.pulumi("staging").outputs())][:1] == [digest]


def test_each_release_was_built_and_pushed_once(story: ShipProject, pushes: list[str]) -> None:
    """Promise 2, counted by the Docker engine; environments cannot build at all."""
    ours = [name.rpartition(":")[2] for name in pushes if story.repository.lower() in name]
    assert sorted(ours) == sorted([*RELEASES, BAD])
    for stack in ("staging", "prod"):
        resources = story.pulumi(stack).export()["deployment"]["resources"]
        assert not [one for one in resources if one["type"].startswith("docker:")]


def test_a_bad_release_is_not_verified_and_so_goes_nowhere(story: ShipProject) -> None:
    """A failed step leaves the ledger as it was, and prod refuses what is not in it."""
    entries = ledger.read(story.pulumi("staging").outputs())
    assert [entry.tag for entry in entries] == list(reversed(RELEASES))
    said = story.ship("promote", "--to", "prod", BAD, "--yes", code=Exit.REFUSED)
    assert "staging has not verified it" in said.err
    story.ship("rollback", "staging", "--yes")
    assert version(on_cluster(story, "staging")) == RELEASES[-1].removeprefix("v")


def test_a_rollback_under_load_fails_no_request(story: ShipProject) -> None:
    """Four replicas, one command, under two minutes."""
    prod = on_cluster(story, "prod")
    with load(prod) as seen:
        started = time.monotonic()
        found = story.ship("rollback", "prod", "--yes", "--json").json
        took = time.monotonic() - started
    print(f"rolled back in {took:.1f} s (`up` {found['seconds']} s): {seen.report}")
    seen.check()
    assert (found["tag"], version(prod)) == (RELEASES[0], RELEASES[0].removeprefix("v"))
    assert took < ROLLBACK_SECONDS
    assert story.ship("status", "prod", "--json").json["environments"][0]["health"]["state"] == "healthy"
