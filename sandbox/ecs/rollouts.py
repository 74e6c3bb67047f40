"""The service scheduler: one step of one service toward what was asked for. The caller holds the lock."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.ecs import alarms, arithmetic, targets, wording
from sandbox.ecs.arithmetic import Counts, Plan
from sandbox.ecs.backend import FARGATE, EcsBackend
from sandbox.ecs.model import Deployment, Service
from sandbox.ecs.settings import Settings
from sandbox.ecs.task_model import Task, now
from sandbox.ecs.verdicts import complete, fail

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a task that failed is started again; doubled each time."""
_TASK = "Task failed"


@dataclass
class Step:
    """One step.

    Args:
        health: of every running task, asked once.
    """

    backend: EcsBackend
    service: Service
    settings: Settings
    health: dict[Task, str]

    @property
    def primary(self) -> Deployment:
        return self.service.primary

    def healthy(self, deployments: Iterable[Deployment]) -> int:
        return sum(self.health.get(task) == "healthy" for one in deployments for task in one.tasks)


def step(backend: EcsBackend, service: Service, settings: Settings) -> None:
    """Look at a service's tasks, then start, stop and judge."""
    if service.status == "INACTIVE":
        return
    _register(service)
    health = {task: health_of(task, service, settings) for task in service.tasks if task.running}
    here = Step(backend, service, settings, health)
    replaced = _replace_unhealthy(here)
    _account(here)
    _judge(here)
    _act(here, replaced)
    _settle(here)
    service.count()


def health_of(task: Task, service: Service, settings: Settings) -> str:
    """`healthy`, `waiting`, or why it must be replaced (`container`, or a target group's ARN)."""
    grace = task.running_seconds < getattr(service, "healthCheckGracePeriodSeconds", 0)
    if task.checked and task.health_status == "UNHEALTHY":
        return "waiting" if grace else "container"
    seen = [(group, *targets.health(group, task.address, port)) for group, port in task.targets]
    for group, state, _ in seen:
        if state == "unhealthy":
            return "waiting" if grace else group
    if (task.checked and task.health_status != "HEALTHY") or any(one[1] != "healthy" for one in seen):
        return "waiting"
    sure = task.checked or (task.targets and targets.watched())
    return "healthy" if sure or task.running_seconds >= settings.settle else "waiting"


def _register(service: Service) -> None:
    """Make running tasks targets, once."""
    done: Counter[str] = Counter()
    for task in service.tasks:
        if not task.running or task.targets or not task.address:
            continue
        for one in task.balancers:
            group, port = one["targetGroupArn"], int(one["containerPort"])
            if targets.register(group, task.address, port):
                task.targets.append((group, port))
                done[group] += 1
    for group, count in done.items():
        service.tell(wording.registered(group, count))


def _replace_unhealthy(here: Step) -> int:
    """Stop what fails its health checks; how many there were."""
    service, bad = here.service, {}
    for task, state in here.health.items():
        if state not in ("healthy", "waiting"):
            bad[task] = state
    for task, state in bad.items():
        if state == "container":
            service.tell(wording.unhealthy_container(task.id))
            reason = wording.CONTAINER_UNHEALTHY
        else:
            port = next(port for group, port in task.targets if group == state)
            why = targets.health(state, task.address, port)[1]
            service.tell(wording.unhealthy_target(task.id, port, state, why or "Health checks failed"))
            reason = wording.elb_unhealthy(state)
        here.backend.stop(task, "ServiceSchedulerInitiated", reason)
        del here.health[task]
    if bad:
        service.tell(wording.stopped([task.id for task in bad]))
    return len(bad)


def _account(here: Step) -> None:
    """Count what failed, and forget what has stopped."""
    for deployment in here.service.deployments:
        for task in deployment.tasks:
            if here.health.get(task) == "healthy" and not task.was_healthy:
                task.was_healthy = True
                deployment.setbacks = 0
                breaker = here.service.deployment_configuration.get("deploymentCircuitBreaker") or {}
                if breaker.get("resetOnHealthyTask", True):
                    deployment.failed_tasks = 0
            if not task.live and not task.counted:
                task.counted = True
                _count_failure(here.service, deployment, task)
        deployment.tasks = [task for task in deployment.tasks if task.last_status != "STOPPED"]


def _count_failure(service: Service, deployment: Deployment, task: Task) -> None:
    unplanned = task.stop_code in ("TaskFailedToStart", "EssentialContainerExited")
    reason = task.stopped_reason or ""
    if not unplanned and not reason.startswith(_TASK):
        return
    deployment.setbacks += 1
    pause = min(FIRST_PAUSE * 2 ** (deployment.setbacks - 1), LONGEST_PAUSE)
    deployment.next_start = time.monotonic() + pause
    if task.stop_code == "TaskFailedToStart" and reason not in deployment.told:
        deployment.told.add(reason)
        service.tell(wording.not_placed(reason))
    if deployment.rollout_state == "IN_PROGRESS" and not task.was_healthy:
        deployment.failed_tasks += 1
        deployment.updated_at = now()
        if deployment.history is not None and deployment.history.deployment_circuit_breaker is not None:
            deployment.history.deployment_circuit_breaker["failureCount"] = deployment.failed_tasks
    if deployment.setbacks == arithmetic.LEAST_FAILURES:
        service.tell(wording.inconsistent())


def _judge(here: Step) -> None:
    """Fail a deployment that cannot start its tasks, or during which an alarm went off."""
    service, primary = here.service, here.primary
    if primary.rollout_state != "IN_PROGRESS":
        return
    breaker = service.deployment_configuration.get("deploymentCircuitBreaker") or {}
    if breaker.get("enable") and primary.failed_tasks >= arithmetic.threshold(service.desired_count):
        fail(service, "circuit breaker", rollback=bool(breaker.get("rollback")))
        return
    if service.rolling_back is not None:
        return
    firing = set(alarms.firing(service))
    # One that rang before the deployment counts again only after it has been quiet.
    primary.quiet_alarms &= firing
    if new := sorted(firing - primary.quiet_alarms):
        wanted = service.deployment_configuration.get("alarms") or {}
        fail(service, "alarm", rollback=bool(wanted.get("rollback")), alarms=new)


def _act(here: Step, replaced: int) -> None:
    service, primary = here.service, here.primary
    earlier = service.deployments[1:]
    counts = Counts(
        new=sum(task.live for task in primary.tasks),
        new_healthy=here.healthy([primary]),
        old=sum(task.live for one in earlier for task in one.tasks),
        old_healthy=here.healthy(earlier),
    )
    wanted = service.deployment_configuration
    percents = int(wanted["minimumHealthyPercent"]), int(wanted["maximumPercent"])
    todo = arithmetic.plan(service.desired_count, *percents, counts)
    if arithmetic.stuck(service.desired_count, *percents, counts):
        _once(service, primary, wording.stuck())
    if primary.rollout_state == "FAILED" and service.desired_count:
        # Nothing to go back to, or not asked to: what still runs stays.
        todo = Plan(stop_new=todo.stop_new)
    _start(here, todo.start, replaced)
    _stop(here, todo, earlier)


def _start(here: Step, count: int, replaced: int) -> None:
    service, primary = here.service, here.primary
    if not count or time.monotonic() < primary.next_start:
        return
    provider = (primary.capacity_provider_strategy or [{}])[0].get("capacityProvider")
    if (primary.launch_type or provider) not in FARGATE:
        _once(service, primary, wording.no_instances())
        return
    made = [here.backend.launch(service, primary) for _ in range(count)]
    service.tell(wording.started([task.id for task in made], replaced))


def _stop(here: Step, todo: Plan, earlier: list[Deployment]) -> None:
    """Stop old tasks and surplus ones; those that have run the longest go last."""
    healthy = {task for task, state in here.health.items() if state == "healthy"}
    old = [task for one in earlier for task in one.tasks if task.live]
    new = sorted((task for task in here.primary.tasks if task.live), key=lambda task: task in healthy)
    chosen = [task for task in old if task not in healthy][: todo.stop_old_unhealthy]
    chosen += [task for task in old if task in healthy][: todo.stop_old_healthy]
    surplus = new[: todo.stop_new]
    for deployment in here.service.deployments:
        mine = [task for task in (*chosen, *surplus) if task in deployment.tasks]
        for task in mine:
            here.backend.stop(task, "ServiceSchedulerInitiated", wording.scaling(deployment.id))
        if mine:
            here.service.tell(wording.stopped([task.id for task in mine]))
            if any(task.targets for task in mine):
                here.service.tell(wording.draining(len(mine)), deployment=deployment.id)


def _settle(here: Step) -> None:
    """Notice that a rollout is complete, that all is steady, and that a service is gone."""
    service, primary = here.service, here.primary
    gone = [one for one in service.deployments[1:] if not any(task.live for task in one.tasks)]
    ready = here.healthy([primary]) == service.desired_count == sum(task.live for task in primary.tasks)
    quiet = len(gone) == len(service.deployments) - 1
    if ready and quiet and primary.rollout_state == "IN_PROGRESS" and _baked(here):
        complete(service)
    kept = service.rolling_back
    service.deployments = [primary] + [
        one for one in service.deployments[1:] if one not in gone or one is kept
    ]
    steady = ready and quiet and primary.rollout_state == "COMPLETED" and service.status == "ACTIVE"
    if steady and not service.steady:
        service.steady = True
        service.tell(wording.STEADY)
    if service.status == "DRAINING":
        left = here.backend.service_tasks(service)
        if all(task.last_status == "STOPPED" for task in left):
            service.status = "INACTIVE"


def _baked(here: Step) -> bool:
    """Whether alarms were watched long enough after the last old task was stopped."""
    if not alarms.watched(here.service) or here.service.rolling_back is not None:
        return True
    if here.primary.baking_since is None:
        here.primary.baking_since = time.monotonic()
    return time.monotonic() - here.primary.baking_since >= here.settings.bake


def _once(service: Service, deployment: Deployment, message: str) -> None:
    if message not in deployment.told:
        deployment.told.add(message)
        service.tell(message)
