"""BuiltImage: a release's image, built once and pushed once.

A release is known by its tag, and a tag never changes its content. So the registry is asked first, in
preview too: a tag that is there with the same content is used as it is, one with other content is an
error, and only a tag that is not there is built and pushed.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pulumi
import pulumi_docker as docker
from docker.utils.build import PatternMatcher
from pulumi import Output, ResourceOptions

from components import state
from components.errors import ArgumentError
from components.oci import REVISION_LABEL, Release, find_release

CONTENT_LABEL = "antgent.build.content"


@dataclass(frozen=True, kw_only=True)
class BuiltImageArgs:
    """What to build, and what it is called."""

    repository: str
    """The repository with its registry's host. No default."""
    tag: str
    """The release's tag. No default."""
    context: str = "image"
    """The build context, a folder. Defaults to `image`."""
    dockerfile: str = "image/Dockerfile"
    """The Dockerfile. Defaults to `image/Dockerfile`."""
    inputs: tuple[str, ...] = ("**",)
    """Patterns of the files, inside the context, that decide the image's content. Defaults to all."""
    platform: str = "linux/amd64"
    """The platform to build for. Defaults to `linux/amd64`."""
    network: str | None = None
    """Docker's network mode for build steps. Defaults to the engine's own default."""
    build_args: Mapping[str, str] = field(default_factory=dict)
    """Build arguments that decide the image's content. Defaults to none."""
    revision: str = "unknown"
    """The git revision that labels the image; it decides no content. Defaults to `unknown`."""
    username: str = ""
    """The registry's user. Defaults to an anonymous push."""
    password: str = field(default="", repr=False)
    """Its password; a secret from here on. Defaults to none."""


@dataclass(frozen=True)
class Build:
    """A build that this stack's state knows of.

    Args:
        tag, context: what was built; `context` is the hash of the whole folder.
        attempt: counts builds of one tag, which happen when a registry has lost an image.
    """

    tag: str
    context: str
    attempt: int


class BuiltImage(pulumi.ComponentResource):
    """The digest of a release, built when its tag is not in the registry yet.

    Raises:
        ArgumentError: the tag exists with other content, the registry does not answer, or the build
            context is not there.
    """

    reference: Output[str]
    """`repository@sha256:…`."""
    revision: str
    """The git revision the image was built from, as its label says."""

    def __init__(self, name: str, args: BuiltImageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("antgent:image:BuiltImage", name, None, opts)
        self._name, self._args = name, args
        self._needs = opts.depends_on if opts else None
        whole = hash_context(args.context, args.dockerfile)
        content = hash_content(args)
        found = find_release(args.repository, args.tag, username=args.username, password=args.password)
        check_content(args, content, found)
        build = decide(args.tag, whole, found, _last_build(name))
        image = self._create_image(build, content) if build else None
        self.reference = image.repo_digest if image and not found else Output.from_input(_reference(found))
        self.revision = found.labels.get(REVISION_LABEL, "unknown") if found else args.revision
        self.register_outputs({"reference": self.reference, "build": vars(build) if build else None})

    def _create_image(self, build: Build, content: str) -> docker.Image:
        args = self._args
        return docker.Image(
            f"{self._name}-{build.attempt}",
            image_name=f"{args.repository}:{args.tag}",
            build=docker.DockerBuildArgs(
                context=args.context,
                dockerfile=args.dockerfile,
                platform=args.platform,
                network=args.network,
                args={**args.build_args, "CONTENT": content, "REVISION": args.revision},
            ),
            registry=docker.RegistryArgs(
                server=args.repository.partition("/")[0],
                username=args.username or None,
                password=Output.secret(args.password) if args.username else None,
            ),
            build_on_preview=False,
            # The revision labels the build that was made; a later commit is no reason for another.
            # A component's children do not wait for what the component waits for.
            opts=ResourceOptions(parent=self, ignore_changes=["build.args.REVISION"], depends_on=self._needs),
        )


def _reference(found: Release | None) -> str:
    return found.reference if found else ""


def decide(tag: str, context: str, found: Release | None, last: Build | None) -> Build | None:
    """The build this run must know of, or None when the registry has the image and state need not.

    Args:
        tag, context: what is asked for now.
        found: what the registry has under the tag.
        last: what this stack's state says was built.
    """
    if found:
        # Keeping the resource that built it means "no change"; dropping a stale one costs nothing,
        # because deleting an Image leaves the registry alone.
        return last if last and (last.tag, last.context) == (tag, context) else None
    lost = last is not None and last.tag == tag
    return Build(tag, context, last.attempt + 1 if last and lost else 1)


def check_content(args: BuiltImageArgs, content: str, found: Release | None) -> None:
    """Refuse a tag that the registry holds with other content.

    Raises:
        ArgumentError: with the git revision it was built from, as far as its labels say so.
    """
    if found is None or found.labels.get(CONTENT_LABEL) == content:
        return
    origin = found.labels.get(REVISION_LABEL) or "an unknown revision"
    local = re.match(r"(127\.|localhost\b|\[::1\])", args.repository)
    raise ArgumentError(
        f"{args.repository}:{args.tag} is in the registry with other content: it was built from {origin}, "
        f"and a release's tag is never built twice\n"
        f"  fix: give the new content a new tag (pulumi config set antgent:imageTag …), "
        f"or check out {origin} to deploy the old"
        f"{', or empty the registry of this machine (make purge)' if local else ''}"
    )


def _last_build(name: str) -> Build | None:
    """What this stack's own state says about the component of this name."""
    build = state.own_outputs(f"antgent:image:BuiltImage::{name}").get("build")
    return Build(build["tag"], build["context"], int(build["attempt"])) if build else None


def hash_content(args: BuiltImageArgs) -> str:
    """What decides the image: the Dockerfile, the files that `inputs` names, and the build arguments."""
    files = [
        path
        for path in _context_files(args.context)
        if any(PurePosixPath(path).match(pattern) or pattern == "**" for pattern in args.inputs)
    ]
    digest = _hash_files(args.context, files, args.dockerfile)
    for item in (*sorted(args.build_args.items()), ("platform", args.platform)):
        digest.update(repr(item).encode())
    return digest.hexdigest()


def hash_context(context: str, dockerfile: str) -> str:
    """The whole build context, as a provider sees it."""
    return _hash_files(context, _context_files(context), dockerfile).hexdigest()


def _context_files(context: str) -> list[str]:
    root = Path(context)
    if not root.is_dir():
        raise ArgumentError(
            f"the build context {context} is not a folder\n"
            f"  fix: pulumi config set --path 'antgent:build.context' image"
        )
    ignore = root / ".dockerignore"
    patterns = ignore.read_text().splitlines() if ignore.exists() else []
    kept = PatternMatcher([line for line in patterns if line and not line.startswith("#")]).walk(str(root))
    return sorted(path for path in kept if (root / path).is_file())


def _hash_files(context: str, files: list[str], dockerfile: str) -> "hashlib._Hash":
    recipe = Path(dockerfile)
    if not recipe.is_file():
        raise ArgumentError(
            f"the Dockerfile {dockerfile} does not exist\n"
            f"  fix: pulumi config set --path 'antgent:build.dockerfile' image/Dockerfile"
        )
    digest = hashlib.sha256(recipe.read_bytes())
    for path in files:
        digest.update(path.encode() + b"\0" + hashlib.sha256(Path(context, path).read_bytes()).digest())
    return digest
