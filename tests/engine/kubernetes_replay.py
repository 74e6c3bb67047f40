"""Replays recorded calls of the official Kubernetes plugin against the stand-in, as an engine would.

A recording names things that are made up anew each time (object names, field managers); every
comparison learns how this run calls them, and later requests say it that way.
"""

import base64
import contextlib
import copy
import json
import os
import re
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.providers import serving
from sandbox.providers.kubernetes import Kubernetes

RECORDINGS = Path(__file__).parent / "recordings" / "kubernetes"
DEADLINE_SECONDS = 60
_NOTHING = type("Nothing", (), {"__repr__": lambda _: "nothing"})()


@dataclass
class State:
    """What an engine keeps of one resource."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@dataclass
class Answer:
    """What a call gave: a response in the recordings' form, or an error with its reasons."""

    response: dict[str, Any] | None = None
    error: str = ""
    reasons: list[str] = field(default_factory=list)


def recording(step: str) -> list[dict[str, Any]]:
    """The calls of one `pulumi` command.

    The autoscaler is aimed at nothing: it would undo a scaling by hand within 15 seconds.
    """
    return _aimed_at_nothing(json.loads((RECORDINGS / f"{step}.json").read_text()))


def _aimed_at_nothing(value: Any) -> Any:
    if isinstance(value, list):
        return [_aimed_at_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    aim = {"scaleTargetRef": {**value["scaleTargetRef"], "name": "nothing"}} if _below(value, _AIM) else {}
    return {key: _aimed_at_nothing(item) for key, item in value.items()} | aim


_AIM = ("scaleTargetRef", "name")


def kubeconfig_for(request: pytest.FixtureRequest) -> Path:
    """A real cluster's kubeconfig: the one that ANTGENT_TEST_KUBECONFIG names, or the session's own."""
    given = os.environ.get("ANTGENT_TEST_KUBECONFIG")
    return Path(given) if given else request.getfixturevalue("cluster").kubeconfig


@contextlib.contextmanager
def engine_side(kubeconfig: Path, also: dict[str, str] | None = None, **config: str) -> Generator["Replay"]:
    """A stand-in of its own, configured for a cluster, and the engine's side of it."""
    server, port = serving.start(Kubernetes())
    replay = Replay(f"127.0.0.1:{port}", also or {}, {"kubeconfig": str(kubeconfig), **config})
    try:
        yield replay
    finally:
        replay.cancel()
        server.stop(grace=1).wait()


class Replay:
    """One engine's side of the conversation.

    Args:
        address: of the stand-in.
        also: recorded text to what this run says instead (say, an image that exists here).
        config: the provider's configuration.
    """

    def __init__(self, address: str, also: dict[str, str], config: dict[str, str]) -> None:
        # An error carries the whole object beside its text; the real engine takes 16 MB of that.
        channel = grpc.insecure_channel(address, options=[("grpc.max_metadata_size", 16 * 2**20)])
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)
        self.names = dict(also)
        self.states: dict[str, list[State]] = {}
        self._config = config

    def said_here(self, value: Any) -> Any:
        """A recorded value with this run's names in it."""
        if isinstance(value, dict):
            return {self.said_here(key): self.said_here(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.said_here(item) for item in value]
        if not isinstance(value, str):
            return value
        for recorded in sorted(self.names, key=len, reverse=True):
            value = value.replace(recorded, self.names[recorded])
        return value

    def learn(self, call: dict[str, Any], answer: Answer) -> None:
        """Remember what this run calls the object and its field manager."""
        recorded = call.get("response") or {}
        here = answer.response or {}
        for part in ("inputs", "properties"):
            old, new = recorded.get(part) or {}, here.get(part) or {}
            for path in (("metadata", "name"), ("__fieldManager",)):
                was, now = _below(old, path), _below(new, path)
                if was and now and was not in self.names:
                    self.names[was] = now

    def call(self, call: dict[str, Any], cancel_when: Callable[[], bool] | None = None) -> Answer:
        """Make one recorded call; `cancel_when` says when to cancel it, as an interrupted engine does."""
        request = self.said_here(call["request"])
        answers: list[Answer] = []
        worker = threading.Thread(target=lambda: answers.append(self._answer(call["method"], request)))
        worker.start()
        if cancel_when:
            until(cancel_when)
            self.cancel()
        worker.join(DEADLINE_SECONDS)
        assert answers, f"{call['method']} of {request.get('urn')} did not end in {DEADLINE_SECONDS} s"
        return answers[0]

    def cancel(self) -> None:
        """Ask the stand-in to stop what it does."""
        self._stub.Cancel(empty_pb2.Empty())

    def _answer(self, method: str, request: dict[str, Any]) -> Answer:
        message = self._message(method, request)
        try:
            response = getattr(self._stub, method)(message, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            answer, partly = _failed(error)
            if partly is not None:
                self._keep(method, request, partly)
            return answer
        answer = Answer(json_format.MessageToDict(response))
        self._keep(method, request, answer.response or {})
        return answer

    def _message(self, method: str, request: dict[str, Any]) -> Any:
        """The engine's request: what was recorded, and the state as this run has it."""
        fields = {key: value for key, value in request.items() if key not in ("fresh", "lookup")}
        state = self._state(request)
        if method == "Check":
            fields["olds"] = {} if request["fresh"] or state is None else state.inputs
            fields["randomSeed"] = base64.b64encode(os.urandom(32)).decode()
        elif method in ("Diff", "Update", "Delete") and state:
            fields |= {"id": state.id, "oldInputs": state.inputs}
            fields |= {"properties" if method == "Delete" else "olds": state.outputs}
        elif method == "Read" and state and not request["lookup"]:
            fields |= {"inputs": state.inputs, "properties": state.outputs}
        elif method == "Configure":
            fields["args"] = {**fields.get("args", {}), **self._config}
        kind = getattr(
            provider_pb2, {"CheckConfig": "Check", "DiffConfig": "Diff"}.get(method, method) + "Request"
        )
        return json_format.ParseDict(fields, kind())

    def _state(self, request: dict[str, Any]) -> State | None:
        known = self.states.get(request.get("urn", ""), [])
        return next((one for one in known if one.id == request.get("id")), known[-1] if known else None)

    def _keep(self, method: str, request: dict[str, Any], response: dict[str, Any]) -> None:
        """What the engine writes to its state after a call."""
        known, state = self.states.setdefault(request.get("urn", ""), []), self._state(request)
        properties = copy.deepcopy(response.get("properties") or {})
        if request.get("preview") or request.get("lookup"):
            return
        if method == "Create":
            known.append(State(response["id"], request["properties"], properties))
        elif method == "Update" and state:
            state.inputs, state.outputs = response.get("inputs") or request["news"], properties
        elif method == "Read" and state and not response.get("id"):
            known.remove(state)
        elif method == "Read" and state:
            state.inputs, state.outputs = response.get("inputs") or state.inputs, properties
        elif method == "Delete" and state:
            known.remove(state)


def _failed(error: Any) -> tuple[Answer, dict[str, Any] | None]:
    text = f"{error.code().name}: {error.details()}"
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if not details:
        return Answer(error=text), None
    status = status_pb2.Status.FromString(details)
    failed = provider_pb2.ErrorResourceInitFailed()
    status.details[0].Unpack(failed)
    return Answer(error=text, reasons=list(failed.reasons)), json_format.MessageToDict(failed)


def _below(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def until(true: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for something to become true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.2)


def differences(recorded: Any, here: Any, path: str = "") -> list[str]:
    """Where two answers differ, as `path: recorded -> here`; lists of named things in any order."""
    if isinstance(recorded, dict) and isinstance(here, dict):
        keys = sorted({*recorded, *here})
        pairs = [(f"{path}.{key}", recorded.get(key, _NOTHING), here.get(key, _NOTHING)) for key in keys]
    elif isinstance(recorded, list) and isinstance(here, list) and len(recorded) == len(here):
        both = zip(_ordered(recorded), _ordered(here), strict=True)
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(both)]
    else:
        return [] if recorded == here else [f"{path}: {recorded!r} -> {here!r}"]
    return [found for pair in pairs for found in differences(pair[1], pair[2], pair[0])]


def _ordered(items: list[Any]) -> list[Any]:
    """Conditions and field managers come in whatever order they were first written."""
    keys = [
        (one.get("type"), one.get("manager"), one.get("operation")) for one in items if isinstance(one, dict)
    ]
    named = len(keys) == len(items) and all(re.match("[A-Za-z]", str(key[0] or key[1] or "")) for key in keys)
    return (
        sorted(items, key=lambda one: str((one.get("type"), one.get("manager"), one.get("subresource"))))
        if named
        else items
    )
