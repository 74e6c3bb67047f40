"""What a stack does with a Docker engine: build the release, and run it on a developer's machine."""

import functools
import subprocess
from collections.abc import Sequence

import pulumi
import pulumi_docker as docker
from pulumi import ResourceOptions

from components.docker_service import DockerService, DockerServiceArgs, ping
from components.image import BuiltImage, BuiltImageArgs
from components.service import ServiceArgs, ServiceOutputs
from deployment.registries import Login
from deployment.sections import required
from deployment.workloads import NAME
from settings import Settings


def built_image(
    stack: Settings, repository: str, login: Login, depends_on: Sequence[pulumi.Resource] = ()
) -> BuiltImage:
    """The stack's release, built where it is not in the registry yet.

    Args:
        repository: where it is pushed to, with its host.
        login: who pushes.
        depends_on: what must exist before the push.
    """
    ping(stack.docker_host)
    build = required(stack.build)
    return BuiltImage(
        f"{NAME}-image",
        BuiltImageArgs(
            repository=repository,
            tag=required(stack.image_tag),
            context=build.context,
            dockerfile=build.dockerfile,
            inputs=tuple(pattern.replace("{version}", required(stack.version)) for pattern in build.inputs),
            platform=build.platform,
            network=build.network,
            build_args={**build.args, "ANTGENT_VERSION": required(stack.version)},
            revision=_git_revision(),
            username=login.username,
            password=login.password,
        ),
        opts=ResourceOptions(provider=_provider(stack.docker_host), depends_on=list(depends_on)),
    )


def run(stack: Settings, _release: BuiltImage, args: ServiceArgs) -> ServiceOutputs:
    """The Docker runtime."""
    options = required(stack.service).docker
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
    """The commit the program runs from, with `-dirty` when files differ from it; `unknown` without git.

    Stack files do not count: they go into no image, and the engine itself writes to them while it runs.
    """
    try:
        changed = _git("status", "--porcelain", "--", ".", ":!Pulumi.*.yaml")
        return _git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
