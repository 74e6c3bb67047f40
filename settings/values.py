"""The vocabulary of the stack files: texts with a rule a person can read."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


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


@dataclass(frozen=True)
class Text:
    """Annotates a text whose whole value matches `pattern`; `rule` says in words what that means."""

    pattern: str
    rule: str
    example: str

    def check(self, value: str) -> str:
        """The value itself; an error where it breaks the rule."""
        if not re.fullmatch(self.pattern, value):
            raise broken(self.rule, self.example)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$", "examples": [self.example]}


@dataclass(frozen=True)
class Checked:
    """Annotates a text that `accept` takes without a ValueError."""

    accept: Callable[[str], object]
    rule: str
    example: str

    def check(self, value: str) -> str:
        """The value itself; an error where it breaks the rule."""
        try:
            self.accept(value)
        except ValueError:
            raise broken(self.rule, self.example) from None
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "examples": [self.example]}


T = TypeVar("T")
# A list in YAML is a tuple in Python, which nobody can change.
Many = Annotated[tuple[T, ...], Field(strict=False)]
Some = Annotated[tuple[T, ...], Field(strict=False, min_length=1)]

DNS_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DNS_NAME = rf"(?=.{{1,253}}$){DNS_LABEL}(?:\.{DNS_LABEL})*"
ENV_NAME = r"[A-Z][A-Z0-9_]*"

Word = Annotated[str, Text(r"\S(?:.*\S)?", "must be a text of one line without blanks around it", "text")]
EnvName = Annotated[
    str, Text(ENV_NAME, "must be upper case letters, digits and '_', a letter first", "ANTGENT_APP__ENV")
]
ImageTag = Annotated[
    str,
    Text(
        r"(?!latest$)[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
        "must be a tag of letters, digits, '.', '_', '-' (at most 128) that names one release, so not 'latest'",
        "v0.3.2",
    ),
]
Repository = Annotated[
    str,
    Text(
        r"(?=.{1,255}$)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*",
        "must be a repository name: lower case letters and digits, with single '.', '_', '-' or '/' between them",
        "antgent",
    ),
]
RegistryServer = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?",
        "must be a host with an optional port, without scheme and path",
        "registry.example.com",
    ),
]
StackName = Annotated[
    str,
    Text(
        r"(?:[A-Za-z0-9_.-]+/){0,2}[A-Za-z0-9_.-]{1,100}",
        "must be the name of a stack (or organization/project/stack)",
        "staging",
    ),
]
DnsName = Annotated[str, Text(DNS_NAME, "must be a DNS name in lower case", "antgent.example.com")]
ObjectName = Annotated[
    str, Text(DNS_NAME, "must be a Kubernetes object name: a DNS name in lower case", "antgent")
]
Namespace = Annotated[
    str, Text(DNS_LABEL, "must be a DNS label: at most 63 lower case letters, digits and '-'", "antgent")
]
HttpPath = Annotated[str, Text(r"/[^\s#]*", "must start with '/' and hold no blanks", "/version")]
HttpUrl = Annotated[
    str,
    Text(
        r"https?://[^\s/?#@]+(?:/[^\s?#]*)?",
        "must be an http:// or https:// address without user, query and blanks",
        "https://antgent.example.com",
    ),
]
HeaderName = Annotated[
    str, Text(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "must be the name of an HTTP header", "X-Probe")
]
DockerHost = Annotated[
    str,
    Text(
        r"(?:unix:///|tcp://|ssh://|npipe://)\S+",
        "must be the address of a Docker engine (unix:///…, tcp://… or ssh://…)",
        "unix:///var/run/docker.sock",
    ),
]
Account = Annotated[
    str, Text(r"[0-9]{12}", "must be an AWS account id: 12 digits, in quotes", "111122223333")
]
Region = Annotated[str, Text(r"[a-z]{2}(?:-[a-z]+)+-[0-9]", "must be an AWS region", "eu-west-1")]
Arn = Annotated[
    str,
    Text(r"arn:aws[a-z-]*:[a-z0-9-]+:\S+", "must be an ARN", "arn:aws:sns:eu-west-1:111122223333:antgent"),
]
Vpc = Annotated[str, Text(r"vpc-[0-9a-f]{8,17}", "must be the id of a VPC", "vpc-0a1b2c3d4e5f67890")]
Subnet = Annotated[
    str, Text(r"subnet-[0-9a-f]{8,17}", "must be the id of a subnet", "subnet-0a1b2c3d4e5f67890")
]
TagValue = Annotated[
    str,
    Text(
        r"[A-Za-z0-9+=._:/@-](?:[A-Za-z0-9 +=._:/@-]{0,254}[A-Za-z0-9+=._:/@-])?",
        "must be the value of an AWS tag: letters, digits, blanks and + - = . _ : / @",
        "platform-team",
    ),
]
IpAddress = Annotated[str, Checked(ipaddress.ip_address, "must be an IP address", "127.0.0.1")]


def _private_block(value: str) -> None:
    network = ipaddress.IPv4Network(value)
    if not 16 <= network.prefixlen <= 24:
        raise ValueError


Cidr = Annotated[
    str,
    Checked(_private_block, "must be an IPv4 block of a /16 to a /24, its host bits zero", "10.20.0.0/16"),
]


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
