"""Where a stack's images are, and who may read and write them."""

import re
from dataclasses import dataclass, field

from components.oci import Release, find_release
from deployment.sections import required
from settings import ExternalRegistry, Settings

ECR_HOST = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class Login:
    """Who asks a registry; nobody in particular by default."""

    username: str = ""
    password: str = field(default="", repr=False)


def login(stack: Settings, host: str) -> Login:
    """The login for a registry: the stack's own for the host it names, AWS's for ECR, else none."""
    registry = stack.registry
    if isinstance(registry, ExternalRegistry) and registry.server == host and registry.username:
        return Login(registry.username, required(required(registry.password).value).get_secret_value())
    found = ECR_HOST.fullmatch(host)
    if found:
        from deployment.aws import ecr_login

        return ecr_login(stack, region=found["region"])[1]
    return Login()


def find(stack: Settings, repository: str, tag: str) -> Release | None:
    """Look a tag up in its registry, with the stack's login for it."""
    who = login(stack, repository.partition("/")[0])
    return find_release(repository, tag, username=who.username, password=who.password)
