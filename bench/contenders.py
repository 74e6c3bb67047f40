"""What is compared: our program, a flat one, and kubectl. Each can release, do nothing, and preview."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench import manifests
from bench.manifests import kubectl
from sandbox.paths import CHECKOUT
from sandbox.pulumi_cli import Pulumi
from tests.conftest import Stack

OURS, FLAT, KUBECTL = "ours", "flat", "kubectl"
NAMESPACES = {name: f"bench-{name}" for name in (OURS, FLAT, KUBECTL)}
VERSIONS = ("v1.0.0", "v1.1.0")
PODS = 3
"""Of one contender: two servers and a worker."""
NAMED = "app.kubernetes.io/name=antgent"


class Ours:
    """This repository's program, unchanged, on the stack that the tests use.

    Args:
        stack: of the small app on the Kubernetes runtime, never deployed before.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def choose(self, version: str) -> None:
        """Make `version` the one that is wanted; nothing is deployed by that."""
        self._stack.build("good", version)

    def release(self) -> None:
        """Deploy what is wanted; done when it runs."""
        self._stack.pulumi.up()

    def preview(self) -> None:
        """Say what `release` would do."""
        self._stack.pulumi.preview()

    def image(self) -> str:
        """The digest reference that runs."""
        return self._stack.pulumi.outputs()["image"]


class Flat:
    """`bench/flat`; the provider waits for the Deployments.

    That is its fair form: with `skipAwait` its `up` would end before anything runs.

    Args:
        folder: for its project and stack files.
        env: of the sandbox.
        config: version → the config of its stack.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], config: Mapping[str, Mapping[str, Any]]) -> None:
        project = yaml.safe_load((CHECKOUT / "bench/flat/Pulumi.yaml").read_text())
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | {"main": str(CHECKOUT / "bench/flat")}))
        self._file, self._config = folder / "Pulumi.bench.yaml", config
        self._cluster = {"kubernetes:kubeconfig": env["KUBECONFIG"]}
        self._pulumi = Pulumi(folder, "bench", env)
        self.choose(VERSIONS[0])
        self._pulumi.stack_init()

    def choose(self, version: str) -> None:
        """As for ours."""
        config = {f"flat:{key}": value for key, value in self._config[version].items()}
        self._file.write_text(yaml.safe_dump({"config": self._cluster | config}))

    def release(self) -> None:
        """As for ours."""
        self._pulumi.up()

    def preview(self) -> None:
        """As for ours."""
        self._pulumi.preview()


class Kubectl:
    """The floor: `kubectl apply`, then `kubectl rollout status` of both Deployments.

    Args:
        folder: for its manifests.
        env: of the sandbox.
        lists: version → a List of the objects.
    """

    def __init__(self, folder: Path, env: Mapping[str, str], lists: Mapping[str, Any]) -> None:
        self._env, self._folder = env, folder
        for version, objects in lists.items():
            self._manifest(version).write_text(json.dumps(objects))
        self.choose(VERSIONS[0])

    def choose(self, version: str) -> None:
        """As for ours."""
        self._version = version

    def release(self) -> None:
        """As for ours."""
        kubectl(self._env, "apply", "-f", str(self._manifest(self._version)))
        kubectl(
            self._env, "rollout", "status", "deployment", "--namespace", NAMESPACES[KUBECTL],
            "--selector", NAMED, "--timeout", "60s",
        )  # fmt: skip

    def preview(self) -> None:
        """As for ours, by the server's dry run."""
        kubectl(self._env, "apply", "--dry-run=server", "-f", str(self._manifest(self._version)))

    def _manifest(self, version: str) -> Path:
        return self._folder / f"{version}.json"


Contender = Ours | Flat | Kubectl


def flat_config(objects: list[manifests.Object], image: str, release: str) -> dict[str, Any]:
    """The flat program's config for what our live objects are; what a release changes is in it."""
    namespace, *rest = objects
    server = next(one for one in rest if one["kind"] == "Deployment")
    return {
        "namespace": NAMESPACES[FLAT],
        "image": image,
        "release": release,
        "annotations": namespace["metadata"]["annotations"],
        "config-hash": server["spec"]["template"]["metadata"]["annotations"]["antgent/config-hash"],
    }


def differences(env: Mapping[str, str]) -> list[str]:
    """The objects in which the contenders' clusters differ; empty when the comparison is fair."""
    seen = {
        name: manifests.comparable(manifests.live(env, space), space) for name, space in NAMESPACES.items()
    }
    keys = sorted({key for one in seen.values() for key in one})
    return [
        f"{key}: {name}"
        for name in (FLAT, KUBECTL)
        for key in keys
        if seen[name].get(key) != seen[OURS].get(key)
    ]


def settled(env: Mapping[str, str]) -> bool:
    """Whether every contender has its pods and none that is still ending."""
    pods = json.loads(kubectl(env, "get", "pods", "--all-namespaces", "-l", NAMED, "-o", "json"))["items"]
    return len(pods) == PODS * len(NAMESPACES)
