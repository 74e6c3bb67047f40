"""One engine talking to a stand-in: its configuration, its log, and the work it may cancel."""

import contextlib
import os
import threading
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import psutil
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

_SEVERITIES = {
    "debug": engine_pb2.DEBUG,
    "info": engine_pb2.INFO,
    "warning": engine_pb2.WARNING,
    "error": engine_pb2.ERROR,
}


class ProviderError(Exception):
    """A failure that the user sees word for word; its text says the cause and, where it can, the fix."""

    code = grpc.StatusCode.UNKNOWN


class CancelledError(ProviderError):
    """The engine asked to stop (Ctrl-C, or another resource failed)."""

    code = grpc.StatusCode.CANCELLED

    def __init__(self) -> None:
        super().__init__("cancelled")


class Session:
    """The state of one engine's connection.

    A stand-in outlives many `pulumi` commands and may serve two at once, so what the official
    plugin keeps per process is kept per connection here.

    Attributes:
        config: the provider's configuration inputs, plain.
        client: whatever the provider's `connect` returned.

    Args:
        peer: the engine's end of the connection, in gRPC's form (`ipv4:127.0.0.1:4711`).
    """

    def __init__(self, peer: str = "") -> None:
        self._peer = peer
        self.config: dict[str, Any] = {}
        self.client: Any = None
        self._channel: grpc.Channel | None = None
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._calls: set[Call] = set()
        self._lock = threading.Lock()

    def attach(self, address: str) -> None:
        """Remember where the engine listens for log lines."""
        self._channel = grpc.insecure_channel(address)
        self._engine = engine_pb2_grpc.EngineStub(self._channel)

    def close(self) -> None:
        """Give back connections; the engine is long gone."""
        for connection in (self._channel, self.client):
            close = getattr(connection, "close", None)
            if close is not None:
                close()

    @cached_property
    def folder(self) -> Path:
        """The project's folder, against which relative paths of the program are meant."""
        return project_folder(self._peer)

    def log(self, text: str, *, severity: str, urn: str, ephemeral: bool) -> None:
        if self._engine is None:
            return
        request = engine_pb2.LogRequest(
            severity=_SEVERITIES[severity],
            message=text,
            urn=urn,
            ephemeral=ephemeral,
        )
        # An engine that has gone away must not fail the work that is under way.
        with contextlib.suppress(grpc.RpcError):
            self._engine.Log(request, timeout=5)

    @contextlib.contextmanager
    def running(self, call: "Call") -> Generator[None]:
        with self._lock:
            self._calls.add(call)
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def cancel(self) -> None:
        """Stop what runs now. Later calls are not affected: an engine also cancels when it is done."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()


class Call:
    """One request for one resource, as handlers see it.

    Attributes:
        urn, name, type: of the resource; empty for functions.
        preview: true when nothing may be changed.
        timeout: seconds from the user's `custom_timeouts`, or None.
        seed: random bytes for names, the same when a check is repeated; empty outside `check`.
        proposed_name: the name that the engine's autonaming settings want, or "".
        ignore_changes: property paths that the user wants left alone.
        secrets: paths of the inputs that were secret.
        config, client: of the session.
        folder: the project's, for relative paths.
    """

    def __init__(self, session: Session, request: Any = None) -> None:
        self.urn: str = getattr(request, "urn", "")
        *_, qualified, name = ["", *self.urn.split("::")]
        self.type: str = getattr(request, "type", "") or qualified.rpartition("$")[2]
        self.name: str = getattr(request, "name", "") or name
        self.preview: bool = getattr(request, "preview", False)
        self.timeout: float | None = getattr(request, "timeout", 0) or None
        self.seed: bytes = getattr(request, "randomSeed", b"")
        autonaming = getattr(request, "autonaming", None)
        self.proposed_name: str = autonaming.proposed_name if autonaming else ""
        self.ignore_changes: list[str] = list(getattr(request, "ignoreChanges", ()))
        self.secrets: set[tuple[str | int, ...]] = set()
        self.config = session.config
        self.client = session.client
        self._session = session
        self._stop = threading.Event()
        self._closers: list[Callable[[], object]] = []

    def log(self, text: str, severity: str = "info") -> None:
        """A line that stays on the user's screen (`info`, `warning`, `error`; `debug` is hidden)."""
        self._session.log(text, severity=severity, urn=self.urn, ephemeral=False)

    def status(self, text: str) -> None:
        """A line of progress beside the resource; the next one replaces it."""
        self._session.log(text, severity="info", urn=self.urn, ephemeral=True)

    @property
    def folder(self) -> Path:
        return self._session.folder

    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()

    def cancel(self) -> None:
        self._stop.set()
        for close in list(self._closers):
            with contextlib.suppress(Exception):
                close()

    def check_cancelled(self) -> None:
        """Raise `CancelledError` when the engine has asked to stop."""
        if self.cancelled:
            raise CancelledError

    def sleep(self, seconds: float) -> None:
        """Wait; raises `CancelledError` at once when the engine asks to stop."""
        if self._stop.wait(seconds):
            raise CancelledError

    @contextlib.contextmanager
    def on_cancel(self, close: Callable[[], object]) -> Generator[None]:
        """Run `close` (say, of a socket that is being read) when the engine asks to stop meanwhile."""
        self._closers.append(close)
        try:
            if self.cancelled:
                close()
            yield
        except Exception:
            # Whatever a socket raises when it is closed under its reader, the cause is this.
            self.check_cancelled()
            raise
        finally:
            self._closers.remove(close)


def project_folder(peer: str) -> Path:
    """The folder in which the program of the engine at `peer` runs; this process's own when it hides.

    The official plugin is started in that folder. An attached one is not told, so the owner of the
    connection's other end is looked up, and the project file that it must have found.
    """
    with contextlib.suppress(psutil.Error, OSError, StopIteration, ValueError):
        port = int(peer.rpartition(":")[2])
        # By both ports: a local port may serve several connections, and addresses are written in two ways.
        ends = {
            (one.laddr.port, one.raddr.port, one.pid) for one in psutil.net_connections("tcp") if one.raddr
        }
        here = next(here for here, there, pid in ends if there == port and pid == os.getpid())
        engine = next(pid for one, other, pid in ends if (one, other) == (port, here) and pid)
        return _program_folder(Path(psutil.Process(engine).cwd()))
    return Path.cwd()


def _program_folder(here: Path) -> Path:
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            import yaml

            main = folder / ((yaml.safe_load((folder / "Pulumi.yaml").read_text()) or {}).get("main") or ".")
            return main if main.is_dir() else main.parent
    return here
