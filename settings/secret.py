"""Secrets: references to where they are kept, or values that stay encrypted."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from settings.values import DNS_LABEL

if TYPE_CHECKING:
    import pulumi

AWS_REFERENCE = (
    r"arn:aws[a-z-]*:(?:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)\S+"
)
KUBERNETES_REFERENCE = rf"(?=[^/]{{1,253}}/){DNS_LABEL}(?:\.{DNS_LABEL})*/[-._a-zA-Z0-9]{{1,253}}"


@dataclass(frozen=True)
class Secret:
    """One secret: a reference to where it is kept, or a value that Pulumi keeps encrypted."""

    reference: str | None = None
    """An ARN of Secrets Manager or SSM, or `secret-name/key` of a Kubernetes Secret. Not secret itself."""
    value: SecretStr | None = None
    """The plain value, masked when printed; use `output()` to hand it on."""

    @property
    def kind(self) -> str:
        """`value`, `aws` or `kubernetes`: where the secret is kept."""
        if self.reference is None:
            return "value"
        return "aws" if self.reference.startswith("arn:") else "kubernetes"

    def output(self) -> "pulumi.Output[str]":
        """The value as a Pulumi secret. For a reference: the reference itself, as a plain output."""
        import pulumi

        if self.value is None:
            return pulumi.Output.from_input(self.reference or "")
        return pulumi.Output.secret(self.value.get_secret_value())


REFERENCE_RULE = (
    "must be encrypted, a reference (arn:aws:secretsmanager:…, arn:aws:ssm:…, "
    "secret-name/key of Kubernetes) or '${NAME}' of the environment; never plain text"
)


def as_secret(value: Any) -> Secret | None:
    """The secret that a value stands for; None for plain text, which never is one."""
    if isinstance(value, SecretStr):
        return Secret(value=value)
    if isinstance(value, str) and re.fullmatch(f"{AWS_REFERENCE}|{KUBERNETES_REFERENCE}", value):
        return Secret(reference=value)
    return None


def _secret(value: Any) -> Secret:
    secret = as_secret(value)
    if secret is None:
        raise PydanticCustomError("secret", REFERENCE_RULE)
    return secret


def _encrypted(value: Any) -> Secret:
    if isinstance(value, SecretStr):
        return Secret(value=value)
    raise PydanticCustomError("secret", "must be encrypted or '${NAME}' of the environment; never plain text")


_ENCRYPTED_SCHEMA = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
SecretSchema = WithJsonSchema({"anyOf": [_ENCRYPTED_SCHEMA, {"type": "string"}]})
AnySecret = Annotated[Secret, BeforeValidator(_secret), SecretSchema]
EncryptedSecret = Annotated[Secret, BeforeValidator(_encrypted), SecretSchema]
