"""What a verification checks: plain data, as a stack's config and state hold it."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.verdict import VerdictError

Say = Callable[[str], None]
"""Takes a line of progress."""


class VerificationError(VerdictError):
    """A check did not pass; the message holds the request, the expectation and the answer."""


def failed(name: str, **told: str) -> VerificationError:
    """The error of a check: its name, and what is to be told, each under its word.

    Args:
        told: `request`, `expected`, `answer` …; a text of several lines is indented.
    """
    lines = [f"verification failed: {name}"]
    for word, text in told.items():
        first, *rest = text.splitlines() or [""]
        lines += [f"  {word}: {first}", *(f"    {line}" for line in rest)]
    return VerificationError("\n".join(lines))


class Deadline:
    """The moment by which every check must have passed.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when it has passed."""
        return max(self._end - time.monotonic(), 0)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left == 0


@dataclass(frozen=True, kw_only=True)
class HttpCheck:
    """One request to the server.

    Args:
        path: on the environment's URL.
        status: of the answer.
        field: of the JSON answer, dots nest; empty to compare none.
        expect: the field's value as text.
        latency: seconds the answer may take; None for no bound of its own.
        successes: right answers in a row that it takes.
        headers: sent as they are.
        secret_headers: header → name of the secret whose value it carries.
    """

    path: str
    status: int = 200
    field: str = ""
    expect: str = ""
    latency: float | None = None
    successes: int = 1
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    secret_headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WorkerCheck:
    """What the worker must show on Temporal.

    Args:
        address: `host:port` of Temporal.
        task_queues: each must have a poller that polls now.
        namespace: Temporal's.
        workflow: an echo workflow that is run on the first queue; empty for none.
    """

    address: str
    task_queues: tuple[str, ...]
    namespace: str = "default"
    workflow: str = ""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The Kubernetes cluster of an environment, asked over its API.

    Args:
        namespace: the environment's.
        service: the Service through which the server is reached; empty where its URL leads there.
        kubeconfig: path of the kubeconfig; empty for the client's own search.
        context: its context; empty for the current one.
    """

    namespace: str
    service: str = ""
    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One verification.

    Args:
        url: where the environment answers.
        tag: the release that must answer there.
        deadline: seconds for all checks together.
        http, worker, commands: what to check.
        secrets: values by name, for `HttpCheck.secret_headers`.
        references: where further secrets are kept, by name: an ARN of Secrets Manager or SSM, or
            `secret/key` in the cluster's namespace.
        cluster: where it runs; None on another runtime.
        aws: what `AwsClients` takes, to look ARNs up; their region is their own.
    """

    url: str
    tag: str
    deadline: float = 120
    http: tuple[HttpCheck, ...] = ()
    worker: WorkerCheck | None = None
    commands: tuple[str, ...] = ()
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cluster: Cluster | None = None
    aws: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @classmethod
    def from_props(cls, props: Mapping[str, Any]) -> "Spec":
        """Read what `checks` and the other properties of a `ReleaseVerification` say, as state holds them."""
        checks, cluster = props["checks"], props.get("cluster")
        return cls(
            url=props["url"],
            tag=props["tag"],
            deadline=checks["deadline"],
            http=tuple(_http(one) for one in checks.get("http", ())),
            worker=_worker(checks["worker"]) if checks.get("worker") else None,
            commands=tuple(checks.get("commands", ())),
            secrets=props.get("secrets") or {},
            references=props.get("references") or {},
            cluster=Cluster(**cluster) if cluster else None,
            aws=props.get("aws") or {},
        )


def _http(props: Mapping[str, Any]) -> HttpCheck:
    """Numbers come back from state as floats."""
    known: dict[str, Any] = dict(props)
    known |= {key: int(known[key]) for key in ("status", "successes") if key in known}
    return HttpCheck(**known)


def _worker(props: Mapping[str, Any]) -> WorkerCheck:
    known: dict[str, Any] = dict(props)
    known["task_queues"] = tuple(known["task_queues"])
    return WorkerCheck(**known)


def to_props(data: Any) -> dict[str, Any]:
    """A dataclass of this module as plain properties, without what is not set."""
    return {key: value for key, value in dataclasses.asdict(data).items() if value not in (None, "", {}, ())}
