"""Why an ECS rollout is as it is: who rolled it back, service events, stopped tasks, log lines.

Each part that the deployer may not read is replaced by a line that names the missing permission.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.aws_clients import code, denied

LOG_LINES, EVENTS, TASKS = 20, 10, 3
AT_START = ("EssentialContainerExited", "TaskFailedToStart")
"""Stop codes of tasks that ended by themselves or never ran."""
PREFIX = {"GetLogEvents": "logs", "DescribeAlarms": "cloudwatch"}
"""Operations of other services than ECS → the prefix of their permission."""


class Evidence:
    """What there is to know of one service and the task definition that was asked for; called, it tells.

    Args:
        aws: gives the client of a service.
        cluster: ARN.
        service: as DescribeServices gave it.
        wanted: ARN of the task definition.
    """

    def __init__(
        self, aws: Callable[[str], Any], cluster: str, service: Mapping[str, Any], wanted: str
    ) -> None:
        self._aws, self._cluster, self._service, self._wanted = aws, cluster, service, wanted
        self._began: datetime | None = None

    def __call__(self) -> str:
        """Events, stopped tasks and log lines, one a line."""
        tasks: list[dict[str, Any]] = []
        lines = self._events()
        lines += self._read("stopped tasks", lambda: self._tasks(tasks))
        lines += self._read("the log", lambda: self._log(tasks))
        return "\n".join(lines)

    @property
    def listed(self) -> bool:
        """Whether ECS has a deployment of the task definition, whatever its fate."""
        return bool(self._mine())

    def cause(self) -> str:
        """Who rolled the deployment back: the alarm by its name, or the circuit breaker; empty for nobody."""
        try:
            return self._told_by_deployment() or self._told_by_service()
        except (ClientError, BotoCoreError):
            return self._told_by_service()

    def failures(self, primary: Mapping[str, Any]) -> int:
        """How many tasks of a deployment ended by themselves or never started; 0 where it may not be read."""
        try:
            stopped = self._stopped()
        except (ClientError, BotoCoreError):
            return int(primary.get("failedTasks") or 0)
        return sum(
            one.get("stopCode") in AT_START
            for one in stopped
            if one.get("startedBy", primary["id"]) == primary["id"]
        )

    def _mine(self) -> list[Mapping[str, Any]]:
        return [one for one in self._service["deployments"] if one["taskDefinition"] == self._wanted]

    def _told_by_deployment(self) -> str:
        ecs = self._aws("ecs")
        listed = ecs.list_service_deployments(service=self._service["serviceArn"], cluster=self._cluster)
        newest = sorted(listed["serviceDeployments"], key=lambda one: one["createdAt"])[-1:]
        if not newest or not newest[0]["status"].startswith("ROLLBACK"):
            return ""
        self._began, arns = newest[0]["createdAt"], [newest[0]["serviceDeploymentArn"]]
        (found,) = ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
        if alarms := found.get("alarms", {}).get("triggeredAlarmNames"):
            return _alarms(alarms)
        why = found.get("rollback", {}).get("reason") or found.get("statusReason") or ""
        if found.get("deploymentCircuitBreaker", {}).get("status") == "TRIGGERED":
            return _breaker(why)
        return why or "ECS"

    def _told_by_service(self) -> str:
        """The same from what DescribeServices says, where deployments may not be read."""
        reasons = [one.get("rolloutStateReason") or "" for one in self._mine() if one["status"] != "PRIMARY"]
        events = [one["message"] for one in self._service.get("events", [])[:EVENTS]]
        reasons += [
            text.partition("deployment failed: ")[2] for text in events if "deployment failed" in text
        ]
        if not reasons:
            return ""
        if "alarm" not in reasons[0].lower():
            return _breaker(reasons[0])
        watched = self._service.get("deploymentConfiguration", {}).get("alarms", {}).get("alarmNames", [])
        return _alarms(self._ringing(watched) or watched)

    def _ringing(self, names: list[str]) -> list[str]:
        try:
            found = self._aws("cloudwatch").describe_alarms(AlarmNames=names, StateValue="ALARM")
        except (ClientError, BotoCoreError):
            return []
        return [one["AlarmName"] for one in found["MetricAlarms"]]

    def _events(self) -> list[str]:
        """Service events since the deployment began, the last ones when that is not known; oldest first."""
        began = min((one["createdAt"] for one in self._mine()), default=self._began)
        events = [one for one in self._service.get("events", []) if not began or one["createdAt"] >= began]
        return [f"event {_clock(one['createdAt'])} {one['message']}" for one in reversed(events[:EVENTS])]

    def _stopped(self) -> list[dict[str, Any]]:
        """Stopped tasks of the task definition, the last one first; ECS shows them for an hour."""
        return self._described("STOPPED")

    def _described(self, status: str) -> list[dict[str, Any]]:
        ecs, name = self._aws("ecs"), self._service["serviceName"]
        arns = ecs.list_tasks(cluster=self._cluster, serviceName=name, desiredStatus=status)["taskArns"]
        if not arns:
            return []
        found = ecs.describe_tasks(cluster=self._cluster, tasks=arns[:100])["tasks"]
        mine = [one for one in found if one["taskDefinitionArn"] == self._wanted]
        return sorted(mine, key=lambda one: one.get("stoppedAt") or one["createdAt"], reverse=True)

    def _tasks(self, seen: list[dict[str, Any]]) -> list[str]:
        """The last stopped tasks, else those that run; adds them to `seen`."""
        seen += self._stopped() or self._described("RUNNING")
        return [line for task in seen[:TASKS] for line in _task_lines(task)]

    def _log(self, tasks: list[dict[str, Any]]) -> list[str]:
        """The last log lines of the task that stopped last."""
        if not tasks:
            return []
        answer = self._aws("ecs").describe_task_definition(taskDefinition=self._wanted)
        lines = []
        for container in answer["taskDefinition"]["containerDefinitions"]:
            configured = container.get("logConfiguration", {})
            options = configured.get("options", {})
            if "awslogs-group" not in options or "awslogs-stream-prefix" not in options:
                driver = configured.get("logDriver", "none")
                lines.append(f"the log of {container['name']} is not in CloudWatch Logs (driver {driver})")
                continue
            stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{_id(tasks[0])}"
            lines += [f"last log lines ({options['awslogs-group']} {stream}):"]
            lines += self._log_lines(options["awslogs-group"], stream)
        return lines

    def _log_lines(self, group: str, stream: str) -> list[str]:
        try:
            found = self._aws("logs").get_log_events(
                logGroupName=group, logStreamName=stream, limit=LOG_LINES, startFromHead=False
            )
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise
            return ["(none: the container wrote nothing, or never started)"]
        return [one["message"].rstrip() for one in found["events"]] or ["(none)"]

    def _read(self, what: str, read: Callable[[], list[str]]) -> list[str]:
        try:
            return read()
        except ClientError as error:
            if not denied(error):
                return [f"{what} cannot be read: {error}"]
            action = f"{PREFIX.get(error.operation_name, 'ecs')}:{error.operation_name}"
            return [f"{what} may not be read: allow {action} to who runs this command"]
        except BotoCoreError as error:
            return [f"{what} cannot be read: {error}"]


def _task_lines(task: Mapping[str, Any]) -> list[str]:
    if task.get("lastStatus") == "STOPPED":
        how = f"stopped, {task.get('stopCode', 'no code')}: {task.get('stoppedReason', 'no reason')}"
    else:
        how = f"{task.get('lastStatus', 'unknown').lower()}, health {task.get('healthStatus', 'UNKNOWN')}"
    lines = [f"task {_id(task)}: {how}"]
    for container in task.get("containers", []):
        status, reason = container.get("exitCode"), container.get("reason")
        if status is not None or (reason and reason not in how):
            told = "no exit code" if status is None else f"exit code {status}"
            lines.append(f"  container {container['name']}: {told}" + (f" ({reason})" if reason else ""))
    return lines


def _alarms(names: list[str]) -> str:
    return f"the alarm{'s' if len(names) > 1 else ''} {', '.join(sorted(names))}"


def _breaker(why: str) -> str:
    for words in ("ECS deployment circuit breaker: ", "Service deployment failed: "):
        why = why.removeprefix(words)
    why = why.rstrip(".")
    return "the circuit breaker" + (f" ({why})" if why else "")


def _id(task: Mapping[str, Any]) -> str:
    return task["taskArn"].rpartition("/")[2]


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"
