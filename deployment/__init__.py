"""From a stack's settings to its components: which are built, and with which arguments.

A provider's package takes a second or more to import, so each runtime is a module of its own that only
the stacks that need it import.
"""

import importlib
from typing import TYPE_CHECKING

from components.errors import ArgumentError
from components.service import ServiceOutputs
from deployment.workloads import service_args
from settings import Settings

if TYPE_CHECKING:
    from components.image import BuiltImage

RUNTIMES = {"docker": "deployment.docker", "kubernetes": "deployment.kubernetes"}


def image(stack: Settings) -> "BuiltImage | None":
    """The stack's release, built where it is not in the registry yet; None when the stack builds nothing."""
    if stack.build is None:
        return None
    from deployment.docker import built_image

    return built_image(stack)


def service(stack: Settings, release: "BuiltImage | None") -> ServiceOutputs | None:
    """The service of the stack's runtime, running `release`; None when the stack runs nothing.

    Raises:
        ArgumentError: this version has no such runtime, or no way to the release.
    """
    if stack.service is None:
        return None
    runtime = stack.service.runtime
    if runtime not in RUNTIMES:
        raise ArgumentError(
            f"the {runtime} runtime is not part of this version\n"
            f"  fix: pulumi config set --path 'antgent:service.runtime' kubernetes"
        )
    if release is None:
        raise ArgumentError(
            "promoteFrom is not part of this version: a stack that runs a service builds it as well\n"
            "  fix: move the `build` section into this stack, and remove promoteFrom"
        )
    return importlib.import_module(RUNTIMES[runtime]).run(stack, release, service_args(stack, release))
