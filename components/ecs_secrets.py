"""Secrets of ECS tasks: references, and Pulumi secrets that become Secrets Manager secrets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import Input, Output

from components.ecs_documents import secret_resource

if TYPE_CHECKING:
    from components.ecs_service import EcsService, EcsServiceArgs

RECOVERY_DAYS = 7


@dataclass(frozen=True)
class TaskSecrets:
    """What tasks and their execution role need to know of the secrets.

    Args:
        values: variable name → what ECS reads it from.
        credentials: ARN of the secret that pulls the image, None where no login is needed.
        resources: ARNs as IAM names them.
    """

    values: dict[str, Input[str]]
    credentials: Input[str] | None
    resources: list[Input[str]]


def create_secrets(owner: "EcsService", name: str, args: "EcsServiceArgs") -> TaskSecrets:
    """Create a Secrets Manager secret for each value that Pulumi keeps; references are used as they are."""
    secrets, username, password = args.service.secrets, args.pull_username, args.pull_password
    # What Fluent Bit reads is under no variable's name.
    further = args.fire_lens.secrets.values() if args.fire_lens else ()
    values: dict[str, Input[str]] = {}
    resources: list[Input[str]] = [secret_resource(one) for one in further]
    for variable, given in sorted(secrets.items()):
        if not isinstance(given, Output):
            values[variable] = given
            resources.append(secret_resource(str(given)))
            continue
        secret, version = _create_secret(owner, f"{name}-{variable.lower().replace('_', '-')}", given)
        # With the version in it, another value is another task definition: tasks start anew with it.
        values[variable] = Output.format("{}:::{}", secret.arn, version.version_id)
        resources.append(secret.arn)
    if not username:
        return TaskSecrets(values, None, resources)
    login = Output.secret(Output.json_dumps({"password": password, "username": username}))
    pull, _ = _create_secret(owner, f"{name}-registry", login)
    return TaskSecrets(values, pull.arn, [*resources, pull.arn])


def _create_secret(
    owner: "EcsService", name: str, value: Output[str]
) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
    secret = aws.secretsmanager.Secret(name, recovery_window_in_days=RECOVERY_DAYS, opts=owner.child())
    version = aws.secretsmanager.SecretVersion(
        f"{name}-value", secret_id=secret.id, secret_string=value, opts=owner.child()
    )
    return secret, version
