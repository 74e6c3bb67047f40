"""A way to a Service inside a Kubernetes cluster: what `kubectl port-forward` does, over the API."""

import base64
import contextlib
import itertools
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Generator, Iterator
from typing import cast

from kubernetes import client, config
from kubernetes.stream import portforward

from components.checks import Cluster, Say

CHUNK = 1 << 16
Target = tuple[str, int]
"""A pod's name and its port."""


def secret(cluster: Cluster, name: str, key: str) -> str:
    """The value under a key of a Secret."""
    found = client.CoreV1Api(_connect(cluster)).read_namespaced_secret(name, cluster.namespace)
    return base64.b64decode(found.data[key]).decode()


@contextlib.contextmanager
def tunnel(cluster: Cluster, say: Say) -> Generator[str]:
    """A loopback URL behind which the Service's ready pods answer, each connection another one.

    Args:
        say: is told why a connection could not be carried, once for each reason.
    """
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.cluster, server.turns, server.say = cluster, itertools.count(), say
        serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    cluster: Cluster
    turns: Iterator[int]
    say: Say
    said = ""

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Say why; the caller sees only a connection that ended."""
        error = sys.exc_info()[1]
        reason = getattr(error, "reason", None) or error
        line = f"no way to the Service {self.cluster.service}: {type(error).__name__}: {reason}"
        if line != self.said:
            self.said = line
            self.say(line)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Carry one connection to one ready pod."""
        cluster, turn = cast(_Server, self.server).cluster, next(cast(_Server, self.server).turns)
        connection = _connect(cluster)
        targets = _ready(connection, cluster)
        if not targets:
            raise LookupError("no pod behind it is ready")
        pod, port = targets[turn % len(targets)]
        api = client.CoreV1Api(connection)
        forward = portforward(
            api.connect_get_namespaced_pod_portforward, pod, cluster.namespace, ports=str(port)
        )
        try:
            with contextlib.suppress(OSError):  # either side may end it
                _carry(self.request, forward.socket(port))
        finally:
            forward.close()


def _connect(cluster: Cluster) -> client.ApiClient:
    return config.new_client_from_config(
        config_file=cluster.kubeconfig or None, context=cluster.context or None
    )


def _ready(connection: client.ApiClient, cluster: Cluster) -> list[Target]:
    """The ready pods behind the Service, with the port that it leads to."""
    chosen = f"kubernetes.io/service-name={cluster.service}"
    slices = client.DiscoveryV1Api(connection).list_namespaced_endpoint_slice(
        cluster.namespace, label_selector=chosen
    )
    return [
        (endpoint.target_ref.name, part.ports[0].port)
        for part in slices.items
        for endpoint in part.endpoints or []
        if endpoint.conditions.ready and endpoint.target_ref and part.ports
    ]


def _carry(here: socket.socket, there: socket.socket) -> None:
    """Carry bytes both ways until one side has ended."""
    other = {here: there, there: here}
    while True:
        for source in select.select([here, there], [], [])[0]:
            data = source.recv(CHUNK)
            if not data:
                return
            other[source].sendall(data)
