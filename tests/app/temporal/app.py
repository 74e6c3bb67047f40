"""The image's entry: a small HTTP server, or the Temporal worker when asked for it."""

import asyncio
import http.server
import json
import os
import signal
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"version": os.environ["VERSION"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        from worker import work_until_told  # the client of Temporal loads slowly

        asyncio.run(work_until_told())
    else:
        server = http.server.ThreadingHTTPServer(("", int(os.environ["ANTGENT_SERVER__PORT"])), Answer)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server.serve_forever()
