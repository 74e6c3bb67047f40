"""AWS's API on this machine: moto's server on a loopback port, its state kept while it runs."""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx

from sandbox.console import step
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT, Home
from sandbox.process import Daemon, steady_port
from sandbox.status import PartStatus

LOOPBACK = "127.0.0.1"
REGION = "eu-central-1"
# A loaded machine takes its time to import moto.
READY_SECONDS = 120
# It ends its containers and its load balancer itself.
STOP_SECONDS = 30
# Any pair will do: moto tells callers apart only once it is told to enforce IAM.
KEY_ID, KEY_SECRET = "sandbox", "not-a-secret"

SERVICES = (
    "acm", "applicationautoscaling", "cloudwatch", "ec2", "ecr", "ecs", "elasticloadbalancingv2", "iam",
    "kms", "logs", "route53", "s3", "secretsmanager", "sns", "ssm", "sts", "wafv2",
)  # fmt: skip
"""What the program talks to, by the official plugin's names of endpoints."""


@dataclass(frozen=True)
class Aws:
    """An AWS API that answers.

    Args:
        endpoint: `http://127.0.0.1:PORT`, for every service.
        pid: of the server.
    """

    endpoint: str
    pid: int

    @property
    def env(self) -> dict[str, str]:
        """What AWS's SDKs, its command line and our stand-in need to find it, and no real account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY_SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def plugin_config(self) -> dict[str, Any]:
        """The keys (namespace `aws`) that point the official plugin here instead of at real AWS."""
        return {
            "region": REGION,
            "accessKey": KEY_ID,
            "secretKey": KEY_SECRET,
            "endpoints": [dict.fromkeys(SERVICES, self.endpoint)],
            "skipCredentialsValidation": True,
            "skipMetadataApiCheck": True,
            "skipRegionValidation": True,
            "skipRequestingAccountId": False,
            "s3UsePathStyle": True,
        }


def ensure_aws(home: Home, settings: Mapping[str, str] = {}) -> Aws:
    """The home's AWS API, started (empty) when it does not run.

    Args:
        settings: variables for the server that is started, such as `DOCKER_HOST` for its tasks.

    Raises:
        SandboxError: moto is not installed, or its server does not come up.
    """
    found = find_aws(home)
    if found:
        return found
    _server(home).stop()
    installed = _version()
    if not installed:
        raise SandboxError("moto's server is missing", fix="make setup (it installs `moto[server]`)")
    port = _remembered_port(home)
    endpoint = f"http://{LOOPBACK}:{port}"
    with step(f"starting the AWS API at {endpoint}"):
        _server(home).start(
            [sys.executable, "-m", "sandbox.aws_server", f"-p{port}", f"--home={home.root}"],
            ready=lambda: _healthy(endpoint),
            seconds=READY_SECONDS,
            env={**_environment(), **settings},
            cwd=CHECKOUT,
            facts={"port": port, "version": installed},
        )
    process = _server(home).process()
    if process is None:
        raise SandboxError("the AWS API ended right after its start", fix=f"see {home.log('aws')}")
    return Aws(endpoint, process.pid)


def find_aws(home: Home) -> Aws | None:
    """The home's AWS API when it answers; starts nothing."""
    server = _server(home)
    process, endpoint = server.process(), f"http://{LOOPBACK}:{server.facts().get('port')}"
    if process is None or not _healthy(endpoint):
        return None
    return Aws(endpoint, process.pid)


def stop_aws(home: Home) -> bool:
    """End the home's AWS API; what was created in it is gone. Returns whether one was running."""
    from sandbox import balancer  # loads slowly, and only this needs it

    stopped = _server(home).stop(grace=STOP_SECONDS)
    # A server that was killed could not take its load balancer and its names back.
    balancer.clean(home.root / "balancer")
    return stopped


def reload(home: Home) -> None:
    """Tell the running server to plant what its seed file says now (`cloud_seed`)."""
    process = _server(home).process()
    if process is not None:
        process.send_signal(signal.SIGHUP)


def status(home: Home) -> PartStatus:
    """The AWS API's row in the status table."""
    process, facts = _server(home).process(), _server(home).facts()
    if process is None:
        return PartStatus("aws")
    known, found = str(facts.get("version", "")), find_aws(home)
    if found is None:
        why = f"broken: it does not answer, see {home.log('aws')}"
        return PartStatus("aws", known, pid=process.pid, health=why)
    return PartStatus("aws", known, found.endpoint, found.pid, "healthy")


def _server(home: Home) -> Daemon:
    return Daemon("aws", home.pid_file("aws"), home.log("aws"))


def _remembered_port(home: Home) -> int:
    file = home.folder("aws") / "port"
    before = None
    with contextlib.suppress(OSError, ValueError):
        before = int(file.read_text())
    port = steady_port(before, f"aws {home.id}")
    file.write_text(str(port))
    return port


def _healthy(endpoint: str) -> bool:
    """Whether it says who asks, which takes a service behind the server's front."""
    # moto finds the service by the scope of the signature; it checks nothing else of it.
    scope = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20200101/{REGION}/sts/aws4_request"
    question = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    with contextlib.suppress(httpx.HTTPError):
        answer = httpx.post(
            endpoint, data=question, headers={"Authorization": scope}, timeout=10, trust_env=False
        )
        return answer.status_code == httpx.codes.OK
    return False


def _version() -> str:
    with contextlib.suppress(Exception):
        return version("moto")
    return ""


def _environment() -> dict[str, str]:
    # Nothing of the machine's own settings may leak in: tasks run where `settings` says, or not at all.
    ours = ("AWS_", "MOTO_", "SANDBOX_", "DOCKER_HOST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Attaching one of AWS's own policies fails without.
    return kept | {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
