"""A project with a release stack, staging and prod, as an operator has it, and `ship` run on it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.paths import CHECKOUT
from sandbox.process import free_port
from sandbox.pulumi_cli import Pulumi, PulumiError
from tests.conftest import app_config

HEAD = "# Kept by every edit: this comment, the order, the quotes.\n"
SECONDS = 300


class Said:
    """What a finished `ship` said and how it ended."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        """Its JSON document."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


class ShipProject:
    """Three stacks of the unchanged program in one folder; the small app is what they ship.

    Args:
        folder: made by the caller, becomes the project's.
        env: the sandbox's.
        context: the small app's build context.
        service: keys of the environments' service, by stack; must hold its runtime.
    """

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str],
        context: Path,
        service: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.folder, self.env, self.repository = folder, dict(env), f"ship-{folder.parent.name}-{folder.name}"
        project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
        project["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | {"main": str(CHECKOUT)}))
        # A copy: pytest's folders are in no git repository, so `ship release` has nothing to compare.
        shutil.copytree(context, folder / "app")
        full = app_config(folder / "app", self.repository.lower(), "good", "v0.0.0")
        self.write("release", {key: full[key] for key in ("imageTag", "registry", "build")})
        for stack, source in (("staging", "release"), ("prod", "staging")):
            self.write(stack, environment(full, source, service[stack], verifies=stack == "staging"))
        for stack in self.stacks:
            self.pulumi(stack).stack_init()

    stacks = ("release", "staging", "prod")

    def file(self, stack: str) -> Path:
        """A stack's file."""
        return self.folder / f"Pulumi.{stack}.yaml"

    def write(self, stack: str, config: Mapping[str, Any]) -> None:
        """Replace a stack's whole config, in a file with comments to lose."""
        namespaced = {f"antgent:{key}": value for key, value in config.items()}
        text = yaml.safe_dump({"config": namespaced}, sort_keys=False)
        self.file(stack).write_text(HEAD + text.replace("imageTag: v", "imageTag: v", 1))

    def config(self, stack: str) -> dict[str, Any]:
        """A stack's config by key without namespace."""
        found = yaml.safe_load(self.file(stack).read_text())["config"]
        return {key.removeprefix("antgent:"): value for key, value in found.items()}

    def change(self, stack: str, **keys: Any) -> None:
        """Set top-level keys of a stack's config; None takes one out."""
        config = {key: value for key, value in (self.config(stack) | keys).items() if value is not None}
        self.write(stack, config)

    def pulumi(self, stack: str) -> Pulumi:
        """Plain `pulumi` on a stack."""
        return Pulumi(self.folder, stack, self.env)

    def command(self, *words: str) -> list[str]:
        """The command line of a `ship`."""
        return [sys.executable, "-m", "ship", "--cwd", str(self.folder), *words]

    def ship(self, *words: str, code: int | None = 0, stdin: str = "") -> Said:
        """Run `ship` to its end, and hold its exit code against `code`."""
        done = subprocess.run(
            self.command(*words),
            cwd=CHECKOUT,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            input=stdin,
            timeout=SECONDS,
        )
        said = Said(done)
        assert "Traceback" not in done.stdout + done.stderr, str(said)
        assert code is None or done.returncode == code, str(said)
        return said

    def start(self, *words: str, **more: Any) -> "subprocess.Popen[str]":
        """Start a `ship` in a session of its own."""
        return subprocess.Popen(
            self.command(*words), cwd=CHECKOUT, env={**os.environ, **self.env}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, **more,
        )  # fmt: skip

    def release(self, tag: str, mode: str = "good") -> str:
        """Build a release of the app in `mode`; its digest."""
        build = self.config("release")["build"] | {"args": {"MODE": mode}}
        self.change("release", build=build)
        return self.ship("release", tag, "--yes", "--json").json["digest"]

    def verified(self, tag: str) -> None:
        """Ship a release to staging, where it is verified."""
        self.ship("promote", "--to", "staging", tag, "--yes")

    def version(self, stack: str) -> str:
        """The version that a stack's server reports, asked past the program."""
        url = self.pulumi(stack).outputs()["url"]
        return httpx.get(f"{url}/version", timeout=5).json()["version"]

    def digest(self, stack: str) -> str:
        """What a stack's outputs say that it runs."""
        return self.pulumi(stack).outputs()["image"].rpartition("@")[2]

    def destroy(self) -> None:
        """Remove everything, also what a killed update left half done."""
        for stack in reversed(self.stacks):
            engine = self.pulumi(stack)
            try:
                engine.destroy()
            except PulumiError:
                engine.cancel()
                engine.settle()
                engine.destroy()


def environment(
    full: Mapping[str, Any], source: str, service: Mapping[str, Any], *, verifies: bool
) -> dict[str, Any]:
    """The config of an environment that promotes from `source`."""
    config = {"imageTag": "v0.0.0", "promoteFrom": source, "service": {**full["service"], **service}}
    if verifies:
        config["verify"] = {"deadline": 20, "http": [{"path": "/version", "field": "version"}]}
    return config


def docker_services() -> dict[str, dict[str, Any]]:
    """Staging and prod on the Docker runtime, each on a free port."""
    ports = {stack: free_port() for stack in ("staging", "prod")}
    return {
        stack: {"runtime": "docker", "docker": {"publish": {"port": port}}} for stack, port in ports.items()
    }
