"""An HTTP server that answers what a test wrote down."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, str]


class Server:
    """A server whose answers a test decides; it remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[int], Answer] = lambda _: (200, json.dumps({"version": "1.1.0"}))
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                status, body = outer.answer(len(outer.asked))
                self.send_response(status)
                self.send_header("content-length", str(len(body.encode())))
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                """Silence."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
