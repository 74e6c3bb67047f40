"""The Secret by which pods pull their image from a registry that asks for a login."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi import Input, Output
from pulumi_kubernetes import core

if TYPE_CHECKING:
    from components.kubernetes_service import KubernetesService


@dataclass(frozen=True, kw_only=True)
class PullArgs:
    """A registry's login."""

    server: str
    """Host and port of the registry. No default."""
    username: str
    """Its user. No default."""
    password: Input[str]
    """The user's password or token, a secret. No default."""


def create_pull_secret(owner: "KubernetesService", name: str, args: PullArgs) -> Output[str]:
    """Create the Secret as a child of `owner`; returns its name."""
    login = {"password": args.password, "username": args.username}
    secret = core.v1.Secret(
        f"{name}-registry",
        metadata=owner.meta(),
        type="kubernetes.io/dockerconfigjson",
        immutable=True,
        string_data={".dockerconfigjson": Output.secret(Output.json_dumps({"auths": {args.server: login}}))},
        opts=owner.child(additional_secret_outputs=["data", "stringData"]),
    )
    return secret.metadata["name"]
