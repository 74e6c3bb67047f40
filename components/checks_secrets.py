"""Secrets that a check sends: read where they are kept, at the moment they are sent, and kept nowhere."""

import json

from components.checks import Spec, VerificationError


def resolve(spec: Spec) -> dict[str, str]:
    """The values of the secrets that the HTTP checks of `spec` send, by name.

    Raises:
        VerificationError: one cannot be read.
    """
    wanted = {name for check in spec.http for name in check.secret_headers.values()}
    # Kept with the line's end that an editor added, a value cannot be sent.
    return {name: _value(name, spec).strip() for name in sorted(wanted)}


def _value(name: str, spec: Spec) -> str:
    if name in spec.secrets:
        return spec.secrets[name]
    reference = spec.references[name]
    try:
        return _from_aws(reference, spec) if reference.startswith("arn:") else _from_cluster(reference, spec)
    except Exception as error:  # noqa: BLE001  every client has errors of its own; each ends the verification
        raise VerificationError(
            f"verification failed: the secret {name} cannot be read\n"
            f"  request: {reference}\n"
            f"  answer: {type(error).__name__}: {error}\n"
            f"  fix: let the one who deploys read it, or check a path that wants no secret"
        ) from None


def _from_aws(arn: str, spec: Spec) -> str:
    from components.aws_clients import AwsClients

    parts = arn.split(":")
    aws = AwsClients({**spec.aws, "region": parts[3]})
    if parts[2] == "ssm":
        path = parts[5].removeprefix("parameter")
        return aws("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
    key, stage, version = (*parts[7:], "", "", "")[:3]
    chosen = {name: value for name, value in (("VersionStage", stage), ("VersionId", version)) if value}
    value = aws("secretsmanager").get_secret_value(SecretId=":".join(parts[:7]), **chosen)["SecretString"]
    return str(json.loads(value)[key]) if key else value


def _from_cluster(reference: str, spec: Spec) -> str:
    from components.checks_cluster import secret

    if spec.cluster is None:
        raise LookupError("it is a Kubernetes Secret, and the environment runs in no cluster")
    return secret(spec.cluster, *reference.split("/", 1))
