"""Speaks to the Docker stand-in as the engine does, without an engine."""

from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2

from sandbox.providers.values import from_struct, to_struct
from tests.engine.docker_replay import stub

Props = dict[str, Any]
# What is raised has details() and more, which gRPC's own type does not say.
RpcError: Any = grpc.RpcError


class Client:
    """Speaks to the stand-in as the engine does: check, then create; diff against what came out."""

    def __init__(self, port: int, host: str, mark: str) -> None:
        self.mark = mark
        self.stub = stub(port)
        self.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"host": host})), timeout=30)

    def urn(self, kind: str) -> str:
        return f"urn:pulumi:dev::test::docker:index/{kind.lower()}:{kind}::{self.mark}"

    def check(self, kind: str, inputs: Props) -> Any:
        request = provider_pb2.CheckRequest(urn=self.urn(kind), news=to_struct(inputs), randomSeed=b"seed")
        return self.stub.Check(request, timeout=30)

    def create(self, kind: str, inputs: Props, seconds: float = 120) -> tuple[str, Props, Props]:
        checked = self.check(kind, inputs)
        assert list(checked.failures) == []
        request = provider_pb2.CreateRequest(urn=self.urn(kind), properties=checked.inputs)
        answer = self.stub.Create(request, timeout=seconds)
        return answer.id, from_struct(checked.inputs), from_struct(answer.properties)

    def diff(self, kind: str, id: str, inputs: Props, outputs: Props, new: Props) -> dict[str, str]:
        request = provider_pb2.DiffRequest(
            urn=self.urn(kind),
            id=id,
            olds=to_struct(outputs),
            old_inputs=to_struct(inputs),
            news=self.check(kind, new).inputs,
        )
        changes = self.stub.Diff(request, timeout=30).detailedDiff
        return {path: provider_pb2.PropertyDiff.Kind.Name(change.kind) for path, change in changes.items()}

    def update(self, kind: str, id: str, inputs: Props, outputs: Props, new: Props) -> Props:
        request = provider_pb2.UpdateRequest(
            urn=self.urn(kind),
            id=id,
            olds=to_struct(outputs),
            old_inputs=to_struct(inputs),
            news=self.check(kind, new).inputs,
        )
        return from_struct(self.stub.Update(request, timeout=60).properties)

    def delete(self, kind: str, id: str, inputs: Props, outputs: Props) -> None:
        request = provider_pb2.DeleteRequest(
            urn=self.urn(kind), id=id, properties=to_struct(outputs), old_inputs=to_struct(inputs)
        )
        self.stub.Delete(request, timeout=60)


def sleeper(client: Client, image: str, **more: Any) -> Props:
    command = ["/bin/busybox", "sleep", "600"]
    return {"name": client.mark, "image": image, "command": command, "mustRun": False, "init": True, **more}
