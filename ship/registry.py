"""Asks the registry of a release, with the login that the stacks' config or AWS gives."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from components.errors import ArgumentError
from components.oci import Release, find_release
from deployment.registries import ECR_HOST, Login
from ship.environment import Known
from ship.errors import Exit, ShipError
from ship.project import Project

Find = Callable[[str, str], Release | None]


def finder(project: Project, stacks: Sequence[str]) -> Find:
    """Looks a tag or a digest up: repository with its host, tag → what the registry has.

    Args:
        stacks: whose config may hold the registry's login, in this order.
    """

    def find(repository: str, tag: str) -> Release | None:
        who = _login(project, stacks, repository.partition("/")[0])
        return find_release(repository, tag, username=who.username, password=who.password)

    return find


def prove_there(find: Find, release: Known) -> None:
    """The release's image must still be in its registry.

    Raises:
        ShipError: it is not, or the registry does not answer.
    """
    repository = release.image.rpartition("@")[0]
    try:
        found = find(repository, release.digest)
    except ArgumentError as error:
        raise refusal(error) from None
    if found is None:
        raise ShipError(
            f"the image of {release.tag} is gone: {repository} holds no {release.digest}",
            fix="choose another release: ship history STACK lists what ran",
            code=Exit.REFUSED,
        )


def refusal(error: Exception) -> ShipError:
    """The program's own refusal, as this command line's."""
    problem, _, fix = str(error).partition("\n  fix: ")
    return ShipError(problem, fix=fix, code=Exit.REFUSED)


def _login(project: Project, stacks: Sequence[str], host: str) -> Login:
    for stack in stacks:
        registry: dict[str, Any] = project.config(stack).get("registry") or {}
        user = registry.get("username")
        if user and project.expand(str(registry.get("server"))) == host:
            password = project.pulumi(stack).config_get("antgent:registry.password", path=True)
            return Login(project.expand(str(user)), project.expand(password))
    found = ECR_HOST.fullmatch(host)
    return _ecr_login(found["region"]) if found else Login()


def _ecr_login(region: str) -> Login:
    import boto3  # half a second that other registries do without

    (answer,) = boto3.client("ecr", region_name=region).get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(answer["authorizationToken"]).decode().partition(":")
    return Login(user, password)
