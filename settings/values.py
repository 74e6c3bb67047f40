"""The vocabulary of the stack files: texts with a rule a person can read, and secrets."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    import pulumi


class Section(BaseModel):
    """Base of every section: immutable, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        """A key with nothing after its colon is what remains when all below it is commented out."""
        if not isinstance(data, dict):
            return data
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in data.items() if value is not None or key not in known}


def broken(rule: str, example: Any = None) -> PydanticCustomError:
    """The error of a value that breaks a rule.

    Args:
        rule: completes the sentence "this value …"; must not hold the value itself, which may be secret.
        example: a value that keeps the rule, for the command that mends it.
    """
    return PydanticCustomError("rule", "{rule}", {"rule": rule, "example": example})


def text(pattern: str, rule: str, example: str) -> Any:
    """A string type whose whole value matches `pattern`; `rule` says in words what that means."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise broken(rule, example)
        return value

    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "examples": [example]}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def checked(check: Callable[[str], object], rule: str, example: str) -> Any:
    """A string type that `check` accepts without a ValueError."""

    def validate(value: str) -> str:
        try:
            check(value)
        except ValueError:
            raise broken(rule, example) from None
        return value

    return Annotated[str, AfterValidator(validate), WithJsonSchema({"type": "string", "examples": [example]})]


def many(item: Any, **rules: Any) -> Any:
    """A list in YAML, a tuple in Python. `rules` are pydantic's (`min_length`, `max_length`)."""
    return Annotated[tuple[item, ...], Field(strict=False, **rules)]


DNS_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DNS_NAME = rf"(?=.{{1,253}}$){DNS_LABEL}(?:\.{DNS_LABEL})*"
ENV_NAME = r"[A-Z][A-Z0-9_]*"

Word = text(r"\S(?:.*\S)?", "must be a text of one line without blanks around it", "text")
EnvName = text(ENV_NAME, "must be upper case letters, digits and '_', a letter first", "ANTGENT_APP__ENV")
ImageTag = text(
    r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
    "must be a tag of letters, digits, '.', '_', '-' (at most 128) that names one release, so not 'latest'",
    "v0.3.2",
)
Repository = text(
    r"(?=.{1,255}$)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
    "must be a repository name: lower case letters and digits, with single '.', '_', '-' or '/' between them",
    "antgent",
)
RegistryServer = text(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?",
    "must be a host with an optional port, without scheme and path",
    "registry.example.com",
)
StackName = text(
    r"(?:[A-Za-z0-9_.-]+/){0,2}[A-Za-z0-9_.-]{1,100}",
    "must be the name of a stack (or organization/project/stack)",
    "staging",
)
DnsName = text(DNS_NAME, "must be a DNS name in lower case", "antgent.example.com")
ObjectName = text(DNS_NAME, "must be a Kubernetes object name: a DNS name in lower case", "antgent")
Namespace = text(DNS_LABEL, "must be a DNS label: at most 63 lower case letters, digits and '-'", "antgent")
HttpPath = text(r"/[^\s#]*", "must start with '/' and hold no blanks", "/version")
HeaderName = text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "must be the name of an HTTP header", "X-Probe")
DockerHost = text(
    r"(?:unix:///|tcp://|ssh://|npipe://)\S+",
    "must be the address of a Docker engine (unix:///…, tcp://… or ssh://…)",
    "unix:///var/run/docker.sock",
)
Account = text(r"[0-9]{12}", "must be an AWS account id: 12 digits, in quotes", "111122223333")
Region = text(r"[a-z]{2}(?:-[a-z]+)+-[0-9]", "must be an AWS region", "eu-west-1")
Arn = text(r"arn:aws[a-z-]*:[a-z0-9-]+:\S+", "must be an ARN", "arn:aws:sns:eu-west-1:111122223333:antgent")
Vpc = text(r"vpc-[0-9a-f]{8,17}", "must be the id of a VPC", "vpc-0a1b2c3d4e5f67890")
Subnet = text(r"subnet-[0-9a-f]{8,17}", "must be the id of a subnet", "subnet-0a1b2c3d4e5f67890")
IpAddress = checked(ipaddress.ip_address, "must be an IP address", "127.0.0.1")


def _private_block(value: str) -> None:
    network = ipaddress.IPv4Network(value)
    if not 16 <= network.prefixlen <= 24:
        raise ValueError


Cidr = checked(_private_block, "must be an IPv4 block of a /16 to a /24, its host bits zero", "10.20.0.0/16")


def _plain(value: Any) -> Any:
    """A setting as the text a process sees: what `pulumi config set` stored as number or boolean, too."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        raise broken("must be in quotes, because YAML changes how a decimal number is written", str(value))
    return value


Setting = Annotated[
    str,
    BeforeValidator(_plain),
    WithJsonSchema({"type": ["string", "boolean", "integer"]}),
]

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
