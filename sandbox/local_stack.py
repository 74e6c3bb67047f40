"""The stack that the sandbox deploys: its file, its `up` and its outputs."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sandbox.assembly import PROVIDERS, Sandbox
from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT
from sandbox.pulumi_cli import Pulumi

SERVICE = "antgent:service"


def runtime(stack: str) -> str:
    """The runtime word of a stack file.

    Raises:
        SandboxError: there is no such stack file, or its runtime does not run in the sandbox.
    """
    word = (_read(_file(stack)).get("config", {}).get(SERVICE) or {}).get("runtime", "docker")
    return known_runtime(word)


def kube_context(stack: str) -> str | None:
    """The kubeconfig context that a stack file names; None for the sandbox's own cluster."""
    service = _read(_file(stack)).get("config", {}).get(SERVICE) or {}
    return (service.get("kubernetes") or {}).get("context")


def deploy(sandbox: Sandbox, stack: str, wanted_runtime: str | None = None) -> dict[str, Any]:
    """Run `pulumi up` on the stack and return its outputs.

    Args:
        wanted_runtime: written into the stack file first when it differs, since a stack's runtime is
            what its file says. Defaults to leaving the file alone.

    Raises:
        SandboxError: the `up` failed; the message is the engine's own.
    """
    if wanted_runtime:
        _set_runtime(stack, known_runtime(wanted_runtime))
    engine = Pulumi(CHECKOUT, stack, sandbox.env)
    with step(f"pulumi up --stack {stack}"):
        engine.stack_init()
        # What a hand removed since the last run is found by the refresh, and put back.
        engine.up("--refresh", stream=True)
    return engine.outputs()


def outputs(sandbox: Sandbox, stack: str) -> dict[str, Any]:
    """The stack's outputs.

    Raises:
        SandboxError: nothing is deployed.
    """
    found = Pulumi(CHECKOUT, stack, sandbox.env).outputs()
    if "url" not in found:
        raise SandboxError(f"the stack {stack} runs nothing yet", fix=f"make up STACK={stack}")
    return found


def known_runtime(word: str) -> str:
    """The word, when the sandbox runs that runtime.

    Raises:
        SandboxError: it does not.
    """
    if word not in PROVIDERS:
        raise SandboxError(
            f"the sandbox does not run the runtime {word!r}, only {', '.join(PROVIDERS)}",
            fix="make up RUNTIME=docker",
        )
    return word


def _set_runtime(stack: str, wanted: str) -> None:
    file = _file(stack)
    document = _read(file)
    if document["config"][SERVICE]["runtime"] == wanted:
        return
    say(f"  {file.name}: {SERVICE}.runtime {document['config'][SERVICE]['runtime']} → {wanted}")
    document["config"][SERVICE]["runtime"] = wanted
    with file.open("w") as out:
        _yaml().dump(document, out)


def _file(stack: str) -> Path:
    file = CHECKOUT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = ", ".join(sorted(one.suffixes[0][1:] for one in CHECKOUT.glob("Pulumi.*.yaml")))
        raise SandboxError(f"there is no stack {stack!r}; there are: {known}", fix="make up STACK=local")
    return file


def _read(file: Path) -> Any:
    return _yaml().load(file.read_text()) or {}


def _yaml() -> YAML:
    """Comments, order and quotes stay as they are."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml
