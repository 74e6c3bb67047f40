"""A way to AWS on which things go wrong: requests are passed on, or answered with the fault that is asked for."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

THROTTLED = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
_HOP = {"connection", "content-length", "transfer-encoding", "date", "server", "content-encoding"}


class Faults(ThreadingHTTPServer):
    """A proxy before an AWS endpoint.

    Attributes:
        throttled: how many of the next requests are answered with a throttling error.
        down: whether requests are cut off without an answer.
        spared: after how many requests everything is throttled; None for never.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.throttled, self.down = target, 0, False
        self.spared: int | None = None
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self) -> str:
        """What happens to the request that has just come."""
        with self.lock:
            if self.down:
                return "down"
            if self.spared is not None:
                self.spared -= 1
                return "throttled" if self.spared < 0 else ""
            if self.throttled:
                self.throttled -= 1
                return "throttled"
        return ""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults = self.server
        assert isinstance(faults, Faults)
        fault = faults.fault()
        if fault == "down":
            self.connection.close()
        elif fault == "throttled":
            self._answer(400, {"Content-Type": "application/x-amz-json-1.1"}, THROTTLED)
        else:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            passed = httpx.request(
                self.command, faults.target + self.path, content=body, headers=headers, timeout=60
            )
            kept = {name: value for name, value in passed.headers.items() if name.lower() not in _HOP}
            self._answer(passed.status_code, kept, passed.content)

    do_GET = do_POST  # noqa: N815 the base class looks for these names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def faults(target: str) -> Generator[Faults]:
    """A proxy that is gone afterwards."""
    server = Faults(target)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
