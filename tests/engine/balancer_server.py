"""moto's server with the balancer behind it, in a process of its own: `PORT FOLDER HOSTS`."""

import signal
import sys
import threading
from pathlib import Path

from moto.server import ThreadedMotoServer

from sandbox import balancer


def main(port: str, folder: str, hosts: str) -> None:
    """Serve until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    balancer.start(Path(folder), hosts=Path(hosts))
    server = ThreadedMotoServer("127.0.0.1", int(port), verbose=False)
    server.start()
    ended.wait()
    server.stop()
    balancer.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
