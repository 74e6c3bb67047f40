"""Speaks to the AWS stand-in as the engine does, without an engine."""

import json
import uuid
from typing import Any

import boto3
import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.aws import KEY_ID, KEY_SECRET, REGION, SERVICES
from sandbox.providers.values import from_struct, to_struct

Props = dict[str, Any]
# What is raised has details() and more, which gRPC's own type does not say.
RpcError: Any = grpc.RpcError


class Made:
    """A resource that the stand-in created.

    Attributes:
        type, id, inputs, outputs: as state has them.
    """

    def __init__(self, kind: str, id: str, inputs: Props, outputs: Props) -> None:
        self.type, self.id, self.inputs, self.outputs = kind, id, inputs, outputs

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]


class Client:
    """Check, create, diff, update, read and delete, each as one `pulumi` command would.

    Args:
        port: of the stand-in.
        config: more provider settings, beside the region. Defaults to none.
    """

    def __init__(self, port: int, endpoint: str, config: Props | None = None) -> None:
        self.endpoint = endpoint
        self.stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        everywhere = json.dumps([dict.fromkeys(SERVICES, endpoint)])
        keys = {"accessKey": KEY_ID, "secretKey": KEY_SECRET}
        self.config = {"region": REGION, "endpoints": everywhere, **keys, **(config or {})}
        self.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(self.config)), timeout=60)
        self.seed = uuid.uuid4().bytes

    def check(self, kind: str, inputs: Props, old: Props | None = None, name: str = "thing") -> Any:
        request = provider_pb2.CheckRequest(
            urn=urn(kind, name), news=to_struct(inputs), olds=to_struct(old or {}), randomSeed=self.seed
        )
        return self.stub.Check(request, timeout=60)

    def problems(self, kind: str, inputs: Props) -> dict[str, str]:
        return {one.property: one.reason for one in self.check(kind, inputs).failures}

    def create(self, kind: str, inputs: Props, name: str = "thing") -> Made:
        checked = self.check(kind, inputs, name=name)
        assert [f"{one.property}: {one.reason}" for one in checked.failures] == []
        request = provider_pb2.CreateRequest(urn=urn(kind, name), properties=checked.inputs)
        answer = self.stub.Create(request, timeout=120)
        return Made(kind, answer.id, from_struct(checked.inputs), from_struct(answer.properties))

    def half_created(self, kind: str, inputs: Props, name: str = "thing") -> Made:
        """What state keeps of a creation that AWS broke off."""
        checked = self.check(kind, inputs, name=name)
        request = provider_pb2.CreateRequest(urn=urn(kind, name), properties=checked.inputs)
        try:
            self.stub.Create(request, timeout=120)
        except RpcError as error:
            details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        else:
            raise AssertionError("it was created as a whole")
        kept = provider_pb2.ErrorResourceInitFailed()
        status_pb2.Status.FromString(details).details[0].Unpack(kept)
        return Made(kind, kept.id, from_struct(checked.inputs), from_struct(kept.properties))

    def diff(self, made: Made, inputs: Props) -> Any:
        """What the inputs would change: path to kind; {} is no change."""
        answer = self.stub.Diff(self._change(provider_pb2.DiffRequest, made, inputs), timeout=60)
        return {
            path: provider_pb2.PropertyDiff.Kind.Name(one.kind) for path, one in answer.detailedDiff.items()
        }

    def update(self, made: Made, inputs: Props) -> Made:
        request = self._change(provider_pb2.UpdateRequest, made, inputs)
        outputs = from_struct(self.stub.Update(request, timeout=120).properties)
        return Made(made.type, made.id, from_struct(request.news), outputs)

    def read(self, made: Made) -> Made | None:
        request = provider_pb2.ReadRequest(
            urn=urn(made.type), id=made.id, inputs=to_struct(made.inputs), properties=to_struct(made.outputs)
        )
        answer = self.stub.Read(request, timeout=60)
        if not answer.id:
            return None
        return Made(made.type, answer.id, from_struct(answer.inputs), from_struct(answer.properties))

    def delete(self, made: Made) -> None:
        request = provider_pb2.DeleteRequest(
            urn=urn(made.type),
            id=made.id,
            properties=to_struct(made.outputs),
            old_inputs=to_struct(made.inputs),
        )
        self.stub.Delete(request, timeout=60)

    def invoke(self, token: str, args: Props) -> Props:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=to_struct(args)), timeout=60)
        assert [f"{one.property}: {one.reason}" for one in answer.failures] == []
        return from_struct(getattr(answer, "return"))

    def boto(self, service: str) -> Any:
        """AWS's own client on the same server: what a test believes."""
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id=KEY_ID,
            aws_secret_access_key=KEY_SECRET,
        )  # fmt: skip

    def _change(self, request: Any, made: Made, inputs: Props) -> Any:
        checked = self.check(made.type, inputs, made.inputs)
        assert [f"{one.property}: {one.reason}" for one in checked.failures] == []
        return request(
            urn=urn(made.type), id=made.id, olds=to_struct(made.outputs), old_inputs=to_struct(made.inputs),
            news=checked.inputs,
        )  # fmt: skip


def urn(kind: str, name: str = "thing") -> str:
    return f"urn:pulumi:dev::test::{kind}::{name}"
