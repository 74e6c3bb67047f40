"""Clients of AWS's own SDK with the keys that a stack's provider has, and what their failures mean.

The addresses, keys and roles are those of the provider (`aws:` in the stack file); what it leaves out is
found as every AWS tool finds it: environment (AWS_ENDPOINT_URL too), shared files, the machine's role.
"""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

SETTINGS = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5, read_timeout=15)
"""Throttling is waited out: eight attempts take about half a minute."""
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"}
NOBODY = {
    "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId",
    "InvalidSignatureException", "MissingAuthenticationToken", "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}  # fmt: skip
"""Codes for credentials that no time mends."""
NOBODY_HERE = (
    CredentialRetrievalError, NoCredentialsError, NoRegionError, PartialCredentialsError, ProfileNotFound, SSOError,
)  # fmt: skip
ENDPOINTS = {"logs": ("logs", "cloudwatchlogs")}
"""Service → its names among the provider's endpoints, where they are more than its own."""


class AwsClients:
    """Clients of one account and region, made when first needed.

    Args:
        region: of the stack.
        profile, access_key, secret_key, token: as the provider has them. Default to the SDK's search.
        endpoints: the provider's list of service → address.
        assume_roles: roles that are taken one after the other.
    """

    def __init__(self, connection: Mapping[str, Any]) -> None:
        self._connection, self._made = connection, dict[str, Any]()
        self._session: boto3.Session | None = None

    def __call__(self, service: str) -> Any:
        """The client of a service, by boto3's name.

        Raises:
            BotoCoreError, ClientError: no credentials, no such profile, or a role that is refused.
        """
        if service not in self._made:
            self._session = self._session or self._open()
            self._made[service] = self._client(self._session, service)
        return self._made[service]

    def _open(self) -> boto3.Session:
        known = self._connection
        session = boto3.Session(
            aws_access_key_id=known.get("access_key"),
            aws_secret_access_key=known.get("secret_key"),
            aws_session_token=known.get("token"),
            profile_name=known.get("profile"),
        )
        for role in known.get("assume_roles") or []:
            session = _assumed(self._client(session, "sts"), role)
        return session

    def _client(self, session: boto3.Session, service: str) -> Any:
        named = [entry for entry in self._connection.get("endpoints") or [] if entry]
        found = [
            entry[name] for entry in named for name in ENDPOINTS.get(service, (service,)) if entry.get(name)
        ]
        return session.client(
            service,
            region_name=self._connection.get("region"),
            endpoint_url=found[0] if found else None,
            config=SETTINGS,
        )


def _assumed(sts: Any, role: Mapping[str, Any]) -> boto3.Session:
    wanted = {"RoleArn": role["roleArn"], "RoleSessionName": role.get("sessionName") or "pulumi"}
    for ours, theirs in (
        ("externalId", "ExternalId"),
        ("policy", "Policy"),
        ("sourceIdentity", "SourceIdentity"),
    ):
        if role.get(ours):
            wanted[theirs] = role[ours]
    keys = sts.assume_role(**wanted)["Credentials"]
    return boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def denied(error: Exception) -> bool:
    """Whether AWS knows who asks, and refuses."""
    return code(error) in DENIED


def hopeless(error: Exception) -> bool:
    """Whether no time mends it: no credentials, wrong ones, a profile or a role that is not there."""
    return isinstance(error, NOBODY_HERE) or denied(error) or code(error) in NOBODY


def code(error: Exception) -> str:
    """AWS's error code; empty for other failures."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
