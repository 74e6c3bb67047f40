"""Rules for images that are built, and for containers of the Docker runtime."""

from collections.abc import Iterator, Mapping

from policies.containers import SECRET_NAME, by_tag, is_root
from policies.rules import Resource, listed, opaque, rule

IMAGE = "docker:index/image:Image"
CONTAINER = "docker:index/container:Container"


@rule(IMAGE, fix="antgent:imageTag with the release's version")
def image_has_a_release_tag(resource: Resource) -> Iterator[str]:
    """An image is pushed under a tag that names one release."""
    name = resource.get("imageName")
    if opaque(name) or not name:
        return
    tag = str(name).rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        yield f"{name} names no release"


@rule(IMAGE, fix="a BuildKit secret or a mount, which leave nothing behind")
def image_no_secret_in_arguments(resource: Resource) -> Iterator[str]:
    """No secret is a build argument, which stays readable in the image's history."""
    given = resource.get("build", "args")
    for name in given if isinstance(given, Mapping) else ():
        if SECRET_NAME.search(name):
            yield f"the build argument {name} stays readable in the image"


@rule(CONTAINER, fix="take the image of PromotedImage or BuiltImage, which is repository@sha256:…")
def docker_image_by_digest(resource: Resource) -> Iterator[str]:
    """Containers run an image by its digest."""
    image = resource.get("image")
    if by_tag(image) and not str(image).startswith("sha256:"):
        yield f"it runs {image}, which is no digest"


@rule(CONTAINER, fix="a user, read_only, capabilities dropped, memory limited, as DockerService has them")
def docker_confined(resource: Resource) -> Iterator[str]:
    """Containers are neither root nor privileged, write to nothing of their image, and have limits."""
    if is_root(resource.get("user")):
        yield "it runs as root"
    if resource.get("privileged") is True:
        yield "it is privileged"
    if not resource.get("readOnly"):
        yield "it may write to its root file system"
    if "ALL" not in [str(one).removeprefix("CAP_") for one in listed(resource.get("capabilities", "drops"))]:
        yield "it keeps Linux capabilities"
    if not resource.get("memory"):
        yield "it has no limit of memory"


RULES = (image_has_a_release_tag, image_no_secret_in_arguments, docker_image_by_digest, docker_confined)
