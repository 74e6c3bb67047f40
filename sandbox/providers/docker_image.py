"""`docker:index/image:Image`: built by BuildKit in the daemon, then pushed."""

from typing import Any

from sandbox.providers.diffs import ADD, DELETE, UPDATE, Diff
from sandbox.providers.docker_build import build, default_platform, push
from sandbox.providers.docker_context import Context
from sandbox.providers.resource import CheckError, Props, Resource
from sandbox.providers.session import Call, ProviderError
from sandbox.providers.values import Secret, has_unknown, reveal

NOT_QUALIFIED = """error: repository name must be canonical: {image}. \
This provider requires all image names to be fully qualified.
For example, if you are attempting to push to Dockerhub, prefix your image name with `docker.io`:

`docker.io/repository/image:tag`"""


class Image(Resource):
    """An image; a new tag or build is an update in place, and nothing is ever deleted."""

    token = "docker:index/image:Image"
    args = "pulumi_docker:ImageArgs"

    def check(self, call: Call, old: Props, new: Props) -> Props:  # noqa: ARG002
        inputs = {name: value for name, value in new.items() if value is not None}
        if inputs.get("buildOnPreview"):
            raise CheckError({"buildOnPreview": "is not supported by the stand-in: a preview builds nothing"})
        build = {name: value for name, value in (inputs.get("build") or {}).items() if value is not None}
        if build.get("builderVersion") == "BuilderV1":
            raise CheckError({"build.builderVersion": "is not supported by the stand-in: BuildKit builds"})
        if not inputs.get("skipPush") and not _has_registry(inputs["imageName"]):
            raise ProviderError(NOT_QUALIFIED.format(image=inputs["imageName"]))
        return {**inputs, "build": self._checked_build(call, build)}

    def _checked_build(self, call: Call, build: Props) -> Props:
        filled = {**build}
        if "platform" not in build:
            filled["platform"] = default_platform()
            call.log(
                f"Building your image for {filled['platform']} architecture.\n"
                "To ensure you are building for the correct platform, consider "
                "explicitly setting the `platform` field on ImageBuildOptions."
            )
        where = {name: build[name] for name in ("context", "dockerfile") if name in build}
        if has_unknown(where):
            return filled
        context = Context.of(where, call.folder)
        filled["context"] = build.get("context") or "."
        filled["dockerfile"] = context.dockerfile_input
        filled["contextDigest"] = context.digest()
        return filled

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:  # noqa: ARG002
        old = old_outputs.get("__inputs") or old_inputs
        changes = {name: _kind(old.get(name), new.get(name)) for name in sorted({*old, *new})}
        if changes.get("registry") == UPDATE and old["registry"].get("server") == new["registry"].get(
            "server"
        ):
            # Passwords of registries are short-lived; a new one is no reason to build again.
            del changes["registry"]
        detailed = {name: kind for name, kind in changes.items() if kind}
        return Diff(detailed, has_detailed=bool(detailed))

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        return inputs["imageName"], self._build(call, inputs)

    def preview_update(self, call: Call, id: str, old_outputs: Props, new: Props) -> Props:  # noqa: ARG002
        return new

    def update(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:  # noqa: ARG002
        return self._build(call, new)

    def _build(self, call: Call, inputs: Props) -> Props:
        image, building, registry = inputs["imageName"], inputs["build"], inputs.get("registry") or {}
        build(call, image, building)
        outputs: dict[str, Any] = {
            "__inputs": Secret(reveal(inputs)[0]),
            "baseImageName": image,
            "context": building["context"],
            "dockerfile": Context.of(building, call.folder).dockerfile_name,
            "imageName": image,
            "platform": building.get("platform"),
            "registryServer": registry.get("server", ""),
        }
        if not inputs.get("skipPush"):
            outputs["repoDigest"] = push(call, image, registry)
        return outputs


def _has_registry(image: str) -> bool:
    host, slash, _ = image.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")


def _kind(old: Any, new: Any) -> str:
    if old == new:
        return ""
    return ADD if old is None else DELETE if new is None else UPDATE
