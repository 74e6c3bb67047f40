"""Runs a stand-in as a gRPC server on loopback until it is told to end."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.errors import SandboxError
from sandbox.providers.base import Provider
from sandbox.providers.protocol import Servicer

# As the engine's own: a Kubernetes or task definition may be large.
MAX_MESSAGE_BYTES = 400 * 1024 * 1024
# An update that waits for a rollout holds its thread all the time.
MAX_CALLS = 64


def start(provider: Provider, port: int = 0) -> tuple[grpc.Server, int]:
    """Serve on `port` of loopback (0: any free one); returns the server and its port."""
    return _start(Servicer(provider), port)


def _start(servicer: Servicer, port: int) -> tuple[grpc.Server, int]:
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # Two servers on one port would each get some of the calls; the second must fail instead.
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(ThreadPoolExecutor(max_workers=MAX_CALLS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as error:
        raise SandboxError(f"port {port} of 127.0.0.1 is taken", fix="choose another one, or 0") from error
    server.start()
    return server, bound


def serve(provider: Provider, port: int = 0) -> None:
    """`start`, print the port as one line, and return when SIGTERM or Ctrl-C has ended it."""
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    servicer = Servicer(provider)
    server, bound = _start(servicer, port)
    print(bound, flush=True)
    threading.Thread(target=provider.warm_up, daemon=True).start()
    ended.wait()
    servicer.stop()
    server.stop(grace=1).wait()
