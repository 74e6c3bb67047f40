"""A repository as GitHub's runner checks it out: this program, with stacks that fit on one machine."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.paths import CHECKOUT
from sandbox.process import free_port
from sandbox.pulumi_cli import Pulumi, PulumiError
from tests.conftest import app_config

STACKS = ("release", "staging", "prod", "dev")


class Repository:
    """The checkout's files in a git repository of their own.

    Args:
        folder: where it goes.
        env: the sandbox's environment.
        context: build context of the small app.
        image: repository of its image, without the registry.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], context: Path, image: str) -> None:
        self.folder, self.env = folder, dict(env)
        self._copy()
        shutil.copytree(context, folder / "image" / "app")
        base = app_config(Path("image/app"), image, "good", "v1.0.0")
        build = {key: base[key] for key in ("imageTag", "registry", "build")}
        self.ports = {stack: free_port() for stack in ("staging", "prod", "dev")}
        self.write("release", build)
        self.write("staging", self._environment(base, "staging", promoteFrom="release"))
        self.write("prod", self._environment(base, "prod", promoteFrom="staging"))
        here = build | {"registry": base["registry"] | {"repository": f"{image}-dev"}}
        self.write("dev", here | self._environment(base, "dev"))
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")

    def _copy(self) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT, capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        for name in listed:
            source, target = CHECKOUT / name, self.folder / name
            if source.is_file() and not name.startswith("tests/"):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        (self.folder / ".venv").symlink_to(CHECKOUT / ".venv")
        (self.folder / "Pulumi.local.yaml").unlink(missing_ok=True)
        with (self.folder / ".gitignore").open("a") as ignored:
            ignored.write(".venv\n")

    def _environment(self, base: Mapping[str, Any], stack: str, **more: Any) -> dict[str, Any]:
        docker = {"runtime": "docker", "docker": {"publish": {"port": self.ports[stack]}}}
        check = {"http": [{"path": "/version", "field": "version"}]}
        return {"imageTag": "v1.0.0", **more, "service": base["service"] | docker, "verify": check}

    def write(self, stack: str, config: Mapping[str, Any]) -> None:
        """Replace a stack's file."""
        named = {f"antgent:{key}": value for key, value in config.items()}
        self.file(stack).write_text(yaml.safe_dump({"config": named}, sort_keys=False))

    def file(self, stack: str) -> Path:
        """A stack's file."""
        return self.folder / f"Pulumi.{stack}.yaml"

    def change(self, stack: str, **keys: Any) -> None:
        """Set top-level keys of a stack file."""
        content = yaml.safe_load(self.file(stack).read_text())["config"]
        self.write(stack, {key.removeprefix("antgent:"): value for key, value in content.items()} | keys)

    def git(self, *arguments: str) -> str:
        """Run git here, as somebody who has an identity."""
        identity = {f"GIT_{who}_{what}": "tests@example.com" for who in ("AUTHOR", "COMMITTER")
                    for what in ("NAME", "EMAIL")}  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env={**os.environ, **identity}, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit everything; returns the commit's hash."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def pulumi(self, stack: str) -> Pulumi:
        """The engine on one of the stacks."""
        return Pulumi(self.folder, stack, self.env)

    def remove(self) -> None:
        """Destroy every stack that was made, also one half done."""
        made = self.pulumi("none").run("stack", "ls", "--json", stack=False).output
        known = {one["name"] for one in yaml.safe_load(made)}
        for stack in sorted(known, key=lambda name: ("prod", "staging", "release").index(name)
                            if name in STACKS[:3] else -1):  # fmt: skip
            engine = self.pulumi(stack)
            try:
                engine.destroy()
            except PulumiError:
                engine.cancel()
                engine.destroy()
            engine.stack_remove()
