"""Waiting until an object does what it was made for, and until a deleted one is gone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from sandbox.providers.kubernetes_api import ApiError, Client, UnreachableError
from sandbox.providers.kubernetes_objects import (
    PROPAGATION,
    SKIP_AWAIT,
    TIMEOUT,
    WAIT_FOR,
    Object,
    annotation,
    at,
    has_flag,
    id_of,
    kind_of,
    name_of,
    namespace_of,
)
from sandbox.providers.kubernetes_pods import deployment_problems, pod_problems, selector_text
from sandbox.providers.kubernetes_wait_for import wait_for
from sandbox.providers.session import Call, CancelledError, ProviderError

TIMEOUT_SECONDS = 600.0
FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.1, 1.0

# The official plugin waits for these too; here a release is judged by `Rollout`, the rest is not used.
_NOT_AWAITED = {("apps", "StatefulSet"), ("apps", "DaemonSet"), ("", "Pod"), ("networking.k8s.io", "Ingress")}


@dataclass(frozen=True)
class State:
    """How far an object has come.

    Args:
        ready: it does what it was made for.
        text: what is being waited for, one line.
        failed: it will never be ready.
        problems: what stands in the way, most general first.
    """

    ready: bool
    text: str = ""
    failed: bool = False
    problems: list[str] = field(default_factory=list)


Check = Callable[[Client, Object], State]


class NotReadyError(ProviderError):
    """The object is there but not ready; `problems` say why."""

    def __init__(self, text: str, problems: list[str]) -> None:
        super().__init__(text)
        self.problems = problems


class WaitCancelledError(NotReadyError):
    """The engine asked to stop before the object was ready."""

    code = grpc.StatusCode.CANCELLED


def until_ready(call: Call, client: Client, obj: Object, inputs: Object) -> None:
    """Wait for an object that was just created or changed; raises NotReadyError.

    Kinds without a rule are ready at once. `pulumi.com/skipAwait` skips the wait,
    `pulumi.com/waitFor` says what to wait for, `pulumi.com/timeoutSeconds` or the resource's
    `custom_timeouts` how long (default: 10 minutes).
    """
    if has_flag(inputs, SKIP_AWAIT):
        call.status("Skipping await logic")
    elif check := _check(inputs):
        _wait(call, client, obj, inputs, check)
        call.status("")
    elif kind_of(obj) in _NOT_AWAITED:
        call.log(f"the stand-in does not wait for a {obj['kind']}; the official plugin would", "warning")


def _wait(call: Call, client: Client, obj: Object, inputs: Object, check: Check) -> None:
    name = name_of(obj)
    said = ""
    deadline = time.monotonic() + timeout_of(call, inputs)
    pause, state = FIRST_POLL_SECONDS, State(ready=False)
    try:
        while not (state := _looked_at(client, obj, check)).ready:
            if state.failed:
                raise NotReadyError(f"Resource '{name}' was created but failed to initialize", state.problems)
            if time.monotonic() >= deadline:
                raise NotReadyError(f"'{name}' timed out waiting to be Ready", state.problems)
            if state.text != said:
                call.status(said := state.text)
            call.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.5, LAST_POLL_SECONDS)
    except CancelledError:
        raise WaitCancelledError(f'Resource operation was cancelled for "{name}"', state.problems) from None
    call.status(state.text)


def _looked_at(client: Client, obj: Object, check: Check) -> State:
    try:
        return check(client, client.get(obj))
    except UnreachableError as error:
        # The object was made; a server that restarts must not make state forget it.
        return State(ready=False, text=f"The API server does not answer: {error}", problems=[str(error)])


def state_now(client: Client, obj: Object, inputs: Object) -> State:
    """How a live object is doing at this moment (for a refresh, which does not wait)."""
    check = None if has_flag(inputs, SKIP_AWAIT) else _check(inputs)
    return check(client, obj) if check else State(ready=True)


def timeout_of(call: Call, inputs: Object) -> float:
    """Seconds to wait: the resource option, else the annotation, else ten minutes."""
    asked = annotation(inputs, TIMEOUT)
    return call.timeout or (float(asked) if asked.isdecimal() else TIMEOUT_SECONDS)


def until_deleted(call: Call, client: Client, obj: Object, inputs: Object) -> None:
    """Delete an object and wait until it is gone, its finalizers and dependents included."""
    propagation = (annotation(inputs, PROPAGATION) or "foreground").capitalize()
    live = client.find(obj)
    if live is None:
        return
    try:
        client.delete(obj, propagation)
    except ApiError as error:
        if error.http == 404:
            return
        raise
    deadline = time.monotonic() + timeout_of(call, inputs)
    pause, uid = FIRST_POLL_SECONDS / 2, live["metadata"]["uid"]
    while (live := client.find(obj)) is not None and live["metadata"]["uid"] == uid:
        if time.monotonic() >= deadline:
            held = ", ".join(live["metadata"].get("finalizers") or []) or "nothing it names"
            raise ProviderError(
                f'Timed out waiting for deletion of {obj["apiVersion"]}/{obj["kind"]} "{id_of(obj)}": '
                f"it is held by {held}"
            )
        call.status("Resource scheduled for deletion")
        try:
            call.sleep(pause)
        except CancelledError:
            raise WaitCancelledError(f'Resource operation was cancelled for "{name_of(obj)}"', []) from None
        pause = min(pause * 1.5, LAST_POLL_SECONDS)


def _check(inputs: Object) -> Check | None:
    asked = annotation(inputs, WAIT_FOR)
    if asked:
        return lambda _, live: State(
            wait_for(asked, live), f"Waiting for {asked}", problems=[f"not yet: {asked}"]
        )
    return _CHECKS.get(kind_of(inputs))


def _condition(obj: Object, kind: str) -> Object:
    conditions = at(obj, "status", "conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})


def _deployment(client: Client, obj: Object) -> State:
    wanted = at(obj, "spec", "replicas")
    status = obj.get("status") or {}
    updated, available, all_of_them = (
        status.get(key, 0) for key in ("updatedReplicas", "availableReplicas", "replicas")
    )
    seen = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
    if seen and updated == available == all_of_them == wanted:
        return State(ready=True, text="Deployment initialization complete")
    # The status counts available pods of both revisions; the old ones are taken to be available.
    there = max(0, available - (all_of_them - updated)) if seen else 0
    text = f"Waiting for app ReplicaSet to be available ({there}/{wanted} Pods available)"
    return State(ready=False, text=text, problems=deployment_problems(client, obj) if seen else [])


def _job(client: Client, obj: Object) -> State:
    status = obj.get("status") or {}
    if _condition(obj, "Complete").get("status") == "True":
        return State(ready=True)
    name = id_of(obj)
    failed = _condition(obj, "Failed")
    is_failed = failed.get("status") == "True"
    counts = " | ".join(
        f"{key.capitalize()}: {status.get(key, 0)}" for key in ("active", "succeeded", "failed")
    )
    text = f'Waiting for Job "{name}" to succeed ({counts})'
    problems = [f"[{failed.get('reason')}] {failed.get('message')}"] if is_failed else []
    problems += pod_problems(client, namespace_of(obj), selector_text(obj))
    return State(
        False, text if status.get("startTime") else f'Waiting for Job "{name}" to start', is_failed, problems
    )


def _service(client: Client, obj: Object) -> State:
    spec = obj.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not at(obj, "status", "loadBalancer", "ingress"):
        problem = "Service was not allocated an IP address; does your cloud provider support this?"
        return State(False, "[2/3] Attempting to allocate IP address to Service", problems=[problem])
    if not spec.get("selector") or spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName":
        return State(ready=True)
    slices = client.select(
        "discovery.k8s.io/v1", "EndpointSlice", namespace_of(obj),
        labelSelector=f"kubernetes.io/service-name={name_of(obj)}",
    )  # fmt: skip
    endpoints = [one.get("conditions") or {} for each in slices for one in each.get("endpoints") or []]
    there = [one for one in endpoints if not one.get("terminating")]
    if there and all(one.get("ready") for one in there):
        return State(ready=True, text="Service initialization complete")
    if any(one.get("ready") for one in there):
        return State(False, "[2/3] Attempting to allocate IP address to Service")
    problem = (
        "Service does not target any Pods. Selected Pods may not be ready, or "
        "field '.spec.selector' may not match labels on any Pods"
    )
    return State(False, "[1/3] Finding Pods to direct traffic to", problems=[problem])


def _claim(client: Client, obj: Object) -> State:
    phase = at(obj, "status", "phase")
    if phase == "Bound":
        return State(ready=True)
    storage_class = at(obj, "spec", "storageClassName")
    if storage_class:
        reference = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": storage_class},
        }
        if (client.find(reference) or {}).get("volumeBindingMode") == "WaitForFirstConsumer":
            return State(ready=True, text="Bound when the first Pod uses it")
    return State(False, "Waiting for PersistentVolumeClaim to be bound", problems=[f"it is still {phase}"])


_CHECKS: dict[tuple[str, str], Check] = {
    ("apps", "Deployment"): _deployment,
    ("batch", "Job"): _job,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
}
