"""One shipped project for all tests of `ship`, removed after the last of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from tests.engine.ship_project import ShipProject, docker_services


@pytest.fixture(scope="package")
def shipped(
    sandbox: Sandbox, app_context: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ShipProject]:
    """v1.0.0 runs in prod; v1.1.0 is verified on staging, too; v1.2.0, which crashes, is only built."""
    project = ShipProject(tmp_path_factory.mktemp("shipped"), sandbox.env, app_context, docker_services())
    try:
        project.release("v1.0.0")
        project.verified("v1.0.0")
        project.ship("promote", "--to", "prod", "--yes")
        project.release("v1.1.0")
        project.verified("v1.1.0")
        project.release("v1.2.0", mode="crash")
        yield project
    finally:
        project.destroy()


@pytest.fixture
def project(shipped: ShipProject) -> Iterator[ShipProject]:
    """The project with v1.0.0 in prod and without a hold, as each test finds and leaves it."""
    before = shipped.file("prod").read_bytes()
    yield shipped
    shipped.file("prod").write_bytes(before)
    if shipped.pulumi("prod").outputs()["tag"] != "v1.0.0":
        shipped.pulumi("prod").up()
