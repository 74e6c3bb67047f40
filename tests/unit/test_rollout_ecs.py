"""The verdict on an ECS rollout: every situation that DescribeServices can describe, and what is told of it.

The clients are AWS's own SDK; only what would go over the wire is answered here, so each call is checked
against AWS's own description of it.
"""

import datetime
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from components import rollout_ecs
from components.aws_clients import AwsClients
from components.github_policies import READS
from components.pollers import Poller, TemporalError
from components.rollout import Observation
from components.rollout_ecs import ACTIONS, BREAKER_SECONDS, SETTLE_SECONDS, UNREACHABLE_SECONDS, EcsObserver

REGION, ACCOUNT = "eu-central-1", "123456789012"
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
CLUSTER = f"{ARN}:cluster/antgent"
OLD, NEW = f"{ARN}:task-definition/antgent-server:7", f"{ARN}:task-definition/antgent-server:8"
BEGAN = datetime.datetime(2026, 11, 22, 19, 0, tzinfo=datetime.UTC)
CONNECTION = {"region": REGION, "access_key": "key", "secret_key": "not-a-secret"}


class FakeAws:
    """AWS's SDK with prepared answers.

    Args:
        answers: operation → answer, error, or a function of the parameters.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[str]()
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        if service not in self._made:
            made = self._made[service] = boto3.client(
                service, region_name=REGION, aws_access_key_id="key", aws_secret_access_key="not-a-secret"
            )
            made.meta.events.register("before-call.*.*", self._answer)
        return self._made[service]

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        self.asked.append(
            f"{model.service_model.signing_name}:{model.name}".replace("monitoring:", "cloudwatch:")
        )
        found = self.answers[model.name]
        if isinstance(found, str):
            found = ClientError({"Error": {"Code": found, "Message": f"{found}: no"}}, model.name)
        if isinstance(found, Exception):
            raise found
        status = type("Answered", (), {"status_code": 200})()
        return status, found(params) if callable(found) else found


def deployment(task: str, status: str = "PRIMARY", state: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{task[-1]}", "status": status, "taskDefinition": task, "rolloutState": state,
        "desiredCount": 2, "runningCount": 2, "pendingCount": 0, "failedTasks": 0, "createdAt": BEGAN, **more,
    }  # fmt: skip


def service(*deployments: dict[str, Any], name: str = "server", **more: Any) -> dict[str, Any]:
    return {
        "serviceArn": f"{ARN}:service/antgent/{name}", "serviceName": name, "status": "ACTIVE", "clusterArn": CLUSTER,
        "desiredCount": 2, "deployments": list(deployments), "events": [], **more,
    }  # fmt: skip


def event(text: str, seconds: int = 0) -> dict[str, Any]:
    return {"id": text, "createdAt": BEGAN + datetime.timedelta(seconds=seconds), "message": text}


def stopped(
    number: int, task: str = NEW, code: str = "EssentialContainerExited", **more: Any
) -> dict[str, Any]:
    container = {"name": "server", "exitCode": 3} | more.pop("container", {})
    return {
        "taskArn": f"{ARN}:task/antgent/{number:032d}", "taskDefinitionArn": task, "lastStatus": "STOPPED",
        "startedBy": f"ecs-svc/{task[-1]}", "stopCode": code, "stoppedReason": "Essential container in task exited",
        "createdAt": BEGAN, "stoppedAt": BEGAN + datetime.timedelta(seconds=number), "containers": [container],
    } | more  # fmt: skip


LOG = {
    "containerDefinitions": [{
        "name": "server",
        "logConfiguration": {"options": {"awslogs-group": "logs", "awslogs-stream-prefix": "server"}},
    }]
}  # fmt: skip
LINES = {"events": [{"message": "fatal: the database password is missing\n", "timestamp": 1}]}


def crashed(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Answers about tasks that stopped, and their log."""
    return {
        "ListTasks": {"taskArns": [one["taskArn"] for one in tasks]},
        "DescribeTasks": {"tasks": list(tasks)},
        "DescribeTaskDefinition": {"taskDefinition": LOG},
        "GetLogEvents": LINES,
        "ListServiceDeployments": {"serviceDeployments": []},
    } | more


class Watched:
    """An observer on prepared answers, with a clock of its own."""

    def __init__(
        self, *services: dict[str, Any], temporal: dict[str, Any] | None = None, **answers: Any
    ) -> None:
        self.now = 0.0
        self.aws = FakeAws(**({"DescribeServices": {"services": list(services)}} | answers))
        wanted = {one["serviceName"]: {"name": one["serviceArn"], "taskDefinition": NEW} for one in services}
        self.observer = EcsObserver(
            connection={}, cluster=CLUSTER, services=wanted or {"server": {"name": "x", "taskDefinition": NEW}},
            temporal=temporal, aws=self.aws, clock=lambda: self.now,
        )  # fmt: skip

    def look(self, after: float = 0) -> Observation:
        self.now += after
        return self.observer.observe()


def test_it_is_ready_when_the_requested_revision_is_complete_and_alone() -> None:
    """And it takes one request to see that, however often it looks."""
    watched = Watched(service(deployment(NEW)), service(deployment(NEW), name="worker"))
    assert watched.look() == Observation("ready", "server: 2 of 2 running, worker: 2 of 2 running")
    assert watched.aws.asked == ["ecs:DescribeServices"]


@pytest.mark.parametrize(
    "primary",
    [
        deployment(NEW, state="IN_PROGRESS"),
        deployment(NEW, runningCount=1),
        deployment(NEW, pendingCount=1),
        deployment(NEW, desiredCount=1, runningCount=1),
    ],
    ids=["still rolling", "one is missing", "one is coming", "not yet scaled"],
)
def test_it_waits_while_tasks_are_on_their_way(primary: dict[str, Any]) -> None:
    """`up` must not say that it is done while half of it runs."""
    watched = Watched(service(primary, deployment(OLD, "ACTIVE")), **crashed())
    seen = watched.look()
    assert seen.state == "waiting"
    assert "2 of the previous release left" in seen.summary


def test_a_workload_of_no_copies_is_ready() -> None:
    """A worker may be switched off."""
    empty = deployment(NEW, desiredCount=0, runningCount=0)
    assert Watched(service(empty, desiredCount=0)).look().state == "ready"


def test_a_rollback_by_the_circuit_breaker_is_a_failure_with_all_that_is_known() -> None:
    """The most reported complaint of the field: a rolled back deployment that is called a success."""
    arn = f"{ARN}:service-deployment/antgent/server/1"
    said = service(
        deployment(OLD, state="IN_PROGRESS"),
        deployment(NEW, "ACTIVE", "FAILED", rolloutStateReason="ECS deployment circuit breaker: tasks failed to start."),
        events=[event("(service server) rolling back to deployment ecs-svc/7.", 9), event("older", -5)],
    )  # fmt: skip
    watched = Watched(
        said,
        **(crashed(stopped(1), stopped(2, container={"reason": "OutOfMemoryError", "exitCode": 137})) | {
            "ListServiceDeployments": {"serviceDeployments": [
                {"serviceDeploymentArn": arn, "status": "ROLLBACK_SUCCESSFUL", "createdAt": BEGAN},
            ]},
            "DescribeServiceDeployments": {"serviceDeployments": [
                {"serviceDeploymentArn": arn, "deploymentCircuitBreaker": {"status": "TRIGGERED"},
                 "statusReason": "tasks failed to start"},
            ]},
        }),
    )  # fmt: skip
    seen = watched.look()
    assert (seen.state, seen.summary) == (
        "failed", "server: rolled back to antgent-server:7 by the circuit breaker (tasks failed to start)",
    )  # fmt: skip
    told = seen.told()
    assert "event 19:00:09 (service server) rolling back to deployment ecs-svc/7." in told
    assert "older" not in told
    assert "task 00000000000000000000000000000002: stopped, EssentialContainerExited" in told
    assert "container server: exit code 137 (OutOfMemoryError)" in told
    assert "exit code 3" in told
    assert (
        "last log lines (logs server/server/00000000000000000000000000000002):\nfatal: the database" in told
    )
    assert "pulumi up --refresh" in told
    assert set(watched.aws.asked) <= set(ACTIONS)


def test_a_rollback_by_an_alarm_names_the_alarm() -> None:
    """Who is woken up wants to know by what."""
    rolled_back = service(deployment(OLD), deployment(NEW, "ACTIVE", "FAILED"))
    arn = f"{ARN}:service-deployment/antgent/server/1"
    alarms = {"status": "TRIGGERED", "triggeredAlarmNames": ["antgent-latency", "antgent-errors"]}
    answers = crashed() | {
        "ListServiceDeployments": {"serviceDeployments": [
            {"serviceDeploymentArn": "old", "status": "SUCCESSFUL", "createdAt": BEGAN - datetime.timedelta(days=1)},
            {"serviceDeploymentArn": arn, "status": "ROLLBACK_IN_PROGRESS", "createdAt": BEGAN},
        ]},
        "DescribeServiceDeployments": {"serviceDeployments": [{"serviceDeploymentArn": arn, "alarms": alarms}]},
    }  # fmt: skip
    seen = Watched(rolled_back, **answers).look()
    assert seen.summary.endswith(
        "rolled back to antgent-server:7 by the alarms antgent-errors, antgent-latency"
    )


def test_the_alarm_is_named_also_where_deployments_may_not_be_read() -> None:
    """From the reason of the failed deployment, and the alarms that ring."""
    rolled_back = service(
        deployment(OLD),
        deployment(NEW, "ACTIVE", "FAILED", rolloutStateReason="ECS deployment failed: alarm(s) detected."),
        deploymentConfiguration={
            "alarms": {"alarmNames": ["errors", "latency"], "enable": True, "rollback": True}
        },
    )
    ringing = {"MetricAlarms": [{"AlarmName": "errors"}]}
    denied = {"ListServiceDeployments": "AccessDeniedException"}
    seen = Watched(rolled_back, **(crashed() | denied | {"DescribeAlarms": ringing})).look()
    assert seen.summary == "server: rolled back to antgent-server:7 by the alarm errors"
    seen = Watched(rolled_back, **(crashed() | denied | {"DescribeAlarms": "AccessDenied"})).look()
    assert seen.summary.endswith("by the alarms errors, latency")


def test_a_rollback_that_happened_before_is_a_failure_again() -> None:
    """The same bad release once more: the service is unchanged, and still not what was asked for."""
    watched = Watched(service(deployment(OLD)), **crashed())
    assert watched.look().state == "waiting", "AWS may still describe the service as it was"
    seen = watched.look(after=SETTLE_SECONDS)
    assert (seen.state, seen.summary) == ("failed", "server: antgent-server:7 runs, which was not asked for")


def test_a_deployment_that_failed_without_a_rollback_target_is_a_failure() -> None:
    """The first release of all has nothing to go back to."""
    reason = "ECS deployment circuit breaker: tasks failed to start."
    failed = deployment(NEW, state="FAILED", runningCount=0, rolloutStateReason=reason)
    seen = Watched(service(failed), **crashed(stopped(1))).look()
    assert seen.state == "failed"
    assert "0 of 2 running: ECS deployment circuit breaker" in seen.summary
    assert "exit code 3" in seen.told()
    again = "aws ecs update-service --force-new-deployment --cluster antgent --service server, then pulumi up"
    assert again in seen.told()


def test_tasks_that_stop_at_start_fail_before_the_deadline() -> None:
    """Two that end by themselves are no accident; ECS gets a moment to say that it took the release back."""
    rolling = service(deployment(NEW, state="IN_PROGRESS", runningCount=0))
    watched = Watched(rolling, **crashed(stopped(1), stopped(2)))
    assert watched.look().summary.endswith("0 of 2 running, 2 stopped at start")
    assert watched.look(after=BREAKER_SECONDS - 1).state == "waiting"
    seen = watched.look(after=1)
    assert (seen.state, "2 tasks stopped at start" in seen.summary) == ("failed", True)


def test_an_image_that_cannot_be_pulled_is_told_in_aws_words() -> None:
    """No container, so no exit code and no log line."""
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
    gone = {"code": "TaskFailedToStart", "stoppedReason": reason, "containers": [{"name": "server"}]}
    watched = Watched(
        service(deployment(NEW, state="IN_PROGRESS", runningCount=0)),
        **(crashed(stopped(1, **gone), stopped(2, **gone)) | {"GetLogEvents": "ResourceNotFoundException"}),
    )
    watched.look()
    seen = watched.look(after=BREAKER_SECONDS)
    assert seen.state == "failed"
    assert f"stopped, TaskFailedToStart: {reason}" in seen.told()
    assert "(none: the container wrote nothing, or never started)" in seen.told()


@pytest.mark.parametrize(
    "tasks",
    [
        [stopped(1)],
        [stopped(1, OLD), stopped(2, OLD)],
        [stopped(1, code="ServiceSchedulerInitiated"), stopped(2, code="UserInitiated")],
        [stopped(1, startedBy="ecs-svc/earlier"), stopped(2, startedBy="ecs-svc/earlier")],
    ],
    ids=["one", "the previous release's", "stopped by others", "an earlier deployment's"],
)
def test_stopped_tasks_that_prove_nothing_are_waited_over(tasks: list[dict[str, Any]]) -> None:
    """Scaling, a replaced release and a single accident are daily life."""
    watched = Watched(service(deployment(NEW, state="IN_PROGRESS", runningCount=1)), **crashed(*tasks))
    assert watched.look().state == watched.look(after=120).state == "waiting"


def test_a_service_that_is_gone_is_a_failure() -> None:
    """Somebody deleted it."""
    seen = Watched(service(deployment(NEW)) | {"status": "INACTIVE"}).look()
    assert (seen.state, seen.summary) == ("failed", "server: its service is gone")
    seen = Watched(DescribeServices="ClusterNotFoundException").look()
    assert (seen.state, seen.summary) == ("failed", "the cluster is gone")


@pytest.mark.parametrize(
    ("refused", "permission"),
    [
        ("ListTasks", "stopped tasks may not be read: allow ecs:ListTasks"),
        ("DescribeTasks", "stopped tasks may not be read: allow ecs:DescribeTasks"),
        ("GetLogEvents", "the log may not be read: allow logs:GetLogEvents"),
        ("DescribeTaskDefinition", "the log may not be read: allow ecs:DescribeTaskDefinition"),
    ],
)
def test_what_may_not_be_read_is_named_and_the_verdict_stands(refused: str, permission: str) -> None:
    """A deployer with less rights gets less evidence, not another answer."""
    failed = service(deployment(OLD), deployment(NEW, "ACTIVE", "FAILED"))
    seen = Watched(failed, **(crashed(stopped(1)) | {refused: "AccessDeniedException"})).look()
    assert seen.state == "failed"
    assert f"{permission} to who runs this command" in seen.told()


def test_without_the_right_to_see_the_services_there_is_no_verdict() -> None:
    """At once, with the permission by name."""
    seen = Watched(DescribeServices="AccessDeniedException").look()
    assert (seen.state, "allow ecs:DescribeServices" in seen.told()) == ("failed", True)


@pytest.mark.parametrize("error", ["ThrottlingException", EndpointConnectionError(endpoint_url="x")])
def test_a_busy_or_restarting_api_is_waited_for_and_not_for_ever(error: Any) -> None:
    """A throttled look is no verdict; a minute without any is one."""
    watched = Watched(DescribeServices=error)
    assert watched.look().state == "waiting"
    assert watched.look(after=UNREACHABLE_SECONDS).state == "waiting"
    assert watched.look(after=1).state == "failed"
    watched = Watched(service(deployment(NEW)))
    good = watched.aws.answers["DescribeServices"]
    watched.aws.answers["DescribeServices"] = error
    assert watched.look().state == "waiting"
    watched.aws.answers["DescribeServices"] = good
    assert watched.look(after=50).state == "ready"


@pytest.mark.parametrize("error", ["ExpiredTokenException", NoCredentialsError()])
def test_credentials_that_no_time_mends_fail_at_once(error: Any) -> None:
    """Nobody waits five minutes for an expired session."""
    assert Watched(DescribeServices=error).look().state == "failed"


TEMPORAL = {"address": "temporal:7233", "namespace": "default", "queues": ["antgent-queue"]}


def polled(monkeypatch: pytest.MonkeyPatch, ask: Callable[[str, str, str], list[Poller]]) -> Watched:
    monkeypatch.setattr(rollout_ecs, "pollers", ask)
    return Watched(service(deployment(NEW), name="worker"), temporal=TEMPORAL, **crashed())


def test_a_worker_is_healthy_when_it_polls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that runs and polls nothing does no work."""
    seen: list[Poller] = []
    watched = polled(monkeypatch, lambda *_: seen)
    assert watched.look().summary.endswith("nobody polls antgent-queue yet")
    seen.append(Poller("1@old", BEGAN.timestamp() - 60))
    assert watched.look().state == "waiting", "that was before this deployment"
    seen.append(Poller("1@new", BEGAN.timestamp() + 3))
    assert watched.look() == Observation("ready", "worker: 2 of 2 running and polling")


def test_a_temporal_that_cannot_be_reached_is_said_with_the_way_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The deployer may be outside of the network in which the workers are."""

    def unreachable(*_: str) -> list[Poller]:
        raise TemporalError("no answer in 5 s")

    seen = polled(monkeypatch, unreachable).look()
    assert (seen.state, seen.summary.endswith("Temporal at temporal:7233 does not answer")) == (
        "waiting",
        True,
    )
    assert "pulumi config set --path 'antgent:service.rollout.pollers' false" in seen.told()


def test_clients_have_the_region_the_endpoint_and_the_keys_of_the_provider() -> None:
    """The verdict asks the same AWS as the provider does."""
    connection = CONNECTION | {
        "endpoints": [{"ecs": "http://127.0.0.1:1", "cloudwatchlogs": "http://127.0.0.1:2"}]
    }
    clients = AwsClients(connection)
    assert clients("ecs").meta.endpoint_url == "http://127.0.0.1:1"
    assert clients("logs").meta.endpoint_url == "http://127.0.0.1:2"
    assert clients("cloudwatch").meta.region_name == REGION
    assert clients("ecs").meta.config.retries["mode"] == "standard"


def test_every_call_is_in_the_deploy_roles_policy() -> None:
    """A verdict that CI's role may not give is none."""
    allowed = {f"{service}:{action}" for service, actions in READS.items() for action in actions}
    assert set(ACTIONS) <= allowed
