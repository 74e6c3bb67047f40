"""The engine's provider protocol over gRPC, once for all stand-ins (base.py says how to write one)."""

# gRPC gives every method its context, needed or not.
# ruff: noqa: ARG002

import contextlib
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from sandbox.providers.base import Provider
from sandbox.providers.resource import CheckError, PartlyCreatedError, Props, Resource
from sandbox.providers.responses import abort_partly, check_failures, diff_response
from sandbox.providers.session import Call, ProviderError, Session
from sandbox.providers.values import UnsupportedValueError, conceal, from_struct, reveal, to_struct

MAX_SESSIONS = 64

CheckFunction = Callable[[Call, Props, Props], Props]


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one provider to any number of engines, each with a session of its own."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._name = f"the {provider.package} stand-in"
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def stop(self) -> None:
        """Cancel whatever runs; the server is about to end."""
        for session in list(self._sessions.values()):
            session.cancel()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        session = Session(context.peer())
        session.attach(request.address)
        self._remember(context, session)
        return empty_pb2.Empty()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        # Like the official plugins; left to the generated class, it would put a stack trace into the log.
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "method Handshake not implemented")

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._check(request, context, self._provider.check_config)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._call(request, context) as call:
            olds = from_struct(request.old_inputs or request.olds)
            diff = self._provider.diff_config(call, reveal(olds)[0], reveal(from_struct(request.news))[0])
            empty = not diff.is_change and diff.changed is None
            return provider_pb2.DiffResponse() if empty else diff_response(diff)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        session = self._session(context)
        with self._call(request, context):
            session.config, _ = reveal(from_struct(request.args))
            session.client = self._provider.connect(session.config)
            return provider_pb2.ConfigureResponse(
                acceptSecrets=self._provider.accept_secrets,
                supportsPreview=True,
                supports_autonaming_configuration=True,
            )

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._check(request, context, self._checked)

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
            function = self._provider.functions.get(request.tok)
            if function is None:
                known = _list(self._provider.functions)
                raise ProviderError(f"{request.tok} is not a function of {self._name}: {known}")
            (args,) = self._opened(call, request.args)
            try:
                result = function(call, args)
            except CheckError as failed:
                return provider_pb2.InvokeResponse(failures=check_failures(failed))
            response = provider_pb2.InvokeResponse()
            # A field named by a keyword of Python cannot be written any other way.
            getattr(response, "return").CopyFrom(self._closed(call, result))
            return response

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._session(context).cancel()
        return empty_pb2.Empty()

    # The common parts of the calls.

    def _check(self, request: Any, context: grpc.ServicerContext, check: CheckFunction) -> Any:
        with self._call(request, context) as call:
            # What was secret the last time need not be so any more: the new inputs decide.
            old, _ = reveal(from_struct(request.olds))
            (new,) = self._opened(call, request.news)
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
        resource = self._provider.resource_for(call.type)
        if resource is None:
            known = _list(resource.token for resource in self._provider.resources)
            raise ProviderError(f"{call.type} is not a resource type of {self._name}: {known}")
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
    def _call(self, request: Any, context: grpc.ServicerContext) -> Generator[Call]:
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
                f"{where} failed in {self._name}: {type(error).__name__}: {error}\n"
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
            _, oldest = self._sessions.popitem(last=False)
            if oldest not in self._sessions.values():
                oldest.close()


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
