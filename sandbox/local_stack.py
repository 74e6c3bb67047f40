"""The stack that the sandbox deploys: its file, its `up` and its outputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from sandbox import assembly, cluster, stack_names
from sandbox.assembly import PROVIDERS, Sandbox
from sandbox.console import say, step
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home
from sandbox.pulumi_cli import Pulumi

SERVICE, REGISTRY, SOURCE = "antgent:service", "antgent:registry", "antgent:promoteFrom"


def runtime(stack: str) -> str:
    """The runtime word of a stack file; `docker` where it runs nothing.

    Raises:
        SandboxError: there is no such stack file, or its runtime does not run in the sandbox.
    """
    return known_runtime((_config(stack).get(SERVICE) or {}).get("runtime", "docker"))


def chain(stack: str) -> list[str]:
    """The stack after those that it promotes from: `release`, `staging`, `prod`.

    Raises:
        SandboxError: one of them is no stack of this checkout, or they go round in a circle.
    """
    found: list[str] = []
    source: str | None = stack
    while source:
        if source in found:
            raise SandboxError(
                f"{source} promotes from itself, by way of {', '.join(found)}",
                fix=f"pulumi config set {SOURCE} release --stack {source}",
            )
        found.append(source)
        source = _config(source).get(SOURCE)
    return found[::-1]


def uses_aws(stacks: Sequence[str]) -> bool:
    """Whether one of the stacks runs on ECS, or owns an ECR registry."""
    configs = [_config(stack) for stack in stacks]
    return any(
        (one.get(SERVICE) or {}).get("runtime") == "ecs" or (one.get(REGISTRY) or {}).get("kind") == "ecr"
        for one in configs
    )


def kube_context(stack: str) -> str | None:
    """The kubeconfig context that a stack file names; None for the sandbox's own cluster.

    What goes with the sandbox's AWS runs in its own cluster, which then answers to that name too.
    """
    if uses_aws(chain(stack)):
        return None
    return ((_config(stack).get(SERVICE) or {}).get("kubernetes") or {}).get("context")


def start(home: Home, stack: str, wanted_runtime: str | None = None) -> Sandbox:
    """Start what the stack and those that it promotes from need.

    Args:
        wanted_runtime: the runtime it shall have. Defaults to what its file says.
    """
    word = known_runtime(wanted_runtime) if wanted_runtime else runtime(stack)
    with_aws = uses_aws(chain(stack)) or word == "ecs"
    named = stack_names.read() if with_aws else None
    return assembly.start(home, word, with_aws=with_aws, named=named, context=kube_context(stack))


def deploy(sandbox: Sandbox, stack: str, wanted_runtime: str | None = None) -> dict[str, Any]:
    """Run `pulumi up` on the stack, after those that it promotes from, and return its outputs.

    Args:
        wanted_runtime: written into the stack file first when it differs, since a stack's runtime is
            what its file says. Defaults to leaving the file alone.

    Raises:
        SandboxError: an `up` failed; the message is the engine's own.
    """
    if wanted_runtime:
        _set_runtime(stack, known_runtime(wanted_runtime))
    for one in chain(stack):
        engine = Pulumi(CHECKOUT, one, sandbox.env)
        with step(f"pulumi up --stack {one}"):
            engine.stack_init()
            # What a hand removed since the last run is found by the refresh, and put back.
            engine.up("--refresh", stream=True)
    return Pulumi(CHECKOUT, stack, sandbox.env).outputs()


def outputs(sandbox: Sandbox, stack: str) -> dict[str, Any]:
    """The stack's outputs.

    Raises:
        SandboxError: nothing is deployed.
    """
    found = Pulumi(CHECKOUT, stack, sandbox.env).outputs()
    if "url" not in found:
        raise SandboxError(f"the stack {stack} runs nothing yet", fix=f"make up STACK={stack}")
    return found


def address(sandbox: Sandbox, stack: str) -> str:
    """Where this machine reaches a stack's server; see `reachable` for how that differs from its URL.

    Raises:
        SandboxError: nothing is deployed.
    """
    return reachable(sandbox, Pulumi(CHECKOUT, stack, sandbox.env), outputs(sandbox, stack)["url"])


def reachable(sandbox: Sandbox, engine: Pulumi, url: str) -> str:
    """The URL as this machine can open it.

    In the sandbox's own cluster that is the Service's address: the cluster's names are known to its
    pods only, and nothing there serves an Ingress. Anywhere else it is `url`.

    Args:
        engine: the stack's.
        url: the stack's own output.
    """
    ours = cluster.find_cluster(sandbox.home)
    if ours is None or sandbox.env.get("KUBECONFIG") != str(ours.kubeconfig):
        return url
    resources = engine.export()["deployment"].get("resources", [])
    found = [one["outputs"]["spec"] for one in resources if one["type"] == "kubernetes:core/v1:Service"]
    return f"http://{found[0]['clusterIP']}:{found[0]['ports'][0]['port']}" if found else url


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
    if SERVICE not in document["config"]:
        raise SandboxError(f"{file.name} runs nothing, so it has no runtime", fix=f"make up STACK={stack}")
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


def _config(stack: str) -> dict[str, Any]:
    return _read(_file(stack)).get("config") or {}


def _read(file: Path) -> Any:
    return _yaml().load(file.read_text()) or {}


def _yaml() -> YAML:
    """Comments, order and quotes stay as they are."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
