"""What a task definition points to: secrets, parameters and images. Pure functions of text."""

import re
from dataclasses import dataclass

_ECR = re.compile(r"^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/(?P<rest>.+)$")
_SECRET_PARTS = 7


@dataclass(frozen=True)
class Reference:
    """Where a container's secret is kept.

    Args:
        service: `secretsmanager` or `ssm`.
        account: whose it is; empty for the caller's own.
        region: where it is; empty for the caller's own.
        name: the secret's ARN, or the parameter's name.
        key: of the JSON that the secret holds; empty for the whole.
        stage: the version's label; empty for AWS's default.
        version: the version's id; empty for AWS's default.
    """

    service: str
    account: str
    region: str
    name: str
    key: str = ""
    stage: str = ""
    version: str = ""


def reference(value_from: str) -> Reference:
    """A secret's `valueFrom`: ARN of a secret, with `:json-key:stage:version` or without, ARN of a
    parameter, or a parameter's name.

    Raises:
        ValueError: an ARN of something else, or more parts than AWS knows.
    """
    if not value_from.startswith("arn:"):
        return Reference("ssm", "", "", value_from)
    parts = value_from.split(":")
    if len(parts) >= _SECRET_PARTS and parts[2] == "secretsmanager":
        more = parts[_SECRET_PARTS:] or ["", "", ""]
        if len(more) != 3:
            raise ValueError(f"unexpected ARN format with parameters when trying to retrieve {value_from}")
        arn = ":".join(parts[:_SECRET_PARTS])
        return Reference("secretsmanager", parts[4], parts[3], arn, *more)
    if parts[2] == "ssm" and parts[5].startswith("parameter/"):
        name = ":".join(parts[5:]).removeprefix("parameter/")
        # A name with a path begins with a slash, which its ARN has only once.
        return Reference("ssm", parts[4], parts[3], f"/{name}" if "/" in name else name)
    raise ValueError(f"invalid secret reference {value_from}: neither Secrets Manager's nor SSM's")


def pulled(image: str, registry: str) -> str:
    """The name under which an image is pulled: ECR's are in the sandbox's registry, others where they say.

    Args:
        registry: `host:port`; empty leaves every name as it is.
    """
    found = _ECR.match(image)
    return f"{registry}/{found['rest']}" if found and registry else image


def split(image: str) -> tuple[str, str]:
    """Repository and what to pull of it: a digest, a tag, or `latest`."""
    repository, at, digest = image.partition("@")
    name, colon, tag = repository.rpartition(":")
    if not colon or "/" in tag:
        name, tag = repository, "latest"
    return name, digest if at else tag
