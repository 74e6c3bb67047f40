"""Certificates of HTTPS listeners, signed by an authority of the sandbox's own.

A certificate that was imported into ACM with its key is served as it is. One that ACM issued exists as a
name only: a certificate for the same names is made here, and clients trust it through `ca.pem`.
"""

import contextlib
import datetime
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)
NAME = "antgent sandbox load balancer CA"


def ensure_authority(folder: Path) -> Path:
    """The authority's certificate, `ca.pem`, made when it is missing or about to expire."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    with contextlib.suppress(OSError, ValueError):
        left = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc - _now()
        if left > RENEW_BEFORE and key.exists():
            return certificate
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    made = _builder(name, name, private).add_extension(x509.BasicConstraints(True, 0), critical=True)
    subject = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    made = made.add_extension(usage, critical=True).add_extension(subject, critical=False)
    signed = made.sign(private, hashes.SHA256())
    _write(key, _pem(private))
    _write(certificate, signed.public_bytes(serialization.Encoding.PEM))
    return certificate


def file_for(folder: Path, arn: str) -> Path | None:
    """The file with certificate and key that the proxy serves for an ARN of ACM; None when ACM has none."""
    found = _in_acm(arn)
    if found is None:
        return None
    names = list(dict.fromkeys([str(found.common_name), *found.sans]))
    content = found.cert + b"\n" + found.key if found.type == "IMPORTED" else None
    authority = ensure_authority(folder).read_bytes()
    mark = hashlib.sha256(
        b"\n".join([arn.encode(), *(one.encode() for one in names), authority, content or b""])
    )
    file = folder / f"certificate-{mark.hexdigest()[:16]}.pem"
    if not file.exists():
        _write(file, content or _issued(folder, names))
    return file


def _in_acm(arn: str) -> Any:
    from moto.acm.models import acm_backends

    found: list[dict[str, Any]] = [vars(one)["_certificates"] for _, _, one in acm_backends.iter_backends()]
    return next((known[arn] for known in found if arn in known), None)


def _issued(folder: Path, names: Sequence[str]) -> bytes:
    issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    issuer_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has 64 characters at most; clients read the alternative names anyway.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = _builder(subject, issuer.subject, key)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = builder.add_extension(alternatives, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    # Python verifies strictly since 3.13, and then wants to know the issuer's key.
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(authority, critical=False)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    signed = builder.add_extension(usage, critical=False).sign(issuer_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return signed.public_bytes(pem) + issuer.public_bytes(pem) + _pem(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    start = _now() - datetime.timedelta(minutes=5)  # a clock set back a little must not refuse them
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(start + VALID)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(file: Path, content: bytes) -> None:
    """Readable by its owner only, also at the moment it is made."""
    fresh = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    fresh.replace(file)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
