"""From a stack's settings to its components: which are built, and with which arguments.

A provider's package takes a second or more to import, so each runtime is a module of its own that only
the stacks that need it import.
"""

import functools
import importlib
from typing import TYPE_CHECKING, Any

from components.errors import ArgumentError
from components.promoted_image import OverrideArgs, PromotedImage, PromotedImageArgs
from components.registry_policies import check_release_tag, release_rules
from components.service import ServiceOutputs
from deployment import registries
from deployment.sections import required
from deployment.workloads import NAME, service_args
from settings import EcrRegistry as OwnedRegistry
from settings import Settings

if TYPE_CHECKING:
    from components.image import BuiltImage
    from components.registry import EcrRegistry
    from components.verification import ReleaseVerification

RUNTIMES = {"docker": "deployment.docker", "kubernetes": "deployment.kubernetes", "ecs": "deployment.aws"}


def registry(stack: Settings) -> "EcrRegistry | None":
    """The repositories that the stack owns; None where the registry is another's."""
    if not isinstance(stack.registry, OwnedRegistry):
        return None
    from deployment import aws

    return aws.registry(stack, stack.registry)


def image(stack: Settings, owned: "EcrRegistry | None") -> "BuiltImage | PromotedImage | None":
    """The stack's release: promoted, or built where it is not in the registry yet; None for neither.

    Args:
        owned: what `registry` gave.

    Raises:
        ArgumentError: the release may not run here, or its registry would not keep it.
    """
    if stack.promote_from:
        return _promoted_image(stack)
    if stack.build is None:
        return None
    from deployment.docker import built_image

    where = required(stack.registry)
    if not isinstance(where, OwnedRegistry):
        return built_image(stack, required(stack.repository), registries.login(stack, where.server))
    from deployment import aws

    check_release_tag(required(stack.image_tag), release_rules(where.keep_releases))
    host, login = aws.ecr_login(stack)
    return built_image(stack, f"{host}/{where.repository}", login, depends_on=[owned] if owned else [])


def service(stack: Settings, release: "BuiltImage | PromotedImage | None") -> ServiceOutputs | None:
    """The service of the stack's runtime, running `release`; None when the stack runs nothing.

    Raises:
        ArgumentError: there is no release to run.
    """
    if stack.service is None:
        return None
    if release is None:
        raise ArgumentError(
            "the stack runs a service, and neither builds its release nor takes it from another stack\n"
            "  fix: pulumi config set antgent:promoteFrom release"
        )
    runtime = importlib.import_module(RUNTIMES[stack.service.runtime])
    return runtime.run(stack, release, service_args(stack, release))


def ci(stack: Settings) -> dict[str, Any]:
    """The outputs about the roles that CI takes; none where the stack makes no such roles."""
    if stack.github is None:
        return {}
    from deployment import github

    return github.run(stack, stack.github)


def verify(
    stack: Settings,
    release: "BuiltImage | PromotedImage | None",
    running: ServiceOutputs | None,
) -> "ReleaseVerification | None":
    """The verification of what runs; None where the stack verifies nothing."""
    if stack.verify is None or release is None or running is None:
        return None
    from deployment.verification import verification

    return verification(stack, release, running)


def exports(
    stack: Settings,
    owned: "EcrRegistry | None",
    release: "BuiltImage | PromotedImage | None",
    running: ServiceOutputs | None,
    verified: "ReleaseVerification | None",
) -> dict[str, Any]:
    """The stack's outputs. Another stack that promotes from this one reads them."""
    outputs: dict[str, Any] = {"tag": stack.image_tag}
    if owned:
        outputs |= {
            "repository": owned.repository,
            "repositoryArn": owned.repository_arn,
            "developmentRepository": owned.development_repository,
            "readPolicy": owned.read_policy,
            "pushPolicy": owned.push_policy,
        }
    elif stack.repository:
        outputs["repository"] = stack.repository
    if release:
        outputs |= {"image": release.reference, "gitRevision": release.revision}
    if isinstance(release, PromotedImage):
        outputs |= {"repositoryArn": release.repository_arn, "override": release.override}
    if running:
        outputs |= {"url": running.url, "revision": running.revision, "logs": running.logs}
    if verified:
        outputs["ledger"] = verified.ledger
    if stack.hold:
        outputs["hold"] = {"tag": stack.hold.tag, "reason": stack.hold.reason, "by": stack.hold.by}
    return {name: value for name, value in outputs.items() if value is not None}


def _promoted_image(stack: Settings) -> PromotedImage:
    given = stack.override
    return PromotedImage(
        f"{NAME}-image",
        PromotedImageArgs(
            source=required(stack.promote_from),
            tag=required(stack.image_tag),
            find=functools.partial(registries.find, stack),
            override=OverrideArgs(reason=given.reason, by=given.by) if given else None,
            held=stack.hold is not None,  # its rule: it names this very release
        ),
    )
