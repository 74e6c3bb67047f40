"""The AWS stand-in's way to AWS: boto3 clients made when first needed, and its failures in words."""

import contextlib
import json
import os
import re
import threading
from collections.abc import Generator
from functools import cached_property, lru_cache
from typing import Any

from sandbox.providers.resource import CheckError, Props
from sandbox.providers.session import ProviderError

# A server that is down is given up after about a quarter of a minute; throttling heals before.
ATTEMPTS = 6
SETTINGS = {
    "accessKey", "allowedAccountIds", "assumeRoles", "defaultTags", "endpoints", "maxRetries", "profile",
    "region", "s3UsePathStyle", "secretKey", "skipCredentialsValidation", "skipMetadataApiCheck",
    "skipRegionValidation", "skipRequestingAccountId", "token", "version",
}  # fmt: skip
NO_REGION = (
    "Missing region information\n"
    "Make sure you have set your AWS region, e.g. `pulumi config set aws:region us-west-2`."
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_IAM_PREFIX = {"elbv2": "elasticloadbalancing"}
_XML = re.compile(r"<Code>(\w+)</Code>\s*<Message>(.*?)</Message>", re.DOTALL)
_making = threading.Lock()


def opened(config: Props) -> Props:
    """The provider's configuration with the values that the engine passes as JSON opened."""
    return {name: _opened(value) for name, value in config.items()}


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def check_settings(config: Props) -> None:
    """Raise CheckError for settings that only the official plugin takes, and for a missing region."""
    refused = dict.fromkeys({*config} - SETTINGS, "is not supported by the stand-in")
    region = config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        refused["region"] = NO_REGION
    if refused:
        raise CheckError(refused)


class AwsClients:
    """Clients for one account and region.

    Args:
        config: the provider's settings, opened.
    """

    def __init__(self, config: Props) -> None:
        self.config = config
        self.region: str = (
            config.get("region") or os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
        )
        self.default_tags: dict[str, str] = (config.get("defaultTags") or {}).get("tags") or {}
        self._lock = threading.Lock()

    def of(self, service: str) -> Any:
        """The boto3 client of a service."""
        return _client(service, self.region, self._endpoint(service), self._keys, self._attempts)

    def in_region(self, region: str | None) -> "AwsClients":
        """The same account in another region; None is this one."""
        return self if region in (None, self.region) else AwsClients({**self.config, "region": region})

    @property
    def partition(self) -> str:
        return "aws-cn" if self.region.startswith("cn-") else "aws"

    @cached_property
    def account(self) -> str:
        """The account's number, as AWS says it."""
        with said("sts", "reading the caller's identity"):
            return self.of("sts").get_caller_identity()["Account"]

    def check_account(self) -> None:
        """Refuse an account that the program did not mean."""
        allowed = self.config.get("allowedAccountIds") or []
        if allowed and self.account not in map(str, allowed):
            raise ProviderError(f"AWS account ID not allowed: {self.account}")

    @property
    def _attempts(self) -> int:
        return int(self.config.get("maxRetries") or ATTEMPTS)

    @cached_property
    def _keys(self) -> tuple[str | None, str | None, str | None, str | None]:
        """Profile, key id, secret and token; of the last role when roles are to be assumed."""
        config = self.config
        names = ("profile", "accessKey", "secretKey", "token")
        profile, key, secret, token = (config.get(name) or None for name in names)
        keys = (profile, key, secret, token)
        for role in config.get("assumeRoles") or []:
            sts = _client("sts", self.region, self._endpoint("sts"), keys, self._attempts)
            with said("sts", f"assuming the role {role.get('roleArn')}"):
                keys = _assume(sts, role)
        return keys

    def _endpoint(self, service: str) -> str | None:
        names = {"elbv2": ("elasticloadbalancingv2", "elbv2", "elb"), "application-autoscaling": (
            "applicationautoscaling", "appautoscaling")}.get(service, (service,))  # fmt: skip
        for entry in self.config.get("endpoints") or []:
            for name in names:
                if entry.get(name):
                    return entry[name]
        return os.environ.get("AWS_ENDPOINT_URL")


def _assume(sts: Any, role: Props) -> tuple[None, str, str, str]:
    extra = {"ExternalId": role["externalId"]} if role.get("externalId") else {}
    session = role.get("sessionName") or "pulumi"
    found = sts.assume_role(RoleArn=role["roleArn"], RoleSessionName=session, **extra)["Credentials"]
    return None, found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]


# Engines come and go; a client costs a tenth of a second and holds nothing of theirs.
@lru_cache(maxsize=256)
def _client(
    service: str, region: str, endpoint: str | None, keys: tuple[str | None, ...], attempts: int
) -> Any:
    import boto3
    from botocore.config import Config

    profile, key, secret, token = keys
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=32,
        connect_timeout=5,
    )
    with _making:  # boto3's sessions are not made for threads
        session = boto3.Session(
            aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, profile_name=profile
        )
        return session.client(service, region_name=region, endpoint_url=endpoint, config=config)


def is_gone(error: Exception) -> bool:
    """Whether AWS says that the thing does not exist."""
    code = code_of(error)
    # moto's way of saying ObjectNotFoundException.
    if code == "ValidationException" and re.match("No scal(able target|ing policy) found", message_of(error)):
        return True
    # ECS has no code of its own for it.
    if code == "ClientException" and message_of(error).startswith("Unable to describe task definition"):
        return True
    return "NotFound" in code or code.startswith("NoSuch") or code.endswith("NotFoundException")


def code_of(error: Exception) -> str:
    """AWS's error code; empty for other failures."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")


def message_of(error: Exception) -> str:
    """AWS's own words; empty for other failures."""
    return getattr(error, "response", {}).get("Error", {}).get("Message", "")


@contextlib.contextmanager
def said(service: str, doing: str) -> Generator[None]:
    """Word a failure of boto3 as the official plugin does: what was done, AWS's code and message."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise ProviderError(f"{doing}: {_words(service, error)}") from error
    except BotoCoreError as error:
        raise ProviderError(f"{doing}: {error}") from error


def _words(service: str, error: Any) -> str:
    answer = error.response
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation, code, message = error.operation_name, code_of(error), message_of(error)
    # moto refuses in XML also where the service speaks JSON.
    if found := _XML.search(message):
        code, message = found.groups()
    text = f"operation error {service}: {operation}, https response error StatusCode: {status}, {code}: {message}"
    if code in _DENIED:
        action = f"{_IAM_PREFIX.get(service, service)}:{operation}"
        text += f"\n  fix: allow {action} to the role or user that runs this command"
    return text
