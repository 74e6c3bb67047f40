"""Three real stacks in one project: one builds releases, staging verifies them, production takes what passed."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import httpx

from components import ledger
from components.oci import find_release
from sandbox.process import free_port
from tests.conftest import Stack, app_config, destroy, own_state

WRONG = "dies-on-sigterm"
"""A mode of the small app that rolls out well, and that only staging's checks find."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class World:
    """The stacks `release`, `staging` and `prod`, on the Docker runtime.

    Args:
        folder: of the project.
        env: of a sandbox.
        context: the build context of the small app.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], context: Path) -> None:
        env = own_state(env, folder)
        whole = app_config(context, f"promote-{uuid.uuid4().hex[:8]}", "good", "v1.0.0")
        service = whole.pop("service") | {"runtime": "docker"}
        self.engine = docker.DockerClient(base_url=env["DOCKER_HOST"])
        self.repository = f"{env['SANDBOX_REGISTRY']}/{whole['registry']['repository']}"
        self.release = Stack(folder, env, whole, "release")
        self.staging = Stack(
            folder,
            env,
            _environment("release", service)
            | {
                "verify": {
                    "deadline": 5,
                    "http": [
                        {"path": "/version", "field": "version"},
                        {"path": "/version", "field": "mode", "expect": "good"},
                    ],
                }
            },
            "staging",
        )
        self.prod = Stack(folder, env, _environment("staging", service), "prod")

    def build(self, tag: str, mode: str = "good") -> str:
        """Build a release; its digest."""
        self.release.build(mode, tag)
        self.release.pulumi.up()
        found = find_release(self.repository, tag)
        assert found is not None
        return found.reference.partition("@")[2]

    def ship(self, stack: Stack, tag: str, **keys: Any) -> str:
        """Change an environment's config and run `up`; what the engine printed."""
        stack.change(imageTag=tag, **keys)
        return stack.pulumi.up().output

    def verified(self) -> list[str]:
        """The digests in staging's ledger, newest first, out of its outputs."""
        return [entry.digest for entry in ledger.read(self.staging.pulumi.outputs())]

    def running(self, stack: Stack) -> str | None:
        """The one digest that both workloads of a stack run, as the Docker engine has it."""
        label = f"antgent.stack=antgent/{stack.name}"
        port = str(stack.config["service"]["docker"]["publish"]["port"])
        found = self.engine.containers.list(all=True, filters={"label": [label, "antgent.workload"]})
        servers = [one for one in found if port in str(one.attrs["HostConfig"]["PortBindings"])]
        networks = {name for one in servers for name in one.attrs["NetworkSettings"]["Networks"]}
        mine = [one for one in found if networks & set(one.attrs["NetworkSettings"]["Networks"])]
        images = {one.attrs["Config"]["Image"] for one in mine}
        assert len(images) <= 1, f"{stack.name} runs {images}"
        return images.pop().partition("@")[2] if images else None

    def move(self, tag: str, to: str) -> None:
        """Make `tag` mean the image of another one, as a push into a mutable registry does."""
        manifest = httpx.get(self._manifest(to), headers={"accept": MANIFEST}).raise_for_status()
        put = httpx.put(self._manifest(tag), content=manifest.content, headers={"content-type": MANIFEST})
        put.raise_for_status()

    def lose(self, digest: str) -> None:
        """Delete an image from the registry."""
        httpx.delete(self._manifest(digest)).raise_for_status()

    def close(self) -> None:
        """Destroy what there is; production first, as it reads staging."""
        for stack in (self.prod, self.staging, self.release):
            destroy(stack)

    def _manifest(self, name: str) -> str:
        host, _, path = self.repository.partition("/")
        return f"http://{host}/v2/{path}/manifests/{name}"


def _environment(source: str, service: Mapping[str, Any]) -> dict[str, Any]:
    own = {"docker": {"publish": {"port": free_port()}}}
    return {"imageTag": "v1.0.0", "promoteFrom": source, "service": {**service, **own}}
