"""The provider protocol, once for all stand-ins.

A stand-in is a `Provider` with `Resource`s; everything of gRPC, secrets, unknowns, sessions,
cancelling and errors is here. The shortest one:

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

import contextlib
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox.providers.diffs import Diff, compare
from sandbox.providers.resource import CheckError, PartlyCreatedError, Props, Resource
from sandbox.providers.responses import abort_partly, check_failures, diff_response
from sandbox.providers.session import Call, CancelledError, ProviderError, Session
from sandbox.providers.values import (
    UNKNOWN,
    Secret,
    UnsupportedValueError,
    conceal,
    from_struct,
    reveal,
    to_struct,
)

__all__ = [
    "UNKNOWN", "Call", "CancelledError", "CheckError", "Diff", "PartlyCreatedError", "Props", "Provider",
    "ProviderError", "Resource", "Secret", "compare",
]  # fmt: skip

MAX_SESSIONS = 64

Check = Callable[[Call, Props, Props], Props]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `resources` and `functions` to engines; see the module's docstring.

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

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._by_token = {resource.token: resource for resource in self.resources}

    # What a subclass overrides.

    @property
    def version(self) -> str:
        from importlib.metadata import version

        return version(f"pulumi-{self.package}")

    def resource_for(self, token: str) -> Resource | None:
        """What handles a resource type; None when nothing does. Default: the one of `resources`."""
        return self._by_token.get(token)

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

    def stop(self) -> None:
        """Cancel whatever runs; the server is about to end."""
        for session in list(self._sessions.values()):
            session.cancel()

    # The protocol.

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        session = Session(context.peer())
        session.attach(request.address)
        self._remember(context, session)
        return empty_pb2.Empty()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        # Like the official plugins; left to the generated class, it would put a stack trace into the log.
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Handshake not implemented")

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._check(request, context, self.check_config)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            olds = from_struct(request.old_inputs or request.olds)
            diff = self.diff_config(call, reveal(olds)[0], reveal(from_struct(request.news))[0])
            empty = not diff.is_change and diff.changed is None
            return provider_pb2.DiffResponse() if empty else diff_response(diff)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        session = self._session(context)
        with self._call(request, context):
            session.config, _ = reveal(from_struct(request.args))
            session.client = self.connect(session.config)
            session.configured = True
            return provider_pb2.ConfigureResponse(
                acceptSecrets=self.accept_secrets,
                supportsPreview=True,
                supports_autonaming_configuration=True,
            )

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._check(request, context, lambda call, old, new: self._checked(call, old, new))

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            old, outputs, new = self._opened(call, request.old_inputs, request.olds, request.news)
            return diff_response(self._resource(call).diff(call, request.id, old, outputs, new))

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            resource = self._resource(call)
            (inputs,) = self._opened(call, request.properties)
            if request.preview:
                outputs = resource.preview_create(call, inputs)
                return provider_pb2.CreateResponse(properties=self._closed(call, outputs))
            id, outputs = resource.create(call, inputs)
            return provider_pb2.CreateResponse(id=id, properties=self._closed(call, outputs))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            inputs, outputs = self._opened(call, request.inputs, request.properties)
            found = self._resource(call).read(call, request.id, inputs, outputs)
            if found is None:
                return provider_pb2.ReadResponse()
            id, inputs, outputs = found
            return provider_pb2.ReadResponse(
                id=id, inputs=self._closed(call, inputs), properties=self._closed(call, outputs)
            )

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            resource = self._resource(call)
            old, outputs, new = self._opened(call, request.old_inputs, request.olds, request.news)
            if request.preview:
                outputs = resource.preview_update(call, request.id, outputs, new)
            else:
                outputs = resource.update(call, request.id, old, outputs, new)
            return provider_pb2.UpdateResponse(properties=self._closed(call, outputs))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        with self._call(request, context) as call:
            inputs, outputs = self._opened(call, request.old_inputs, request.properties)
            self._resource(call).delete(call, request.id, inputs, outputs)
            return empty_pb2.Empty()

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            function = self.functions.get(request.tok)
            if function is None:
                known = _list(self.functions)
                raise ProviderError(
                    f"{request.tok} is not a function of the {self.package} stand-in: {known}"
                )

            (args,) = self._opened(call, request.args)
            try:
                result = function(call, args)
            except CheckError as failed:
                return provider_pb2.InvokeResponse(failures=check_failures(failed))
            return provider_pb2.InvokeResponse(**{"return": self._closed(call, result)})

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._session(context).cancel()
        return empty_pb2.Empty()

    # The common parts of the calls.

    def _check(
        self, request: Any, context: grpc.ServicerContext, check: Callable[[Call, Props, Props], Props]
    ) -> Any:
        with self._call(request, context) as call:
            old, new = self._opened(call, request.olds, request.news)
            try:
                return provider_pb2.CheckResponse(inputs=self._closed(call, check(call, old, new)))
            except CheckError as failed:
                return provider_pb2.CheckResponse(inputs=request.news, failures=check_failures(failed))

    def _checked(self, call: Call, old: Props, new: Props) -> Props:
        resource = self._resource(call)
        if resource.args:
            from sandbox.providers.sdk_types import problems

            if failures := problems(resource.args, new):
                raise CheckError(failures)
        return resource.check(call, old, new)

    def _resource(self, call: Call) -> Resource:
        resource = self.resource_for(call.type)
        if resource is None:
            known = _list(self._by_token)
            raise ProviderError(f"{call.type} is not a resource type of the {self.package} stand-in: {known}")
        return resource

    def _opened(self, call: Call, *structs: Any) -> list[Props]:
        """The plain form of each; what was secret in any is remembered for `_closed`."""
        opened = []
        for struct in structs:
            values, paths = reveal(from_struct(struct))
            call.secrets |= paths
            opened.append(values)
        return opened

    def _closed(self, call: Call, values: Props) -> Any:
        return to_struct(conceal(values, call.secrets))

    @contextlib.contextmanager
    def _call(self, request: Any, context: grpc.ServicerContext) -> Iterator[Call]:
        """One call: known to its session, and with every failure turned into words."""
        session = self._session(context)
        call = Call(session, request)
        try:
            with session.running(call):
                yield call
        except PartlyCreatedError as partly:
            inputs = None if partly.inputs is None else self._closed(call, partly.inputs)
            abort_partly(context, partly, self._closed(call, partly.outputs), inputs)
        except ProviderError as error:
            context.abort(error.code, str(error))
        except (CheckError, UnsupportedValueError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # noqa: BLE001 whatever it is, the user must not see a stack trace
            traceback.print_exc(file=sys.stderr)
            method = type(request).__name__.removesuffix("Request")
            where = f"{method} of {call.urn}" if call.urn else method
            context.abort(
                grpc.StatusCode.UNKNOWN,
                f"{where} failed in the {self.package} stand-in: {type(error).__name__}: {error}\n"
                "  fix: see the stand-in's log for the details",
            )

    def _session(self, context: grpc.ServicerContext) -> Session:
        """The caller's session; an engine that had to reconnect gets the last one."""
        session = self._sessions.get(context.peer())
        if session is None:
            session = next(reversed(self._sessions.values()), None) or Session(context.peer())
            self._remember(context, session)
        return session

    def _remember(self, context: grpc.ServicerContext, session: Session) -> None:
        self._sessions[context.peer()] = session
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
