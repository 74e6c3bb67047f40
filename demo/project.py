"""The demo's own project: release, staging and prod on the sandbox's cluster, in the sandbox's state."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from sandbox.assembly import Sandbox
from sandbox.engine import ensure_engine
from sandbox.engine_env import engine_env
from sandbox.paths import CHECKOUT, Home, make_folder
from sandbox.pulumi_cli import Pulumi

STACKS = ("release", "staging", "prod")
GOOD = ("v0.3.1", "v0.3.2")
BAD = "v0.3.3"
"""A tag whose image says that it is another version."""
SHOWN = ("PATH", "KUBECONFIG", "DOCKER_HOST", "PULUMI_", "SANDBOX_")


def make(sandbox: Sandbox) -> tuple[Path, dict[str, str]]:
    """Write the project anew; its stacks and their history stay. Returns its folder and its environment."""
    home = Home(sandbox.home.root / "demo")
    folder = make_folder(home.root / "project", "make it writable, or set ANTGENT_SANDBOX_HOME")
    # A state of its own, so that the stacks of `make up` and those of the demo are not the same.
    env = {**sandbox.env, **engine_env(ensure_engine(), home)}
    env["PATH"] = f"{home.root / 'pulumi' / 'bin'}:{sandbox.env['PATH']}"
    project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | {"main": str(CHECKOUT)}, sort_keys=False))
    _copy_image(folder / "image")
    for stack, config in _configs(folder / "image").items():
        text = yaml.safe_dump(
            {"config": {f"antgent:{key}": value for key, value in config.items()}}, sort_keys=False
        )
        (folder / f"Pulumi.{stack}.yaml").write_text(f"# The demo's {stack}.\n{text}")
        Pulumi(folder, stack, env).stack_init()
    _write_exports(folder / "env.sh", env)
    return folder, env


def _copy_image(into: Path) -> None:
    """The build's folder, with pins for a release that does not exist: those of the one before it."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(CHECKOUT / "image", into, ignore=shutil.ignore_patterns("__pycache__"))
    pins = into / "pins"
    shutil.copy(pins / f"antgent-{GOOD[1][1:]}.txt", pins / f"antgent-{BAD[1:]}.txt")


def _configs(image: Path) -> dict[str, dict[str, Any]]:
    """What the stack file of one developer's machine says, cut into three stacks."""
    shipped = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text())["config"]
    local = {key.removeprefix("antgent:"): value for key, value in shipped.items()}
    build = local["build"] | {"context": str(image), "dockerfile": str(image / "Dockerfile")}
    registry = local["registry"] | {"repository": "antgent-demo"}
    service = {key: value for key, value in local["service"].items() if key != "docker"}
    check = {"http": [{"path": "/version", "field": "version", "successes": 3}], "deadline": 60}
    found: dict[str, dict[str, Any]] = {
        "release": {"imageTag": GOOD[0], "registry": registry, "build": build}
    }
    for stack, source, replicas in (("staging", "release", 1), ("prod", "staging", 2)):
        found[stack] = {
            "imageTag": GOOD[0],
            "promoteFrom": source,
            "service": service
            | {
                "runtime": "kubernetes",
                "kubernetes": {"namespace": f"antgent-demo-{stack}"},
                "server": {**service.get("server", {}), "replicas": replicas},
            },
        }
    found["staging"]["verify"] = check | {"worker": local["verify"]["worker"]}
    return found


def _write_exports(file: Path, env: dict[str, str]) -> None:
    lines = [
        f"export {key}={shlex.quote(value)}" for key, value in sorted(env.items()) if key.startswith(SHOWN)
    ]
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
