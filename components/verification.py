"""ReleaseVerification: checks a deployed release as part of `up`, and keeps the ledger of those that passed.

The checks are plain Python (`verify`), so they run in tests and from the command line without an
engine; `ReleaseVerification` is a thin shell around them. Its state is the ledger: a failed
verification leaves the state, and so the ledger, as it was.
"""

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pulumi
from pulumi import Input, Output
from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

from components import ledger
from components.checks import Cluster, Deadline, Say, Spec, VerificationError
from components.checks_command import check_command
from components.checks_http import check_http, expectation
from components.checks_secrets import resolve
from components.checks_temporal import check_worker
from components.ledger import CheckResult, Entry
from components.verdict import say_only_the_verdict

__all__ = ["CheckResult", "ReleaseVerification", "Spec", "VerificationError", "spec_of", "verify"]

TYPE = "pulumi-python:dynamic/antgent:ReleaseVerification"
"""The resource's type, as state has it."""
UNSTORED = ("aws", "secrets", "ledger")
"""Inputs that are no outputs: what may be secret, and the place that the outputs' ledger takes."""

Check = tuple[str, Callable[[], None]]


def verify(spec: Spec, say: Say = print) -> list[CheckResult]:
    """Run every check of a verification, in the order HTTP, worker, commands.

    Args:
        say: takes lines of progress and the commands' output.

    Returns:
        What passed, with its seconds.

    Raises:
        VerificationError: one did not pass before the deadline, which is for all of them together.
    """
    deadline, passed = Deadline(spec.deadline), []
    with _reachable(spec.cluster, spec.url, say) as url:
        for name, check in _checks(spec, url, deadline, say):
            started = time.monotonic()
            check()
            passed.append(CheckResult(name, round(time.monotonic() - started, 2)))
            say(f"passed: {name} ({passed[-1].seconds:g} s)")
    return passed


def spec_of(state: Mapping[str, Any]) -> Spec | None:
    """The verification that a stack's state holds: the checks of the release it last verified.

    Args:
        state: what `pulumi stack export --show-secrets` prints.

    Returns:
        None where the stack verifies nothing.
    """
    for resource in state.get("deployment", {}).get("resources", ()):
        if resource["type"] == TYPE:
            return Spec.from_props(_plain(resource["inputs"]))
    return None


def _plain(value: Any) -> Any:
    """Properties without the wrapping of their secrets."""
    if isinstance(value, Mapping):
        if "plaintext" in value:
            return json.loads(value["plaintext"])
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


@contextlib.contextmanager
def _reachable(cluster: Cluster | None, url: str, say: Say) -> Generator[str]:
    if cluster is None or not cluster.service:
        yield url
        return
    from components.checks_cluster import tunnel

    with tunnel(cluster, say) as local:
        say(f"{url} is inside its cluster: reached through the cluster's API, at {local}")
        yield local


def _checks(spec: Spec, url: str, deadline: Deadline, say: Say) -> Generator[Check]:
    secrets = resolve(spec)
    for check in spec.http:
        name = f"GET {check.path}: {expectation(check)}"
        direct = url == spec.url
        yield name, partial(check_http, check, url, secrets, deadline, say, proxies=direct)
    if spec.worker:
        name = f"workers poll {', '.join(spec.worker.task_queues)}"
        name += f", {spec.worker.workflow} answers" if spec.worker.workflow else ""
        yield name, partial(check_worker, spec.worker, deadline, say)
    environment = {"ANTGENT_URL": url, "ANTGENT_TAG": spec.tag}
    for command in spec.commands:
        yield command, partial(check_command, command, environment, deadline, say)


@dataclass(frozen=True, kw_only=True)
class ReleaseVerificationArgs:
    """Which release is verified, where, and how."""

    url: Input[str]
    """Where the environment answers. No default."""
    image: Input[str]
    """`repository@sha256:…` that it runs. No default."""
    revision: Input[str]
    """The orchestrator's name of what `Rollout` saw running; a new one is verified anew. No default."""
    tag: str
    """The release. No default."""
    git_revision: Input[str]
    """The commit it was built from. No default."""
    checks: Mapping[str, Any]
    """`deadline`, `http`, `worker` and `commands` of a `Spec`, as `to_props` gives them. No default."""
    soak: int = 0
    """Minutes until it counts as verified. Defaults to 0."""
    secrets: Mapping[str, Input[str]] = field(default_factory=dict)
    """Values that checks send, by name, each a Pulumi secret. Defaults to none."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Where further such secrets are kept, by name. Defaults to none."""
    cluster: Mapping[str, Any] | None = None
    """A `Cluster`, as `to_props` gives it. Defaults to none."""
    aws: Mapping[str, Any] | None = None
    """How AWS is reached where `references` holds an ARN. Defaults to none."""


class ReleaseVerification(Resource, module="antgent", name="ReleaseVerification"):
    """A release that passed every check; an `up` whose release does not pass fails here."""

    ledger: Output[list[dict[str, Any]]]
    """The releases that passed, newest first, as `components.ledger` reads them."""

    def __init__(
        self, name: str, args: ReleaseVerificationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {
            "url": args.url,
            "image": args.image,
            "revision": args.revision,
            "tag": args.tag,
            "gitRevision": args.git_revision,
            "checks": dict(args.checks),
            "soak": args.soak,
            "secrets": dict(args.secrets),
            "references": dict(args.references),
            "cluster": args.cluster,
            "aws": args.aws,
            "ledger": None,
        }
        super().__init__(ReleaseVerificationProvider(), name, props, opts)


class ReleaseVerificationProvider(ResourceProvider):
    """The engine's side of `ReleaseVerification`. Pickled by reference: state holds its name, not its code."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Verify; the resource exists only if the release passed."""
        return CreateResult(id_="verification", outs=_verified(props, []))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Verify again; when it does not pass, state keeps the ledger as it was."""
        return UpdateResult(outs=_verified(_news, ledger.read(_olds)))


def _verified(props: Mapping[str, Any], entries: list[Entry]) -> dict[str, Any]:
    say_only_the_verdict()
    passed = verify(Spec.from_props(props), say=lambda line: print(line, flush=True))
    new = Entry(
        tag=props["tag"],
        digest=props["image"].rpartition("@")[2],
        image=props["image"],
        git_revision=props["gitRevision"],
        verified_at=datetime.now(UTC).replace(microsecond=0),
        soak_minutes=int(props["soak"]),
        checks=tuple(passed),
    )
    kept = {key: value for key, value in props.items() if key not in UNSTORED and not key.startswith("__")}
    return kept | {"ledger": [entry.to_output() for entry in ledger.enter(entries, new)]}
