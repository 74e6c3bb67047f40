"""Secrets of a task, read from moto's Secrets Manager and Parameter Store."""

import json
from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends
from werkzeug.exceptions import HTTPException

from sandbox.ecs import wording
from sandbox.ecs.references import Reference, reference


class SecretError(Exception):
    """A secret that cannot be had; the message is the task's stopped reason."""


def environment(definition: Mapping[str, Any], account: str, region: str) -> dict[str, str]:
    """A container's secrets, by the names that its process sees.

    Raises:
        SecretError: one of them does not exist, or has no such key.
    """
    return {one["name"]: value(one["valueFrom"], account, region) for one in definition.get("secrets") or []}


def credentials(definition: Mapping[str, Any], account: str, region: str) -> dict[str, str] | None:
    """User and password of a private registry; None where the task definition names none.

    Raises:
        SecretError: the secret does not exist, or is not the JSON that ECS expects.
    """
    arn = (definition.get("repositoryCredentials") or {}).get("credentialsParameter")
    if not arn:
        return None
    try:
        found = json.loads(value(arn, account, region))
        return {"username": found["username"], "password": found["password"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SecretError(f"{_asm()}the secret of the registry's credentials is no JSON of both") from error


def value(value_from: str, account: str, region: str) -> str:
    """What a `valueFrom` points to.

    Raises:
        SecretError: it points to nothing.
    """
    try:
        wanted = reference(value_from)
    except ValueError as error:
        raise SecretError(f"{wording.SECRETS}{error}") from error
    account, region = wanted.account or account, wanted.region or region
    if wanted.service == "ssm":
        return _parameter(wanted, account, region)
    return _secret(wanted, account, region)


def _secret(wanted: Reference, account: str, region: str) -> str:
    backend: Any = secretsmanager_backends[account][region]
    try:
        found = backend.get_secret_value(wanted.name, wanted.version or None, wanted.stage or None)
    except (ServiceException, HTTPException, KeyError) as error:
        kind = getattr(error, "error_type", None) or getattr(error, "code", "ResourceNotFoundException")
        why = getattr(error, "message", "Secrets Manager can't find the specified secret.")
        raise SecretError(
            f"{_asm()}failed to fetch secret {wanted.name} from secrets manager: {kind}: {why}"
        ) from error
    text = found.get("SecretString") or ""
    return _member(text, wanted.key) if wanted.key else text


def _member(text: str, key: str) -> str:
    try:
        found = json.loads(text)[key]
    except (ValueError, KeyError, TypeError) as error:
        raise SecretError(
            f"{_asm()}retrieved secret from Secrets Manager did not contain json key {key}"
        ) from error
    return found if isinstance(found, str) else json.dumps(found)


def _parameter(wanted: Reference, account: str, region: str) -> str:
    try:
        found = ssm_backends[account][region].get_parameter(wanted.name)
    except (ServiceException, HTTPException):
        found = None
    if found is None:
        raise SecretError(
            f"{wording.SECRETS}unable to retrieve secrets from ssm: service call has been retried 1 "
            f"time(s): invalid parameters: {wanted.name}"
        )
    return str(found.response_object(decrypt=True, region=region)["Value"])


def _asm() -> str:
    return f"{wording.SECRETS}unable to retrieve secret from asm: service call has been retried 1 time(s): "
