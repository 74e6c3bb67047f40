"""What a stack does with a Docker engine: build the release, and run it on a developer's machine."""

import functools
import subprocess

import pulumi
import pulumi_docker as docker
from pulumi import ResourceOptions

from components.docker_service import DockerService, DockerServiceArgs, ping
from components.image import BuiltImage, BuiltImageArgs
from components.service import ServiceArgs, ServiceOutputs
from deployment.workloads import NAME
from settings import Settings


def built_image(stack: Settings) -> BuiltImage:
    """The stack's release, built where it is not in the registry yet."""
    ping(stack.docker_host)
    build, registry = stack.build, stack.registry
    password = registry.password.output() if registry.password else ""
    return BuiltImage(
        f"{NAME}-image",
        BuiltImageArgs(
            repository=stack.repository,
            tag=stack.image_tag,
            context=build.context,
            dockerfile=build.dockerfile,
            inputs=tuple(pattern.replace("{version}", stack.version) for pattern in build.inputs),
            platform=build.platform,
            network=build.network,
            build_args={**build.args, "ANTGENT_VERSION": stack.version},
            revision=_git_revision(),
            username=registry.username or "",
            password=password,
        ),
        opts=ResourceOptions(provider=_provider(stack.docker_host)),
    )


def run(stack: Settings, _release: BuiltImage, args: ServiceArgs) -> ServiceOutputs:
    """The Docker runtime."""
    options = stack.service.docker
    running = DockerService(
        NAME,
        DockerServiceArgs(
            service=args,
            stack=f"{pulumi.get_project()}/{pulumi.get_stack()}",
            host=stack.docker_host,
            publish_address=options.publish.address,
            publish_port=options.publish.port,
            restart=options.restart,
        ),
        opts=ResourceOptions(provider=_provider(stack.docker_host)),
    )
    return running.outputs


@functools.cache
def _provider(host: str) -> docker.Provider:
    """The one Docker provider of a stack: its builds and its containers use the same engine."""
    return docker.Provider("docker", host=host)


@functools.cache
def _git_revision() -> str:
    """The commit the program runs from, with `-dirty` when files differ from it; `unknown` without git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
