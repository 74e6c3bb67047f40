"""The cluster's certificates and kubeconfigs, made here and readable by their owner only."""

import contextlib
import datetime
import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.cluster.layout import CONTEXT, DOMAIN, LOOPBACK, NODE, Addresses, Layout

VALID = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Identity:
    """Who a certificate speaks for.

    Args:
        user: the common name; to Kubernetes, the user.
        group: the organisation; to Kubernetes, the group. Defaults to none.
        addresses: names and addresses it may serve under. Defaults to none.
        authority: the file name of the authority that signs it. Defaults to the cluster's.
    """

    user: str
    group: str = ""
    addresses: Sequence[str] = ()
    authority: str = "ca"


def identities(addresses: Addresses) -> dict[str, Identity]:
    """Every certificate of the cluster by its file name."""
    api = ["localhost", LOOPBACK, addresses.host, addresses.service(1), "kubernetes", "kubernetes.default",
           "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}"]  # fmt: skip
    metrics = ["metrics-server.kube-system.svc", addresses.host]
    return {
        "etcd": Identity("etcd", addresses=[LOOPBACK, "localhost"]),
        "apiserver": Identity("kube-apiserver", addresses=list(dict.fromkeys(api))),
        "apiserver-etcd": Identity("kube-apiserver-etcd"),
        "apiserver-kubelet": Identity("kube-apiserver-kubelet", "system:masters"),
        "front-proxy": Identity("front-proxy", authority="front-proxy-ca"),
        "metrics-server": Identity("system:metrics-server", addresses=metrics),
        "kubelet": Identity(f"system:node:{NODE}", "system:nodes", [NODE, *_node_address(addresses)]),
        "controller-manager": Identity("system:kube-controller-manager"),
        "scheduler": Identity("system:kube-scheduler"),
        "kube-proxy": Identity("system:kube-proxy"),
        "coredns": Identity("system:coredns"),
        "admin": Identity("sandbox-admin", "system:masters"),
    }


def ensure(layout: Layout, addresses: Addresses) -> bool:
    """Make all certificates and kubeconfigs unless they are there, fit, and last another month.

    Returns whether new ones were made; whatever runs with the old ones must then be restarted.
    """
    wanted = identities(addresses)
    described = json.dumps({"api": addresses.api, "names": {n: list(i.addresses) for n, i in wanted.items()}})
    marker = layout.pki / "made-for.json"
    if marker.exists() and marker.read_text() == described and not _expiring(layout.pki / "ca.crt"):
        return False
    layout.folder("pki")
    marker.unlink(missing_ok=True)
    authorities = {name: _authority(layout.pki, name) for name in ("ca", "front-proxy-ca")}
    for name, identity in wanted.items():
        _signed(layout.pki, name, identity, *authorities[identity.authority])
    _service_account_key(layout.pki)
    for user in ("controller-manager", "scheduler", "kube-proxy", "coredns", "metrics-server", "kubelet"):
        write_private(layout.root / f"{user}.kubeconfig", _kubeconfig(layout, addresses, user))
    write_private(layout.kubeconfig, _kubeconfig(layout, addresses, "admin"))
    write_private(marker, described)
    return True


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, also at the moment it is made."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(data)
    fresh.replace(path)


def _node_address(addresses: Addresses) -> list[str]:
    return [addresses.node] if addresses.network else []


def _expiring(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        left = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - _now()
        return left < RENEW_BEFORE
    return True


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"antgent sandbox {name}")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    made = _builder(subject, subject, key).add_extension(x509.BasicConstraints(True, None), critical=True)
    certificate = made.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    write_private(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _signed(
    folder: Path, name: str, who: Identity, issuer: x509.Certificate, issuer_key: ec.EllipticCurvePrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, who.user)]
    if who.group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, who.group))
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = _builder(x509.Name(attributes), issuer.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if who.addresses:
        names = x509.SubjectAlternativeName([_general_name(one) for one in who.addresses])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    write_private(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    write_private(folder / f"{name}.key", _pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    start = _now() - datetime.timedelta(minutes=5)  # a clock set back a little must not refuse them
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALID)
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _service_account_key(folder: Path) -> None:
    """The key that signs pods' tokens; kept over renewals, because tokens outlive them."""
    if (folder / "service-account.key").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    write_private(
        folder / "service-account.pub", key.public_key().public_bytes(serialization.Encoding.PEM, form)
    )
    write_private(folder / "service-account.key", _pem(key))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def name_contexts(layout: Layout, names: Sequence[str]) -> None:
    """Let the administrator's kubeconfig know the cluster under further context names, too."""
    config = json.loads(layout.kubeconfig.read_text())
    own = next(one for one in config["contexts"] if one["name"] == CONTEXT)
    contexts = [own, *({**own, "name": name} for name in names)]
    if config["contexts"] != contexts:
        write_private(layout.kubeconfig, json.dumps({**config, "contexts": contexts}, indent=1))


def _kubeconfig(layout: Layout, addresses: Addresses, user: str) -> str:
    """A kubeconfig for one identity; the files it names are its own (JSON is YAML)."""
    pki = layout.pki
    cluster = {"server": addresses.api, "certificate-authority": str(pki / "ca.crt")}
    client = {"client-certificate": str(pki / f"{user}.crt"), "client-key": str(pki / f"{user}.key")}
    context = {"cluster": CONTEXT, "user": user, "namespace": "default"}
    return json.dumps(
        {
            "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": user, "user": client}],
            "contexts": [{"name": CONTEXT, "context": context}],
        }, indent=1,
    )  # fmt: skip
