"""A way to AWS on which things go wrong: requests are passed on, or answered with the fault that is asked for."""

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

XML = "<Response><Error><Code>{}</Code><Message>{}</Message></Error></Response>"
THROTTLED = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
THROTTLED_XML = XML.format("Throttling", "Rate exceeded").encode()
WHO = "User: arn:aws:iam::123456789012:user/tests is not authorized to perform this action"
DENIED = json.dumps({"__type": "AccessDeniedException", "message": WHO}).encode()
DENIED_XML = XML.format("AccessDenied", WHO).encode()
_HOP = {"connection", "content-length", "transfer-encoding", "date", "server", "content-encoding"}


class Faults(ThreadingHTTPServer):
    """A proxy before an AWS endpoint.

    Attributes:
        throttled: how many of the next requests are answered with a throttling error.
        denied: the actions that are answered with AWS's refusal, such as `CreateLoadBalancer`.
        down: whether requests are cut off without an answer.
        lives: after how many requests they are; None for never.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.throttled, self.down = target, 0, False
        self.denied: set[str] = set()
        self.lives: int | None = None
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        with self.lock:
            self.throttled, self.down, self.denied, self.lives = 0, False, set(), None

    def fault(self, action: str = "") -> str:
        """What happens to the request that has just come."""
        with self.lock:
            if self.lives is not None:
                self.lives -= 1
                self.down |= self.lives < 0
            if self.down:
                return "down"
            if action in self.denied:
                return "denied"
            if self.throttled:
                self.throttled -= 1
                return "throttled"
        return ""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults = self.server
        assert isinstance(faults, Faults)
        spoken = self.headers.get("X-Amz-Target", "")
        action = re.search(rb"(?:^|&)Action=(\w+)", body)
        fault = faults.fault(action[1].decode() if action else spoken.rpartition(".")[2])
        if fault == "down":
            self.connection.close()
        elif fault and not spoken:
            answer = (403, DENIED_XML) if fault == "denied" else (400, THROTTLED_XML)
            self._answer(answer[0], {"Content-Type": "text/xml"}, answer[1])
        elif fault:
            self._answer(
                400,
                {"Content-Type": "application/x-amz-json-1.1"},
                DENIED if fault == "denied" else THROTTLED,
            )
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
