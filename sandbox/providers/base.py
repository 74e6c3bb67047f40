"""How a stand-in is written.

A stand-in is a `Provider` with `Resource`s; everything of gRPC, secrets, unknowns, sessions,
cancelling and errors is done for it (protocol.py). The shortest one:

    class Network(Resource):
        token = "docker:index/network:Network"
        args = "pulumi_docker:NetworkArgs"      # the SDK's class: names and types of the inputs
        def create(self, call, inputs):
            found = call.client.networks.create(inputs["name"])
            return found.id, {**inputs, "driver": found.attrs["Driver"]}
        def delete(self, call, id, inputs, outputs):
            call.client.networks.get(id).remove()

    class Docker(Provider):
        package = "docker"
        resources = (Network(),)
        def connect(self, config):              # result becomes `call.client`
            return docker.DockerClient(config["host"])

    serve(Docker(), port=0)                     # serving.py; __main__.py has the table of stand-ins

Handlers take and return plain dicts (values.py): secrets are opened before a handler runs and
closed again in what it returns, by path (`Secret(...)` closes more; `call.secrets` says what was
secret); an unknown is the string `UNKNOWN` and appears only in `check`, `diff` and previews.
`call` (session.py) has `urn`, `name`, `type`, `preview`, `timeout`, `client`, `config`, `log()`,
`status()` (progress), `sleep()`, `on_cancel()`, `check_cancelled()`.

Failing: `ProviderError(text)` is shown word for word; `CheckError({property: reason})` from
`check`; `PartlyCreatedError(id, outputs, reasons)` from `create`, `update` or `read` keeps a broken
resource in state; anything else becomes one line that names the call, its traceback goes to the
stand-in's stderr.

What is refused without a handler's doing: unknown resource types and functions, unknown
properties, values of a wrong type, missing required properties.
"""

# An interface names arguments that its defaults do not use.
# ruff: noqa: ARG002

from collections.abc import Callable
from typing import Any, ClassVar

from sandbox.providers.diffs import Diff, compare
from sandbox.providers.resource import CheckError, PartlyCreatedError, Props, Resource
from sandbox.providers.session import Call, CancelledError, ProviderError
from sandbox.providers.values import UNKNOWN, Secret

__all__ = [
    "UNKNOWN", "Call", "CancelledError", "CheckError", "Diff", "PartlyCreatedError", "Props", "Provider",
    "ProviderError", "Resource", "Secret", "compare",
]  # fmt: skip


class Provider:
    """Resources and functions of one package; see the module's docstring.

    Class attributes:
        package: the name of the package, as in `pulumi_<package>`.
        version: what the engine is told. Defaults to the installed SDK's version.
        accept_secrets: whether the official plugin takes secrets as such (else the engine opens
            them and closes outputs of the same name by itself). Defaults to true.
        functions: token to `function(call, args) -> result`.
    """

    package: ClassVar[str] = ""
    accept_secrets: ClassVar[bool] = True
    resources: ClassVar[tuple[Resource, ...]] = ()
    functions: ClassVar[dict[str, Callable[[Call, Props], Props]]] = {}

    @property
    def version(self) -> str:
        from importlib.metadata import version

        return version(f"pulumi-{self.package}")

    def resource_for(self, token: str) -> Resource | None:
        """What handles a resource type; None when nothing does. Default: the one of `resources`."""
        return next((resource for resource in self.resources if resource.token == token), None)

    def check_config(self, call: Call, old: Props, new: Props) -> Props:
        """The provider's own inputs, checked (raise `CheckError`)."""
        return new

    def diff_config(self, call: Call, old: Props, new: Props) -> Diff:
        """What a change of the provider's inputs means for its resources. Default: nothing."""
        return Diff(has_detailed=False, changed=None)

    def connect(self, config: Props) -> Any:
        """Make what handlers find as `call.client`; raise `ProviderError` when nothing answers."""
        return None

    def warm_up(self) -> None:
        """Runs once in the background after the start: import what the first call would wait for."""
