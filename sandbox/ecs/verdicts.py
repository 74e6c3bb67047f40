"""How a deployment ends: completed, failed, rolled back."""

from collections.abc import Sequence

from sandbox.ecs import wording
from sandbox.ecs.model import Deployment, Service
from sandbox.ecs.task_model import now

_WHY = {"circuit breaker": "tasks failed to start", "alarm": "alarm detected"}
_STATE = {
    "circuit breaker": "ECS deployment circuit breaker: tasks failed to start.",
    "alarm": "ECS deployment failed: alarm detected.",
}
_BACK = {
    "circuit breaker": "ECS deployment circuit breaker: rolling back to deploymentId {}.",
    "alarm": "ECS deployment failed: alarm detected: rolling back to deploymentId {}.",
}


def complete(service: Service) -> None:
    """The primary deployment is what runs."""
    primary = service.primary
    primary.say("COMPLETED", f"ECS deployment {primary.id} completed.")
    primary.failed_tasks = 0
    service.tell(wording.completed(primary.id))
    service.last_completed, failed = primary, service.rolling_back
    service.rolling_back = None
    history = (failed or primary).history
    if history is None:
        return
    history.status = "ROLLBACK_SUCCESSFUL" if failed else "SUCCESSFUL"
    history.finished_at = history.updated_at = now()
    for watch in (history.deployment_circuit_breaker, history.alarms):
        if watch is not None and watch["status"] == "MONITORING":
            watch["status"] = "MONITORING_COMPLETE"


def fail(service: Service, cause: str, *, rollback: bool, alarms: Sequence[str] = ()) -> None:
    """The primary deployment is given up; the last completed one comes back where that is asked for.

    Args:
        cause: `circuit breaker` or `alarm`.
        alarms: the names of those that went off.
    """
    failed, back, before = service.primary, service.last_completed, service.rolling_back
    failed.say("FAILED", _STATE[cause])
    service.tell(wording.failed(failed.id, _WHY[cause]))
    if before is not None:  # the rollback itself: what it went back to does not come up any more
        service.rolling_back = None
        if before.history is not None:
            before.history.status = "ROLLBACK_FAILED"
            before.history.stopped_at = before.history.updated_at = now()
        return
    _record(failed, cause, back if rollback else None, rollback=rollback, alarms=alarms)
    if rollback and back is not None:
        _roll_back(service, failed, back, cause)


def _roll_back(service: Service, failed: Deployment, back: Deployment, cause: str) -> None:
    failed.status, back.status = "ACTIVE", "PRIMARY"
    service.deployments = [back, *(one for one in service.deployments if one is not back)]
    # Not eligible again until it has completed again.
    service.last_completed, service.rolling_back = None, failed
    service.task_definition = back.definition.arn
    service.load_balancers = list(back.balancers)
    service.network_configuration = back.network_configuration or {}
    back.desired_count, back.next_start, back.setbacks = service.desired_count, 0.0, 0
    back.say("IN_PROGRESS", _BACK[cause].format(back.id))
    service.steady = False
    service.tell(wording.rolling_back(back.id))


def _record(
    failed: Deployment, cause: str, back: Deployment | None, *, rollback: bool, alarms: Sequence[str]
) -> None:
    """Write it into the service's history."""
    history = failed.history
    if history is None:
        return
    names = f" ({', '.join(alarms)})" if alarms else ""
    history.status_reason = f"Service deployment failed: {_WHY[cause]}{names}."
    history.updated_at = now()
    if back is not None:
        history.status = "ROLLBACK_IN_PROGRESS"
        history.rollback = {
            "reason": history.status_reason,
            "startedAt": now(),
            "serviceRevisionArn": back.revision_arn,
        }
    else:
        history.status = "ROLLBACK_FAILED" if rollback else "STOPPED"
        history.stopped_at = now()
    if cause == "alarm" and history.alarms is not None:
        history.alarms.update(status="TRIGGERED", triggeredAlarmNames=list(alarms))
    elif history.deployment_circuit_breaker is not None:
        history.deployment_circuit_breaker["status"] = "TRIGGERED"
