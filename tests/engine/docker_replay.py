"""Replays recorded calls of the official Docker plugin against the stand-in and compares the answers.

What differs by nature (ids, digests, addresses, made-up names) is learned: the first time a recorded
value meets its live counterpart the pair is noted, requests are translated by it, and from then on
the same recorded value must always be the same live one.
"""

import json
from pathlib import Path
from typing import Any

import docker
import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.packages import Package, ensure_packages

RECORDING = Path(__file__).parent / "recordings" / "docker" / "calls.json"

# Outputs that are another machine's or another run's: learned, not compared.
LEARNED = {
    "id", "hostname", "repoDigest", "mountpoint", "contextDigest", "gateway", "ipAddress", "macAddress",
    "subnet",
}  # fmt: skip
# Where the stand-in differs on purpose, or the recording cannot be repeated: path ending to reason.
EXCEPTIONS = {
    "bridge": "the name of the daemon's default bridge, which is a setting of the daemon",
    "ipPrefixLength": "the size of the daemon's address pools, another setting",
    "__pulumi_raw_state_delta": "the bridge's private cache; left out of the recording",
}
# Compared where the stand-in has it: in state, not in previews, where the bridge notes its own shims.
STATE_ONLY = {"__meta"}
REQUESTS = {
    "CheckConfig": "CheckRequest",
    "DiffConfig": "DiffRequest",
}
# The engine closed the connection under this call; it is no answer of the plugin's.
CLIENT_ERROR = "the client connection is closing"
# Waits that are recorded as failing take that long; shorter is as good.
FAILING_WAIT_SECONDS = 3
FAILING_STEPS = ("07-unhealthy", "09-crash")


def load() -> dict[str, list[dict[str, Any]]]:
    """The recorded calls by step, in order, with shared values put back in."""
    recording = json.loads(RECORDING.read_text())

    def expand(item: Any) -> Any:
        if isinstance(item, dict):
            return (
                expand(recording["values"][item["$"]])
                if "$" in item
                else {k: expand(v) for k, v in item.items()}
            )
        return [expand(one) for one in item] if isinstance(item, list) else item

    return {step["step"]: expand(step["calls"]) for step in recording["steps"]}


class Replay:
    """One run through the recording, against one stand-in.

    Args:
        stub: of the stand-in.
        daemon: a client of the same Docker engine, for what a person did between two steps.
        known: recorded strings and their live counterparts, known from the start.
    """

    def __init__(self, stub: Any, daemon: docker.DockerClient, known: dict[Any, Any]) -> None:
        self.steps = load()
        self._stub = stub
        self._daemon = daemon
        self._known = dict(known)
        self._done: list[str] = []
        self._step = ""

    def run(self, step: str) -> list[str]:
        """Replay `step` (and first those before it that have not run); returns what differed."""
        for name, calls in self.steps.items():
            if name not in self._done:
                self._done.append(name)
                self._step = name
                problems = self._run(name, calls)
                if name == step:
                    return problems
        return []

    def live(self, recorded: Any) -> Any:
        """What a recorded value is in this run, as far as it is known."""
        return self._live(recorded)

    def _run(self, step: str, calls: list[dict[str, Any]]) -> list[str]:
        if step == "11-refresh":
            # Here the person who recorded had removed the container by hand.
            self._daemon.api.remove_container(self._known["rec-server"], force=True)
        problems = []
        for number, call in enumerate(calls):
            problems += [f"{step}[{number}] {call['method']} {problem}" for problem in self._replay(call)]
        return problems

    def _replay(self, call: dict[str, Any]) -> list[str]:
        wanted_error = " ".join(call.get("errors", []))
        if CLIENT_ERROR in wanted_error:
            return []
        try:
            answer = self._send(call["method"], self._live(call["request"]))
        except grpc.RpcError as error:
            return self._compare_errors(call, wanted_error, error)
        if wanted_error:
            return [f"succeeded instead of failing with {wanted_error!r}"]
        return self._compare(call["response"] or {}, answer, "")

    def _send(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        if method in ("Cancel", "GetPluginInfo"):
            message = empty_pb2.Empty()
        elif method == "Handshake":
            message = provider_pb2.ProviderHandshakeRequest()
        else:
            message = ParseDict(request, getattr(provider_pb2, REQUESTS.get(method, f"{method}Request"))())
        return MessageToDict(getattr(self._stub, method)(message, timeout=120))

    def _compare_errors(self, call: dict[str, Any], wanted: str, error: Any) -> list[str]:
        code = error.code().name.replace("_", "").lower()
        got = f"rpc error: code = {error.code().name.title()} desc = {error.details()}"
        if call["method"] == "Handshake":
            return [] if code == "unimplemented" else [f"answered {got!r}"]
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if details:
            self._learn_partly_created(call, details)
        return [] if got == self._live(wanted) else [f"error {got!r} instead of {self._live(wanted)!r}"]

    def _learn_partly_created(self, call: dict[str, Any], details: bytes) -> None:
        """What went to state of a broken resource is only recorded in the next step's diff."""
        (detail,) = status_pb2.Status.FromString(details).details
        failure = provider_pb2.ErrorResourceInitFailed()
        detail.Unpack(failure)
        urn = call["request"]["urn"]
        later = [one for name in self.steps if name not in self._done for one in self.steps[name]]
        recorded = next(one for one in later if one["method"] == "Diff" and one["request"].get("urn") == urn)[
            "request"
        ]
        self._known[recorded["id"]] = failure.id
        differing = self._compare(recorded["olds"], MessageToDict(failure.properties), "partly created: ")
        assert [one for one in differing if "waitTimeout" not in one] == []

    def _live(self, value: Any, key: str = "") -> Any:
        """A recorded value as it is in this run."""
        if isinstance(value, dict):
            return {k: self._live(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self._live(item) for item in value]
        if key == "waitTimeout" and self._step in FAILING_STEPS:
            return FAILING_WAIT_SECONDS
        if value in self._known:
            return self._known[value]
        if isinstance(value, str):
            for recorded, live in self._known.items():
                if isinstance(recorded, str) and len(recorded) > 5 and recorded in value:
                    value = value.replace(recorded, str(live))
        return value

    def _compare(self, recorded: Any, live: Any, path: str) -> list[str]:
        name = path.rpartition(".")[2].split("[")[0]
        if isinstance(recorded, dict) and isinstance(live, dict):
            skipped = {*EXCEPTIONS} | {key for key in STATE_ONLY if key not in live}
            keys = sorted({*recorded, *live} - skipped)
            return [
                problem for key in keys
                for problem in self._compare(recorded.get(key), live.get(key), f"{path}.{key}" if path else key)
            ]  # fmt: skip
        if isinstance(recorded, list) and isinstance(live, list) and len(recorded) == len(live):
            pairs = zip(recorded, live, strict=True)
            return [p for i, (a, b) in enumerate(pairs) for p in self._compare(a, b, f"{path}[{i}]")]
        if self._live(recorded, name) == live:
            return []
        if self._learn(name, path, recorded, live):
            return []
        return [f"{path}: {live!r} instead of {self._live(recorded, name)!r}"]

    def _learn(self, name: str, path: str, recorded: Any, live: Any) -> bool:
        made_up = name == "name" and isinstance(recorded, str) and recorded.startswith("vol-")
        if (name not in LEARNED and not made_up) or type(recorded) is not type(live) or not live:
            return False
        if recorded in self._known and not path.startswith("properties.networkDatas"):
            return False
        self._known[recorded] = live
        return True


def busybox() -> Path:
    """A static busybox, which the recorded image is made of; installed from Debian when it is missing."""
    path = Path("/bin/busybox")
    ensure_packages(
        [Package("busybox-static", str(path), "the small image of the Docker tests is made of it")]
    )
    return path


def stub(port: int) -> Any:
    """A client of the stand-in on `port`, over a connection of its own."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
    return provider_pb2_grpc.ResourceProviderStub(channel)
