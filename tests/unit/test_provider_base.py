"""The provider protocol without any server behind it: what every stand-in inherits."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.providers.base import CheckError, PartlyCreatedError, Provider, ProviderError, Resource
from sandbox.providers.diffs import compare
from sandbox.providers.serving import start
from sandbox.providers.session import Call, project_folder
from sandbox.providers.values import UNKNOWN, Secret, conceal, from_struct, reveal, to_struct

TOKEN = "toy:index/thing:Thing"
URN = f"urn:pulumi:dev::project::{TOKEN}::one"

Props = dict[str, Any]
# What is raised has details() and more, which gRPC's own type does not say.
RpcError: Any = grpc.RpcError


class Thing(Resource):
    """A resource that does what its `do` input says."""

    token = TOKEN

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        match inputs.get("do"):
            case "fail":
                raise ProviderError("the daemon said no")
            case "crash":
                raise KeyError("boom")
            case "half":
                raise PartlyCreatedError("id-1", {**inputs, "state": "broken"}, ["not healthy"])
            case "wait":
                STARTED.set()
                call.sleep(30)
        return "id-1", {**inputs, "made": True}


class Typed(Resource):
    token = "toy:index/typed:Typed"
    args = "pulumi_docker:NetworkArgs"


class Toy(Provider):
    package = "docker"
    resources = (Thing(), Typed())

    def connect(self, config: Props) -> str:
        if config.get("host") == "nowhere":
            raise ProviderError("nothing answers at nowhere")
        return f"client of {config.get('host')}"


STARTED = threading.Event()
# Channels of one process would otherwise share a connection, which two engines do not.
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
def port() -> Iterator[int]:
    STARTED.clear()
    server, port = start(Toy())
    yield port
    server.stop(grace=0).wait(5)


@pytest.fixture
def stub(port: int) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def create(stub: Any, properties: Props, **more: Any) -> Any:
    return stub.Create(
        provider_pb2.CreateRequest(urn=URN, properties=to_struct(properties), **more), timeout=20
    )


def check(stub: Any, token: str, properties: Props) -> dict[str, str]:
    urn = URN.replace(TOKEN, token)
    answer = stub.Check(provider_pb2.CheckRequest(urn=urn, news=to_struct(properties)), timeout=20)
    return {failure.property: failure.reason for failure in answer.failures}


def test_a_secret_input_is_a_secret_output(stub: Any) -> None:
    """The promise that no secret lands in state as plain text does not depend on a handler."""
    answer = create(stub, {"password": Secret("s3cr3t"), "list": ["a", Secret("b")], "plain": 1})
    assert from_struct(answer.properties) == {
        "password": Secret("s3cr3t"),
        "list": Secret(["a", "b"]),
        "plain": 1,
        "made": True,
    }


def test_an_unknown_stays_unknown_in_a_preview(stub: Any) -> None:
    """A preview must show what it cannot know yet, not make something up."""
    answer = create(stub, {"image": UNKNOWN, "secret": Secret(UNKNOWN)}, preview=True)
    assert answer.id == ""
    assert from_struct(answer.properties) == {"image": UNKNOWN, "secret": Secret(UNKNOWN)}


def test_an_unknown_resource_type_is_refused_by_name(stub: Any) -> None:
    """A type that the stand-in lacks must never look as if it had been created."""
    request = provider_pb2.CreateRequest(urn=URN.replace(TOKEN, "toy:index/other:Other"))
    with pytest.raises(RpcError, match="toy:index/other:Other is not a resource type") as refused:
        stub.Create(request, timeout=20)
    assert TOKEN in refused.value.details()


def test_an_unknown_function_is_refused_by_name(stub: Any) -> None:
    """Likewise for functions."""
    with pytest.raises(RpcError, match="toy:index/look:look is not a function"):
        stub.Invoke(provider_pb2.InvokeRequest(tok="toy:index/look:look"), timeout=20)


def test_every_wrong_property_is_reported_at_once(stub: Any) -> None:
    """Names, types and required properties come from the SDK, and nested ones count."""
    failures = check(
        stub,
        "toy:index/typed:Typed",
        {"nme": "x", "ipv6": "yes", "labels": [{"label": "a"}], "options": {"mtu": 1}, "driver": UNKNOWN},
    )
    assert failures == {
        "nme": "is not a property of Network; did you mean `name`?",
        "ipv6": "must be true or false",
        "labels[0].value": "is required",
        "options.mtu": "must be a string",
    }


def test_right_properties_pass(stub: Any) -> None:
    """The check must not refuse what the SDK allows."""
    assert (
        check(stub, "toy:index/typed:Typed", {"name": "net", "labels": [{"label": "a", "value": "b"}]}) == {}
    )


def test_a_providers_own_words_reach_the_user(stub: Any) -> None:
    """Errors of the API are passed on as they are."""
    with pytest.raises(RpcError) as failed:
        create(stub, {"do": "fail"})
    assert failed.value.details() == "the daemon said no"


def test_a_bug_is_one_readable_line(stub: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """No stack trace reaches the user; the log has it."""
    with pytest.raises(RpcError) as failed:
        create(stub, {"do": "crash"})
    assert failed.value.details().startswith(
        f"Create of {URN} failed in the docker stand-in: KeyError: 'boom'"
    )
    assert "Traceback" not in failed.value.details()
    assert "Traceback" in capfd.readouterr().err


def test_a_partly_created_resource_is_handed_over(stub: Any) -> None:
    """The engine must get id, outputs (secrets closed) and reasons, or it would forget the resource."""
    with pytest.raises(RpcError) as failed:
        create(stub, {"do": "half", "password": Secret("s3cr3t")})
    metadata = dict(failed.value.trailing_metadata())
    (detail,) = status_pb2.Status.FromString(metadata["grpc-status-details-bin"]).details
    error = provider_pb2.ErrorResourceInitFailed()
    assert detail.Unpack(error)
    assert (error.id, list(error.reasons)) == ("id-1", ["not healthy"])
    assert from_struct(error.properties) == {"do": "half", "password": Secret("s3cr3t"), "state": "broken"}


def test_a_configuration_that_cannot_work_fails(stub: Any) -> None:
    """A daemon that does not answer is said before any resource is touched."""
    request = provider_pb2.ConfigureRequest(args=to_struct({"host": "nowhere"}))
    with pytest.raises(RpcError) as failed:
        stub.Configure(request, timeout=20)
    assert failed.value.details() == "nothing answers at nowhere"


def test_cancel_ends_running_work_of_its_engine_only(port: int, stub: Any) -> None:
    """Ctrl-C must not wait for a wait; and one engine's end must not stop another's work."""
    pending = stub.Create.future(
        provider_pb2.CreateRequest(urn=URN, properties=to_struct({"do": "wait"})), timeout=20
    )
    assert STARTED.wait(10)
    with grpc.insecure_channel(f"127.0.0.1:{port}", OWN_CONNECTION) as other:
        foreign = provider_pb2_grpc.ResourceProviderStub(other)
        foreign.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"), timeout=20)
        foreign.Cancel(empty_pb2.Empty(), timeout=20)
        assert not pending.done()
    stub.Cancel(empty_pb2.Empty(), timeout=20)
    assert pending.exception(timeout=10).code() == grpc.StatusCode.CANCELLED
    assert create(stub, {}).id == "id-1", "a later call is not cancelled"


def test_calls_run_at_the_same_time(stub: Any) -> None:
    """The engine asks for independent resources in parallel; one that waits must not hold up the rest."""
    pending = stub.Create.future(
        provider_pb2.CreateRequest(urn=URN, properties=to_struct({"do": "wait"})), timeout=20
    )
    assert STARTED.wait(10)
    assert create(stub, {}).id == "id-1"
    assert not pending.done()
    stub.Cancel(empty_pb2.Empty(), timeout=20)


def test_values_survive_the_way_there_and_back() -> None:
    """Nulls, numbers, nesting and secrets are what the engine's state is made of."""
    values = {"none": None, "int": 3, "float": 1.5, "yes": True, "deep": [{"a": [Secret({"b": ""})]}]}
    assert from_struct(to_struct(values)) == values


def test_concealing_closes_the_nearest_thing_that_is_left() -> None:
    """A handler that drops or reorders what was secret must still not leak it."""
    _, paths = reveal({"env": ["a", Secret("b")], "map": {"gone": Secret("c"), "kept": "d"}})
    concealed = conceal({"env": ["b", "a"], "map": {"kept": "d"}, "other": 1}, paths)
    assert concealed == {"env": Secret(["b", "a"]), "map": Secret({"kept": "d"}), "other": 1}


def test_comparing_names_every_leaf() -> None:
    """Detailed diffs are what a person reads in a preview."""
    old = {"a": 1, "b": {"c": [1, 2], "d": None}, "gone": True}
    new = {"a": 2, "b": {"c": [1], "d": "x"}, "odd.key": 1}
    assert compare(old, new) == {
        "a": "UPDATE",
        "b.c[1]": "DELETE",
        "b.d": "ADD",
        "gone": "DELETE",
        '["odd.key"]': "ADD",
    }


def test_all_failures_of_a_check_are_kept() -> None:
    """An exception with several failures shows all of them."""
    assert str(CheckError({"a": "is bad", "b": "is worse"})) == "a: is bad; b: is worse"


def test_relative_paths_start_where_the_program_runs(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attached provider is not told the folder; the engine at the other end of the connection is in it."""
    (tmp_path / "program").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\nmain: program\n")
    code = f"""if True:
        import socket, time
        connection = socket.create_connection(("127.0.0.1", {port}))
        print(connection.getsockname()[1], flush=True)
        time.sleep(60)"""
    engine = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path / "below", stdout=subprocess.PIPE, text=True
    )
    try:
        assert engine.stdout is not None
        peer = f"ipv4:127.0.0.1:{engine.stdout.readline().strip()}"
        assert project_folder(peer) == tmp_path / "program"
    finally:
        engine.kill()
        engine.wait(10)
    monkeypatch.chdir(tmp_path / "below")
    assert project_folder("ipv4:127.0.0.1:1") == tmp_path / "below", (
        "the stand-in's own, when nobody is found"
    )
