"""Builds with the BuildKit inside the Docker daemon, through the daemon's own build API.

The daemon takes the context as a tar and answers with a stream of JSON lines; BuildKit's progress
comes in them as protobuf messages, of which the few fields that are shown are declared here.
"""

import base64
import contextlib
import json
import os
import platform
import socket
import time
from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Any

from sandbox.providers.docker_context import Context
from sandbox.providers.docker_errors import failing
from sandbox.providers.resource import Props
from sandbox.providers.session import Call, ProviderError

BUILDKIT = "2"
TRACE = "moby.buildkit.trace"
# A build may print thousands of lines; the engine shows each one it gets.
SECONDS_BETWEEN_LINES = 0.2
LINES_IN_ERRORS = 15
DEFAULTS = "SANDBOX_BUILD_DEFAULTS"
"""JSON of `args` and `network` for builds that say nothing of them: what a machine needs that cannot pull
the images which Dockerfiles start from. (Docker's own client has such defaults for proxies.)"""


def default_platform() -> str:
    """What the plugin fills in: Linux on this machine's processor."""
    machine = platform.machine()
    return f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def build(call: Call, image: str, inputs: Props) -> str:
    """Build `image` from `build` inputs; returns its local id. Progress goes to the engine.

    Raises ProviderError with the daemon's words and the last lines of the failing step.
    """
    context = Context.of(inputs, call.folder)
    call.status("Starting Docker build")
    progress = Progress(call)
    with context.tar() as tar, failing("error building image"):
        api = call.client.api
        response = api._post(
            api._url("/build"),
            data=tar,
            params=_parameters(image, context, inputs),
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=None,
        )
        api._raise_for_status(response)
        for message in _messages(call, response):
            progress.show(message)
    if not progress.image_id:
        raise ProviderError(
            f"error building image: the daemon ended the build without a result{progress.tail}"
        )
    call.status(f'Image built successfully, local id "{progress.image_id}"')
    return progress.image_id


def _parameters(image: str, context: Context, inputs: Props) -> dict[str, str]:
    defaults = json.loads(os.environ.get(DEFAULTS) or "{}")
    lists = {
        "buildargs": {**defaults.get("args", {}), **(inputs.get("args") or {})},
        "cachefrom": (inputs.get("cacheFrom") or {}).get("images"),
    }
    texts = {
        "t": image,
        "version": BUILDKIT,
        "dockerfile": context.name_in_tar,
        "platform": inputs.get("platform"),
        "target": inputs.get("target"),
        "networkmode": inputs.get("network") or defaults.get("network"),
        "extrahosts": "\n".join(inputs.get("addHosts") or []),
    }
    return {name: value for name, value in texts.items() if value} | {
        name: json.dumps(value) for name, value in lists.items() if value
    }


def _messages(call: Call, response: Any) -> Iterator[dict[str, Any]]:
    """The daemon's JSON lines as they come; a cancelled call closes the connection, which ends the build."""
    with call.on_cancel(lambda: _hang_up(call, response)):
        for line in response.iter_lines(chunk_size=1):
            if line:
                yield json.loads(line)
        call.check_cancelled()


def _hang_up(call: Call, response: Any) -> None:
    # Closing alone would leave the reading thread where it is.
    raw = call.client.api._get_raw_response_socket(response)
    getattr(raw, "_sock", raw).shutdown(socket.SHUT_RDWR)


class Progress:
    """What a build says, for the engine's display and for errors.

    Attributes:
        image_id: of the image, once it is built.
    """

    def __init__(self, call: Call) -> None:
        self.image_id = ""
        self._call = call
        self._names: dict[str, str] = {}
        self._lines: deque[str] = deque(maxlen=LINES_IN_ERRORS)
        self._last = 0.0

    @property
    def tail(self) -> str:
        """The last lines, to be put behind an error; empty when there are none."""
        return "".join(f"\n  {line}" for line in self._lines)

    def show(self, message: dict[str, Any]) -> None:
        """Pass on one message; raises ProviderError when it says that the build failed."""
        if "error" in message:
            raise ProviderError(f"error building image: {message['error']}{self.tail}")
        if message.get("id") == TRACE:
            self._trace(base64.b64decode(message["aux"]))
        elif "aux" in message:
            self.image_id = message["aux"].get("ID", self.image_id)
        elif text := message.get("stream", "").strip():
            self._call.status(text)

    def _trace(self, encoded: bytes) -> None:
        status = _status_type().FromString(encoded)
        for vertex in status.vertexes:
            if vertex.digest not in self._names or (vertex.cached and not self._names[vertex.digest]):
                self._names[vertex.digest] = vertex.name
                self._call.status(f"{vertex.name} (cached)" if vertex.cached else vertex.name)
        for log in status.logs:
            for line in log.msg.decode(errors="replace").splitlines():
                self._log(line.rstrip())

    def _log(self, line: str) -> None:
        if not line:
            return
        self._lines.append(line)
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self._call.status(line)


@cache
def _status_type() -> Any:
    """BuildKit's `StatusResponse`, as far as it is used: https://github.com/moby/buildkit, control.proto."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    text, boolean, raw, message = 9, 8, 12, 11
    messages = {
        "Vertex": [("digest", 1, text), ("name", 3, text), ("cached", 4, boolean)],
        "Log": [("vertex", 1, text), ("msg", 4, raw)],
        "Status": [("vertexes", 1, "Vertex"), ("logs", 3, "Log")],
    }
    file = descriptor_pb2.FileDescriptorProto(
        name="buildkit-progress.proto", package="progress", syntax="proto3"
    )
    for name, fields in messages.items():
        declared = file.message_type.add(name=name)
        for field, number, kind in fields:
            nested = isinstance(kind, str)
            declared.field.add(
                name=field,
                number=number,
                type=message if nested else kind,
                label=3 if nested else 1,
                type_name=f".progress.{kind}" if nested else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("progress.Status"))


def push(call: Call, image: str, registry: Props) -> str:
    """Push `image`; returns `repository@sha256:…`.

    Credentials are those of `registry` when both are given, else the host's Docker configuration.
    """
    api = call.client.api
    repository, _, tag = image.rpartition(":")
    auth = {name: registry[name] for name in ("username", "password") if registry.get(name)}
    if len(auth) == 1:
        call.log("only one of username and password was set; using host credentials file", "warning")
    call.status("Pushing Image to the registry")
    digest, text = "", ""
    with failing("error pushing image"):
        answers = api.push(
            repository, tag, stream=True, decode=True, auth_config=auth if len(auth) == 2 else None
        )
        with contextlib.closing(answers):
            for message in answers:
                call.check_cancelled()
                if "error" in message:
                    raise ProviderError(f"error pushing image: {message['error']}")
                digest = (message.get("aux") or {}).get("Digest", digest)
                text, previous = message.get("status"), text
                if text and text != previous:
                    call.status(text)
    if not digest:
        raise ProviderError(f"error pushing image: the registry gave no digest for {image}")
    call.status(f"Pushed image with digest {digest}")
    return f"{repository}@{digest}"
