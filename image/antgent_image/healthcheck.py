"""Health checks that need neither shell nor curl, and start in a few hundredths of a second."""

import http.client
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3
ESTABLISHED = "01"
TEMPORAL_PORT = 7233


def main(options: list[str]) -> int:
    """`[]` or `[URL]` checks the server, `["worker"]` or `["worker", PORT]` the worker; 0 is healthy."""
    try:
        if options[:1] == ["worker"]:
            problem = worker(int(options[1]) if options[1:] else temporal_port())
        else:
            problem = server(options[0] if options else default_url())
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        print(f"unhealthy: {problem}", file=sys.stderr)
    return 1 if problem else 0


def default_url() -> str:
    return f"http://127.0.0.1:{os.environ.get('ANTGENT_SERVER__PORT', '8080')}/version"


def server(url: str) -> str:
    """What is wrong with the answer to GET `url`; empty when its status is 200 to 399."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers=headers())
    status = connection.getresponse().status
    return "" if 200 <= status < 400 else f"{url} answered {status}"


def headers() -> dict[str, str]:
    """The server's token, when it has one, and `ANTGENT_HEALTHCHECK_HEADER` ("Name: value")."""
    found = {"User-Agent": "antgent-healthcheck"}
    if token := os.environ.get("ANTGENT_SERVER__TOKEN"):
        found[os.environ.get("ANTGENT_SERVER__TOKEN_AUTH__HEADER_NAME", "token")] = token
    if extra := os.environ.get("ANTGENT_HEALTHCHECK_HEADER"):
        name, _, value = extra.partition(":")
        found[name.strip()] = value.strip()
    return found


def temporal_port() -> int:
    _, _, port = os.environ.get("ANTGENT_TEMPORALIO__HOST", "").rpartition(":")
    return int(port) if port.isdigit() else TEMPORAL_PORT


def worker(port: int, tables: Iterable[str] = ("/proc/net/tcp", "/proc/net/tcp6")) -> str:
    """What is wrong with the worker; empty while this network namespace holds a connection to `port`.

    A worker polls over one connection that stays open, so no connection means no polling.
    """
    for table in tables:
        for row in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            _, _, remote, state, *_ = row.split()
            if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                return ""
    return f"no connection to Temporal on port {port}"
