"""What parts of a sandbox take from each other's environment."""

import json
from pathlib import Path

import pytest

from sandbox import assembly, base_image, standins
from sandbox.base_image import BaseImages
from sandbox.engine import Engine
from sandbox.paths import Home
from sandbox.process import free_port, listening, wait_until
from sandbox.providers import aws_images, docker_build
from sandbox.providers.docker_context import Context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A build context."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return Context.of({"context": str(tmp_path)}, tmp_path)


class TestBuilds:
    """The shipped release stack says nothing of this machine, and must build here all the same."""

    def test_get_what_the_machine_needs_where_they_say_nothing(
        self, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Base images that cannot be pulled, and a network that has a way out."""
        monkeypatch.setenv(docker_build.DEFAULTS, '{"args": {"BASE_IMAGE": "ours"}, "network": "host"}')
        sent = docker_build._parameters("app:v1", context, {"args": {"VERSION": "1"}})
        assert json.loads(sent["buildargs"]) == {"BASE_IMAGE": "ours", "VERSION": "1"}
        assert sent["networkmode"] == "host"

    def test_keep_what_they_say(self, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        """A stack file wins over the machine."""
        monkeypatch.setenv(docker_build.DEFAULTS, '{"args": {"BASE_IMAGE": "ours"}, "network": "host"}')
        wanted = {"args": {"BASE_IMAGE": "theirs"}, "network": "none"}
        sent = docker_build._parameters("app:v1", context, wanted)
        assert json.loads(sent["buildargs"]) == {"BASE_IMAGE": "theirs"}
        assert sent["networkmode"] == "none"

    def test_are_left_alone_where_the_official_base_can_be_pulled(self) -> None:
        """Then the sandbox changes nothing about a build."""
        official = base_image.official_image()
        assert assembly._build_defaults(BaseImages(official, official)) == ""
        told = json.loads(assembly._build_defaults(BaseImages("ours", "ours-builder")))
        assert told["args"] == {"BASE_IMAGE": "ours", "BUILDER_IMAGE": "ours-builder"}


class TestAStandIn:
    """A process that outlives the command that started it, and serves the next ones."""

    def test_is_started_anew_when_what_it_reads_has_changed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another address of AWS must not be asked for at the old one; the port stays."""
        monkeypatch.setenv("SANDBOX_PROVIDERS", "stand-in")
        home, engine, env = Home(tmp_path), Engine("0", tmp_path, "PATH"), {"PATH": "/usr/bin:/bin"}
        one = env | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
        try:
            first = standins.ensure_providers(home, engine, one, ["aws"])
            process = standins._daemon(home, "aws").process()
            assert standins.ensure_providers(home, engine, one | {"UNREAD": "1"}, ["aws"]) == first
            assert standins._daemon(home, "aws").process() == process
            other = one | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
            assert standins.ensure_providers(home, engine, other, ["aws"]) == first
            assert standins._daemon(home, "aws").process() != process
            assert listening(int(first["PULUMI_DEBUG_PROVIDERS"].partition(":")[2]))
        finally:
            standins.stop_providers(home)

    def test_of_another_runtime_is_no_part_once_it_was_stopped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else a sandbox that had a cluster last week is never whole again; one that was killed is down."""
        monkeypatch.setenv("SANDBOX_PROVIDERS", "stand-in")
        home, engine, env = Home(tmp_path), Engine("0", tmp_path, "PATH"), {"PATH": "/usr/bin:/bin"}
        try:
            standins.ensure_providers(home, engine, env, ["docker", "kubernetes"])
            process = standins._daemon(home, "kubernetes").process()
            process.kill()
            assert wait_until(lambda: standins._daemon(home, "kubernetes").process() is None, seconds=10)
            assert [row.part for row in standins.status(home)] == ["provider docker", "provider kubernetes"]
        finally:
            standins.stop_providers(home)
        assert [(row.part, row.health) for row in standins.status(home)] == [("provider docker", "down")]


def test_an_account_s_repositories_lie_apart_from_what_others_push(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local stack pushes `antgent` to the same registry, built in its own way."""
    monkeypatch.setenv("SANDBOX_REGISTRY", "127.0.0.1:5000")
    assert aws_images.url("", "antgent") == "127.0.0.1:5000/antgent"
    monkeypatch.setenv("SANDBOX_ECR", "127.0.0.1:5000/ecr")
    assert aws_images.url("", "antgent") == "127.0.0.1:5000/ecr/antgent"
    assert aws_images._api("antgent") == "http://127.0.0.1:5000/v2/ecr/antgent"
