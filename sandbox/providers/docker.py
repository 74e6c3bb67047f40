"""The Docker stand-in: the resource types the product uses, on a real Docker daemon."""

from typing import Any

from sandbox.providers.base import Provider
from sandbox.providers.docker_container import Container
from sandbox.providers.docker_image import Image
from sandbox.providers.docker_network import Network, Volume
from sandbox.providers.docker_registry import GET_REGISTRY_IMAGE, get_registry_image
from sandbox.providers.resource import CheckError, Props
from sandbox.providers.session import Call, ProviderError

DEFAULT_HOST = "unix:///var/run/docker.sock"
# Remote daemons with certificates or SSH are for the official plugin.
SETTINGS = {"host", "registryAuth", "version"}
UNREACHABLE = "docker native provider returned an unexpected error from Configure: failed to connect to any docker daemon"


class Docker(Provider):
    """Serves `docker:index/*`; each session has a client of the daemon that `docker:host` names."""

    package = "docker"
    accept_secrets = False
    resources = (Image(), Container(), Network(), Volume())
    functions = {GET_REGISTRY_IMAGE: get_registry_image}

    def check_config(self, call: Call, old: Props, new: Props) -> Props:  # noqa: ARG002
        refused = {name: "is not supported by the stand-in" for name in new if name not in SETTINGS}
        if refused:
            raise CheckError(refused)
        return new

    def connect(self, config: Props) -> Any:
        import docker
        import docker.errors
        import requests

        try:
            # Without a limit on reading: a stop waits for its grace, a build for its slowest step.
            client = docker.DockerClient(
                base_url=config.get("host") or DEFAULT_HOST, version="auto", timeout=600
            )
            client.ping()
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise ProviderError(UNREACHABLE) from error
        return client

    def warm_up(self) -> None:
        import docker  # noqa: F401
        import pulumi_docker

        from sandbox.providers.sdk_types import problems

        pulumi_docker.ContainerArgs  # noqa: B018 the SDK loads its modules on first use
        problems("pulumi_docker:ContainerArgs", {"image": ""})
