"""Does an image carry anything of the machine that built it? Its history, its settings and every file are read.

`python tests/e2e/image_leaks.py IMAGE` prints what was found and exits 1 when that is something.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import docker
from pip._internal.models.index import PyPI

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(.+?)-----END CERTIFICATE-----", re.DOTALL)
PUBLIC = {"", PyPI.netloc, PyPI.file_storage_domain}
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PACKAGED = Path("/usr/share/ca-certificates")
CHUNK = 1 << 22


def leaks(client: docker.DockerClient, image: str, needles: Mapping[str, bytes]) -> list[str]:
    """Where a needle (name -> bytes) stands in `image`: in its config and history, or in a file of a layer.

    Also reports pip's configuration. Empty is good.
    """
    with tempfile.TemporaryFile() as saved:
        for chunk in client.images.get(image).save():
            saved.write(chunk)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            return sorted(set(_found(archive, needles)))


def machine_needles() -> dict[str, bytes]:
    """The hosts in this machine's pip settings, the public index aside, and the authorities it alone trusts."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = " ".join(
        [listed, *(value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_")))]
    )
    hosts = {urlsplit(url).hostname or "" for url in re.findall(r"https?://[^\s'\",]+", settings)}
    return {f"pip's host {host}": host.encode() for host in hosts - PUBLIC} | _authorities()


def _layers(archive: tarfile.TarFile) -> Iterator[tarfile.TarFile]:
    for member in archive:
        if member.isfile() and member.name.endswith("layer.tar"):
            with tarfile.open(fileobj=archive.extractfile(member)) as layer:
                yield layer


def _found(archive: tarfile.TarFile, needles: Mapping[str, bytes]) -> Iterator[str]:
    for member in archive:
        if member.isfile() and member.name.endswith(".json"):
            data = archive.extractfile(member).read()
            yield from (f"{name} in the image's config" for name, needle in needles.items() if needle in data)
            if b"PIP_" in data:
                yield "a PIP_ setting in the image's config"
    for layer in _layers(archive):
        for file in layer:
            if re.fullmatch(r"(\./)?(etc/|root/\.)(config/)?pip(\.conf|/.*)", file.name):
                yield f"pip's configuration {file.name}"
            if file.isfile():
                yield from (f"{name} in {file.name}" for name in _in_file(layer.extractfile(file), needles))


def _in_file(file, needles: Mapping[str, bytes]) -> Iterator[str]:
    overlap = max((len(needle) for needle in needles.values()), default=0)
    tail = b""
    while chunk := file.read(CHUNK):
        window = tail + chunk
        yield from (name for name, needle in needles.items() if needle in window)
        tail = window[-overlap:] if overlap else b""


def _authorities() -> dict[str, bytes]:
    """The authorities in this machine's bundle that no Debian package put there; none where all are usual.

    A line out of a certificate's signature stands for it.
    """
    packaged = {one for file in PACKAGED.rglob("*.crt") for one in _certificates(file.read_bytes())}
    bundle = Path(os.environ.get("SSL_CERT_FILE") or BUNDLE)
    own = _certificates(bundle.read_bytes()) - packaged if packaged and bundle.exists() else set()
    return {f"certificate authority {number} of this machine": one.splitlines()[-2]
            for number, one in enumerate(sorted(own))}  # fmt: skip


def _certificates(pem: bytes) -> set[bytes]:
    return {match.group(1).strip() for match in PEM.finditer(pem)}


def main() -> int:
    found = leaks(docker.from_env(), sys.argv[1], machine_needles())
    print("\n".join(found) or f"{sys.argv[1]}: nothing of this machine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
