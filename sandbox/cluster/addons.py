"""What makes a cluster usable: names, metrics, and the way to the sandbox's registry.

They run on the host as ordinary processes, so that no image is needed for them.
"""

import contextlib
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.cluster.build import program
from sandbox.cluster.layout import DOMAIN, LOOPBACK, Addresses, Layout
from sandbox.paths import CHECKOUT


def coredns(layout: Layout, addresses: Addresses) -> list[str]:
    """The cluster's DNS; what it does not know it asks the host's own resolvers."""
    config = layout.root / "Corefile"
    config.write_text(corefile(layout, addresses, host_resolvers(Path("/etc/resolv.conf"))))
    return [str(program("coredns")), f"-conf={config}"]


def corefile(layout: Layout, addresses: Addresses, resolvers: list[str]) -> str:
    """CoreDNS's configuration: Services and pods, the host by name, everything else passed on."""
    forward = f"    forward . {' '.join(resolvers)}\n" if resolvers else ""
    return f""".:53 {{
    bind {addresses.host}
    errors
    ready {LOOPBACK}:{addresses.ports["coredns-ready"]}
    hosts {layout.root / "names"} {{
        reload 1s
        {addresses.host} host.sandbox.internal
        fallthrough
    }}
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {layout.root / "coredns.kubeconfig"}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
{forward}    cache 5
}}
"""


def tell_names(layout: Layout, names: Mapping[str, str]) -> None:
    """Let pods resolve further host names; the running DNS takes them up within seconds."""
    (layout.root / "names").write_text("".join(f"{address} {name}\n" for name, address in names.items()))


def host_resolvers(file: Path) -> list[str]:
    """The name servers of this machine."""
    try:
        words = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return []
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"][:3]


def resolves(server: str, name: str) -> bool:
    """Whether the DNS server gives an address for `name` (asked once, over UDP)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 0x5A5A, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">B2H", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker, contextlib.suppress(OSError):
        asker.settimeout(0.5)
        asker.connect((server, 53))
        asker.send(question)
        _, flags, _, answers = struct.unpack(">4H", asker.recv(512)[:8])
        return flags & 0xF == 0 and answers > 0
    return False


def metrics_server(layout: Layout, addresses: Addresses) -> list[str]:
    """CPU and memory of pods, which the HorizontalPodAutoscaler and `kubectl top` read."""
    config, pki, port = (
        layout.root / "metrics-server.kubeconfig",
        layout.pki,
        addresses.ports["metrics-server"],
    )
    return [
        str(program("metrics-server")), f"--bind-address={addresses.host}", f"--secure-port={port}",
        *(f"--{use}kubeconfig={config}" for use in ("", "authentication-", "authorization-")),
        f"--tls-cert-file={pki / 'metrics-server.crt'}", f"--tls-private-key-file={pki / 'metrics-server.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}", "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=10s", "--kubelet-request-timeout=5s",
    ]  # fmt: skip


def registry_relay(layout: Layout, listen: str, registry: str) -> list[str]:
    """The registry on the host's loopback, at the host's end of the link."""
    # By its file: the package's own imports are not needed and would take their time.
    relay = CHECKOUT / "sandbox" / "cluster" / "relay.py"
    return [sys.executable, str(relay), listen, registry, f"{layout.root}/"]
