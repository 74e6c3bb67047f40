"""Puts into a sandbox's AWS what stack files name and a real account would have: certificates, zones, secrets.

It runs in the process of moto's server, because AWS lets nobody choose an ARN or a zone's id. The
sandbox's keys are those of one account, which therefore has what the files name of any; a secret is also
in the account that its ARN names, where ECS looks.
"""

import json
import re
import secrets
import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.stack_names import Named

VARIABLE = "SANDBOX_SEED"
"""Names the file that tells the server what to plant."""


def write(file: Path, named: Named) -> bool:
    """Write down what is to be planted; returns whether that is another than before."""
    text = json.dumps(asdict(named), indent=1, sort_keys=True)
    if file.exists() and file.read_text() == text:
        return False
    file.write_text(text)
    return True


def plant_now_and_when_told(environment: Mapping[str, str]) -> None:
    """Plant what the file that `VARIABLE` names says, and again at every SIGHUP; nothing where it names none.

    What is there already stays as it is. To be called in the server's main thread, before it serves.
    """
    if not environment.get(VARIABLE):
        return
    file = Path(environment[VARIABLE])
    plant(Named(**json.loads(file.read_text())))
    signal.signal(signal.SIGHUP, lambda *_: plant(Named(**json.loads(file.read_text()))))


def plant(named: Named) -> None:
    """Make what is not there yet."""
    for arn, domain in named.certificates.items():
        _certificate(arn, domain)
    for zone, name in named.zones.items():
        _zone(zone, name)
    for reference in named.secrets:
        _parameter(reference) if reference.split(":")[2] == "ssm" else _secret(reference)


def _certificate(arn: str, domain: str) -> None:
    from moto.acm.models import CertBundle, acm_backends

    held = _backend(acm_backends, arn.split(":")[3])._certificates
    if arn not in held:
        held[arn] = CertBundle.generate_cert(domain, _account(), arn.split(":")[3])
        held[arn].arn, held[arn].status = arn, "ISSUED"


def _zone(zone: str, name: str) -> None:
    from moto.route53.models import HostedZoneIdentifier, route53_backends
    from moto.utilities.id_generator import moto_id_manager

    backend = _backend(route53_backends, "aws")
    if zone not in backend.zones:
        moto_id_manager.set_custom_id(HostedZoneIdentifier(_account(), f"{name}.", None), zone)
        backend.create_hosted_zone(name=f"{name}.", private_zone=False, caller_reference=zone)


def _secret(reference: str) -> None:
    from moto.secretsmanager.models import secretsmanager_backends

    parts = reference.split(":")
    arn, key = ":".join(parts[:7]), "".join(parts[7:8])
    whole = re.fullmatch(r"(.+)-[A-Za-z0-9]{6}", parts[6])
    backend = _backend(secretsmanager_backends, parts[3])
    name = whole[1] if whole else parts[6]
    if name in backend.secrets:
        return
    value = secrets.token_urlsafe(32)
    backend.create_secret(
        name=name, secret_string=json.dumps({key: value}) if key else value, secret_binary=None,
        description="Made up by the sandbox, because a stack file names it", tags=[], kms_key_id=None,
        client_request_token=None, replica_regions=[], force_overwrite=False,
    )  # fmt: skip
    backend.secrets[name].arn = arn if whole else f"{arn}-{secrets.token_hex(3)}"
    secretsmanager_backends[parts[4]][parts[3]].secrets[name] = backend.secrets[name]


def _parameter(reference: str) -> None:
    from moto.ssm.models import ssm_backends

    parts = reference.split(":", 5)
    path, value = parts[5].removeprefix("parameter/"), secrets.token_urlsafe(32)
    name = f"/{path}" if "/" in path else path
    if _backend(ssm_backends, parts[3]).get_parameters([name]):
        return
    for account in dict.fromkeys([_account(), parts[4]]):
        ssm_backends[account][parts[3]].put_parameter(
            name=name, description="Made up by the sandbox", value=value, parameter_type="SecureString",
            allowed_pattern="", keyid="", overwrite=False, tags=[], data_type="text", tier=None, policies=None,
        )  # fmt: skip


def _backend(backends: Mapping[str, Any], region: str) -> Any:
    return backends[_account()][region]


def _account() -> str:
    from moto.core import DEFAULT_ACCOUNT_ID

    return DEFAULT_ACCOUNT_ID
