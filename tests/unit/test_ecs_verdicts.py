"""How the ECS emulator ends a deployment: completed, failed, rolled back, and a rollback that fails."""

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.ecs.model import Deployment, ServiceDeployment
from sandbox.ecs.verdicts import complete, fail


def deployment(revision: int) -> Deployment:
    watches = {"status": "MONITORING", "failureCount": 0, "threshold": 3}
    history = ServiceDeployment(
        f"deployment-{revision}", "service", "cluster", {"arn": f"revision-{revision}"}, {},
        deployment_circuit_breaker=dict(watches), alarms={"status": "MONITORING", "triggeredAlarmNames": []},
    )  # fmt: skip
    definition: Any = SimpleNamespace(arn=f"app:{revision}")
    return Deployment(definition, 2, f"revision-{revision}", balancers=[], history=history)


@pytest.fixture
def service() -> Any:
    """A service that rolls revision 2 out after revision 1."""
    found = SimpleNamespace(
        deployments=[deployment(1)], last_completed=None, rolling_back=None, task_definition="app:1",
        load_balancers=[], network_configuration={}, desired_count=2, steady=False, events=[],
    )  # fmt: skip
    found.tell = found.events.append
    found.primary = found.deployments[0]
    complete(found)
    found.deployments.insert(0, deployment(2))
    found.deployments[1].status = "ACTIVE"
    _look(found)
    return found


def _look(service: Any) -> None:
    service.primary = service.deployments[0]


def test_the_last_completed_deployment_comes_back(service: Any) -> None:
    """The old one is PRIMARY again and rolls out; the bad one is FAILED; both are told."""
    good, bad = service.deployments[1], service.deployments[0]
    fail(service, "circuit breaker", rollback=True)
    assert [one.id for one in service.deployments] == [good.id, bad.id]
    assert (good.status, good.rollout_state) == ("PRIMARY", "IN_PROGRESS")
    assert (bad.status, bad.rollout_state) == ("ACTIVE", "FAILED")
    assert (service.task_definition, bad.history.status) == ("app:1", "ROLLBACK_IN_PROGRESS")
    assert service.events[-2:] == [
        f"(deployment {bad.id}) deployment failed: tasks failed to start.",
        f"rolling back to deployment {good.id}.",
    ]
    _look(service)
    complete(service)
    assert (good.rollout_state, bad.history.status) == ("COMPLETED", "ROLLBACK_SUCCESSFUL")
    assert service.last_completed is good


def test_an_alarm_is_named_in_the_history(service: Any) -> None:
    """Whoever asks why a release was taken back reads the alarm's name there."""
    bad = service.deployments[0]
    fail(service, "alarm", rollback=True, alarms=["errors"])
    assert bad.history.alarms == {"status": "TRIGGERED", "triggeredAlarmNames": ["errors"]}
    assert bad.rollout_state_reason == "ECS deployment failed: alarm detected."


def test_without_rollback_the_failed_deployment_stays(service: Any) -> None:
    """Nothing is taken back that nobody asked to be taken back."""
    bad = service.deployments[0]
    fail(service, "circuit breaker", rollback=False)
    assert (service.deployments[0], bad.history.status) == (bad, "STOPPED")


def test_a_rollback_that_fails_is_not_rolled_back_again(service: Any) -> None:
    """Two bad deployments must not chase each other for ever."""
    bad = service.deployments[0]
    fail(service, "circuit breaker", rollback=True)
    _look(service)
    fail(service, "circuit breaker", rollback=True)
    assert service.primary.rollout_state == "FAILED"
    assert (bad.history.status, service.rolling_back) == ("ROLLBACK_FAILED", None)
    assert len(service.events) == 4
