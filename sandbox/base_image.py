"""The two images that antgent's Dockerfile starts from: `runtime`, and `builder` with pip beside it.

Where Docker can pull, both are the official slim Python that image/Dockerfile names. Elsewhere they
are a Debian of our own. The builder also gets this machine's pip settings and certificates, as a
layer of its own; antgent's final image starts from `runtime` and has none of them.
"""

import contextlib
import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import docker as docker_sdk
from docker.errors import APIError, BuildError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from sandbox.console import say, step
from sandbox.debian_tree import SUITE, ensure_trees, recipe_key
from sandbox.docker_engine import DockerEngine
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT
from sandbox.pip_settings import PipSettings

DOCKERFILE = CHECKOUT / "image" / "Dockerfile"
BASE, BUILDER = "antgent-base", "antgent-builder"
PULL_CHECK_SECONDS = 8
SETTINGS = [
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8",
    'CMD ["python3"]',
]


@dataclass(frozen=True)
class BaseImages:
    """References for the Dockerfile's build arguments.

    Args:
        runtime: for BASE_IMAGE, the start of the final stage.
        builder: for BUILDER_IMAGE, the start of the stage that runs pip.
    """

    runtime: str
    builder: str


def ensure_base_images(docker: DockerEngine) -> BaseImages:
    """The two images, pulled or made where they are missing (about two minutes, once a cache).

    A Debian base that is there is used again also when Docker could pull by now. Raises SandboxError
    when neither an image can be pulled nor Debian be bootstrapped.
    """
    with contextlib.closing(docker.client(timeout=600)) as client:
        ours = f"{BASE}:{SUITE}-{recipe_key()}"
        official = official_image()
        if not _present(client, ours) and _pullable(docker, client, official):
            runtime = plain = official
        else:
            runtime, plain = ours, f"{ours}-builder"
            _import_missing(client, runtime, plain)
        return BaseImages(runtime, _with_settings(client, plain, PipSettings.of_this_machine()))


def find_base_images(docker: DockerEngine) -> BaseImages | None:
    """What `ensure_base_images` would return when nothing has to be pulled or made for it."""
    settings = PipSettings.of_this_machine()
    with contextlib.closing(docker.client()) as client:
        ours = f"{BASE}:{SUITE}-{recipe_key()}"
        for runtime, plain in ((ours, f"{ours}-builder"), (official_image(), official_image())):
            builder = _builder_name(plain, settings)
            if _present(client, runtime) and _present(client, builder):
                return BaseImages(runtime, builder)
    return None


def remove_base_images(docker: DockerEngine) -> None:
    """Remove the images we made (not the official one) from the engine."""
    with contextlib.closing(docker.client()) as client:
        for image in [*client.images.list(BUILDER), *client.images.list(BASE)]:
            for tag in image.tags:
                client.images.remove(tag, force=True)


def official_image() -> str:
    """The official slim Python by its full tag: the default of BASE_IMAGE in image/Dockerfile."""
    found = re.search(r"^ARG BASE_IMAGE=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise SandboxError(f"{DOCKERFILE} has no `ARG BASE_IMAGE=…`", fix="restore that line")
    return found.group(1)


def _present(client: docker_sdk.DockerClient, image: str) -> bool:
    with contextlib.suppress(ImageNotFound):
        client.images.get(image)
        return True
    return False


def _pullable(docker: DockerEngine, client: docker_sdk.DockerClient, image: str) -> bool:
    """Whether the engine has `image` or its registry answers in a few seconds."""
    if _present(client, image):
        return True
    with contextlib.suppress(DockerException, RequestException):
        with contextlib.closing(docker.client(timeout=PULL_CHECK_SECONDS)) as impatient:
            impatient.images.get_registry_data(image)
        with step(f"pulling {image}"):
            client.images.pull(image)
        return True
    return False


def _import_missing(client: docker_sdk.DockerClient, runtime: str, plain: str) -> None:
    if _present(client, runtime) and _present(client, plain):
        return
    trees = ensure_trees()
    for reference, archive in ((runtime, trees.runtime), (plain, trees.builder)):
        with step(f"importing {reference} ({archive.stat().st_size / 1e6:.0f} MB)"):
            _import(client, reference, archive)


def _import(client: docker_sdk.DockerClient, reference: str, archive: Path) -> None:
    repository, _, tag = reference.partition(":")
    try:
        client.api.import_image_from_file(str(archive), repository, tag, changes=SETTINGS)
    except (APIError, RequestException) as error:
        raise SandboxError(
            f"docker could not import {reference}: {error}",
            fix="look at the disk (df -h) and the engine's log",
        ) from error
    if not _present(client, reference):
        raise SandboxError(f"docker imported {reference}, but it is not there", fix="look at the disk: df -h")


def _builder_name(plain: str, settings: PipSettings) -> str:
    if settings.empty:
        return plain
    tag = plain.partition("@")[0].rpartition(":")[2].removesuffix("-builder")
    return f"{BUILDER}:{tag}-{settings.key}"


def _with_settings(client: docker_sdk.DockerClient, plain: str, settings: PipSettings) -> str:
    """`plain` with this machine's pip settings and certificates on top, where it has any."""
    reference = _builder_name(plain, settings)
    if settings.empty or _present(client, reference):
        return reference
    files = settings.files()
    lines = [f"FROM {plain}", *(f"COPY {Path(name).name} {name}" for name in files)]
    context = _tar({"Dockerfile": "\n".join(lines).encode()} | {Path(n).name: c for n, c in files.items()})
    try:
        client.images.build(fileobj=context, custom_context=True, tag=reference, rm=True, forcerm=True)
    except (APIError, BuildError) as error:
        raise SandboxError(
            f"docker could not make {reference}: {error}", fix="look at the disk (df -h) and the engine's log"
        ) from error
    say(f"  the build stage gets this machine's {settings.summary}; antgent's image does not")
    return reference


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
