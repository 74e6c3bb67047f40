"""What ECS says about the services of a release."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.aws_clients import AwsClients, code, denied, hopeless
from components.pollers import TemporalError, pollers
from components.rollout import Observation
from components.rollout_ecs_evidence import Evidence

ACTIONS = (
    "cloudwatch:DescribeAlarms",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServiceDeployments",
    "ecs:ListTasks",
    "logs:GetLogEvents",
)
"""Every call that this module and its evidence make. Only `ecs:DescribeServices` decides: without the
others the verdict says less."""

UNREACHABLE_SECONDS = 60
"""How long AWS may be away, or too busy, before the verdict is that it is."""
SETTLE_SECONDS = 5
"""How long AWS may still describe a service as it was before the update."""
TASKS_SECONDS = 2
"""Time between two looks at stopped tasks."""
FAILURES = 2
"""Tasks that ended by themselves or never started, after which the next ones will, too: one may be bad luck."""
BREAKER_SECONDS = 20
"""How long ECS gets, once that is certain, to take the release back by itself before it is told."""


@dataclass
class _Known:
    """What earlier looks found out about a workload."""

    looked: float = float("-inf")
    failures: int = 0
    certain_since: float | None = None


class EcsObserver:
    """Looks at services until each runs the requested task definition, complete and alone.

    Args:
        connection: what `AwsClients` takes.
        cluster: its ARN.
        services: workload → `{"name": ARN, "taskDefinition": ARN}`; further keys only say what changed.
        temporal: `{"address": …, "namespace": …, "queues": […]}` where the worker's pollers must be seen;
            None not to look.
        aws, clock: for tests.
    """

    def __init__(
        self,
        *,
        connection: Mapping[str, Any],
        cluster: str,
        services: Mapping[str, Mapping[str, Any]],
        temporal: Mapping[str, Any] | None = None,
        aws: Callable[[str], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._aws, self._clock = aws or AwsClients(connection), clock
        self._cluster, self._services, self._temporal = cluster, services, temporal
        self._known = {workload: _Known() for workload in services}
        self._started = clock()
        self._unreachable_since: float | None = None

    def observe(self) -> Observation:
        """One look at every service; the first that cannot heal decides."""
        try:
            found = self._describe()
        except (ClientError, BotoCoreError) as error:
            return self._unreachable(error)
        self._unreachable_since = None
        seen = [self._look_at(workload, found) for workload in self._services]
        for state in ("failed", "waiting"):
            worst = [one for one in seen if one.state == state]
            if worst:
                return Observation(state, ", ".join(one.summary for one in worst), partial(_told, worst))
        return Observation("ready", ", ".join(one.summary for one in seen))

    def _describe(self) -> dict[str, dict[str, Any]]:
        """Service ARN → service; those that are gone are left out."""
        names = [one["name"] for one in self._services.values()]
        answer = self._aws("ecs").describe_services(cluster=self._cluster, services=names)
        return {one["serviceArn"]: one for one in answer["services"] if one["status"] != "INACTIVE"}

    def _unreachable(self, error: Exception) -> Observation:
        """A busy or restarting API is no verdict on the release; a lasting or a refused one is."""
        if denied(error):
            fix = "allow ecs:DescribeServices to who runs this command; without it there is no verdict"
            return Observation("failed", "AWS refuses to show the services", f"{error}\nfix: {fix}")
        if code(error) == "ClusterNotFoundException":
            return Observation("failed", "the cluster is gone", f"no cluster {self._cluster}")
        now = self._clock()
        if self._unreachable_since is None:
            self._unreachable_since = now
        lasting = hopeless(error) or now - self._unreachable_since > UNREACHABLE_SECONDS
        return Observation("failed" if lasting else "waiting", "AWS does not answer", str(error))

    def _look_at(self, workload: str, found: Mapping[str, dict[str, Any]]) -> Observation:
        wanted = self._services[workload]
        service = found.get(wanted["name"])
        if service is None:
            return Observation("failed", f"{workload}: its service is gone", f"no service {wanted['name']}")
        primary = next(one for one in service["deployments"] if one["status"] == "PRIMARY")
        evidence = Evidence(self._aws, self._cluster, service, wanted["taskDefinition"])
        if primary["taskDefinition"] != wanted["taskDefinition"]:
            return self._taken_back(workload, primary, evidence)
        progress = _progress(workload, service, primary)
        if primary.get("rolloutState") == "FAILED":
            why = primary.get("rolloutStateReason") or "its deployment failed"
            return Observation(
                "failed", f"{progress}: {why}", lambda: f"{evidence()}\nfix: {_again(service)}"
            )
        if _complete(service, primary):
            return self._polled(workload, primary, progress, evidence)
        return self._unfinished(workload, primary, progress, evidence)

    def _taken_back(self, workload: str, primary: Mapping[str, Any], evidence: Evidence) -> Observation:
        """Another task definition runs: rolled back, or replaced by somebody else."""
        runs = _short(primary["taskDefinition"])
        if not evidence.listed and self._clock() - self._started < SETTLE_SECONDS:
            return Observation("waiting", f"{workload}: ECS has not seen the change yet", evidence)
        cause = evidence.cause()
        what = f"rolled back to {runs} by {cause}" if cause else f"{runs} runs, which was not asked for"
        fix = "ship a release that mends it; to try this one again: pulumi up --refresh"
        return Observation("failed", f"{workload}: {what}", lambda: f"{evidence()}\nfix: {fix}")

    def _unfinished(
        self, workload: str, primary: Mapping[str, Any], progress: str, evidence: Evidence
    ) -> Observation:
        known, now = self._known[workload], self._clock()
        if now - known.looked >= TASKS_SECONDS:
            known.looked, known.failures = now, evidence.failures(primary)
        if known.failures >= FAILURES:
            if known.certain_since is None:
                known.certain_since = now
            # ECS counts to three itself, and its verdict says what serves now.
            if now - known.certain_since >= BREAKER_SECONDS:
                return Observation("failed", f"{progress}, {known.failures} tasks stopped at start", evidence)
        stopped = f", {known.failures} stopped at start" if known.failures else ""
        return Observation("waiting", f"{progress}{stopped}", evidence)

    def _polled(
        self, workload: str, primary: Mapping[str, Any], progress: str, evidence: Evidence
    ) -> Observation:
        """Running is enough for a workload that a load balancer asks; a worker must poll as well."""
        if workload != "worker" or not self._temporal or not primary["desiredCount"]:
            return Observation("ready", progress)
        address, since = self._temporal["address"], primary["createdAt"].timestamp()
        try:
            missing = [
                queue
                for queue in self._temporal["queues"]
                if not any(one.seen >= since for one in pollers(address, self._temporal["namespace"], queue))
            ]
        except TemporalError as error:
            fix = "where this machine cannot reach Temporal: pulumi config set --path"
            fix += " 'antgent:service.rollout.pollers' false"
            why = f"{progress}, Temporal at {address} does not answer"
            return Observation("waiting", why, f"{error}\nfix: {fix}")
        if missing:
            return Observation("waiting", f"{progress}, nobody polls {', '.join(missing)} yet", evidence)
        return Observation("ready", f"{progress} and polling")


def _told(seen: list[Observation]) -> str:
    return "\n".join(text for one in seen if (text := one.told()))


def _progress(workload: str, service: Mapping[str, Any], primary: Mapping[str, Any]) -> str:
    progress = f"{workload}: {primary['runningCount']} of {primary['desiredCount']} running"
    old = sum(one["runningCount"] for one in service["deployments"] if one["status"] != "PRIMARY")
    return progress + (f", {old} of the previous release left" if old else "")


def _complete(service: Mapping[str, Any], primary: Mapping[str, Any]) -> bool:
    counts = primary["runningCount"] == primary["desiredCount"] == service["desiredCount"]
    return primary.get("rolloutState") == "COMPLETED" and counts and not primary.get("pendingCount")


def _again(service: Mapping[str, Any]) -> str:
    """A first deployment has nothing to go back to, and ECS does not try a failed one again by itself."""
    return (
        "ship a release that mends it; to try this one again: aws ecs update-service --force-new-deployment "
        f"--cluster {_short(service['clusterArn'])} --service {service['serviceName']}, then pulumi up"
    )


def _short(arn: str) -> str:
    """`family:revision` of a task definition, or a cluster's name."""
    return arn.rpartition("/")[2]
