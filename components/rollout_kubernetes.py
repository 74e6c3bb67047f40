"""What a Kubernetes API server says about the Deployments of a release."""

import time
from collections.abc import Mapping
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from components.rollout import Observation

LOG_LINES = 20
EVENT_LINES = 5
UNSCHEDULABLE_SECONDS = 20
"""Time a cluster's autoscaler gets to notice a pod that fits on no node."""
UNREACHABLE_SECONDS = 30
"""How long the API server may be away before the verdict is that it is."""
HOPELESS = {
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "RunContainerError",
}
"""Reasons for which a container waits that no time heals."""
PASSING = {"CreateContainerConfigError": "failed to sync", "RunContainerError": "context deadline exceeded"}
"""Reason → what the kubelet says under it when the node or the API server is only slow; it tries again."""


class KubernetesObserver:
    """Looks at Deployments until each runs the requested image, complete and alone.

    Args:
        kubeconfig: path of the kubeconfig file; None for the client's default search.
        context: its context; None for the current one.
        namespace: where the Deployments are.
        image: the digest reference every pod must run.
        deployments: workload name → `{"name": …, "generation": …}`, as the API server answered the update.
    """

    def __init__(
        self,
        *,
        namespace: str,
        image: str,
        deployments: Mapping[str, Mapping[str, Any]],
        kubeconfig: str | None = None,
        context: str | None = None,
    ) -> None:
        connection = config.new_client_from_config(config_file=kubeconfig, context=context)
        connection.configuration.retries = False
        self._apps, self._core = client.AppsV1Api(connection), client.CoreV1Api(connection)
        self._namespace, self._image, self._deployments = namespace, image, deployments
        self._unreachable_since: float | None = None

    def observe(self) -> Observation:
        """One look at every Deployment; the first that cannot heal decides."""
        try:
            seen = [self._look_at(workload, **wanted) for workload, wanted in self._deployments.items()]
        except (ApiException, HTTPError) as error:
            return self._unreachable(error)
        self._unreachable_since = None
        for state in ("failed", "waiting"):
            worst = [one for one in seen if one.state == state]
            if worst:
                summary = ", ".join(one.summary for one in worst)
                return Observation(state, summary, "\n".join(text for one in worst if (text := one.told())))
        return Observation("ready", ", ".join(one.summary for one in seen))

    def _unreachable(self, error: Exception) -> Observation:
        """A restarting API server is no verdict on the release; a lasting or a refused one is."""
        if isinstance(error, ApiException) and error.status in (401, 403):
            return Observation(
                "failed", f"the API server refuses the deployer: {error.reason}", str(error.body)
            )
        since = self._unreachable_since = self._unreachable_since or time.monotonic()
        state = "failed" if time.monotonic() - since > UNREACHABLE_SECONDS else "waiting"
        return Observation(state, "the API server does not answer", str(error))

    def _look_at(self, workload: str, name: str, generation: float) -> Observation:
        try:
            deployment = self._apps.read_namespaced_deployment(name, self._namespace)
        except ApiException as error:
            if error.status != 404:
                raise
            return Observation("failed", f"{workload}: its Deployment is gone", f"no Deployment {name}")
        image = deployment.spec.template.spec.containers[0].image
        if image != self._image:
            return Observation("failed", f"{workload}: runs another image", f"Deployment {name} runs {image}")
        if (deployment.status.observed_generation or 0) < generation:
            return Observation("waiting", f"{workload}: the controller has not seen the change yet")
        wanted, status = deployment.spec.replicas, deployment.status
        updated, ready = status.updated_replicas or 0, status.available_replicas or 0
        if updated == ready == wanted == (status.replicas or 0):
            return Observation("ready", f"{workload}: {ready} of {wanted} ready")
        return self._unfinished(workload, deployment)

    def _unfinished(self, workload: str, deployment: client.V1Deployment) -> Observation:
        pods = self._new_pods(deployment)
        status, wanted = deployment.status, deployment.spec.replicas
        ready = sum(_ready(pod) for pod in pods)
        progress = f"{workload}: {ready} of {wanted} ready"
        if (old := (status.replicas or 0) - (status.updated_replicas or 0)) > 0:
            progress += f", {old} of the previous release left"
        refused = _condition(deployment, "ReplicaFailure", "True")
        if refused:
            return Observation(
                "failed", f"{workload}: no pod may be created ({refused.reason})", refused.message
            )
        for pod in pods:
            if why := _hopeless(pod):
                return Observation("failed", f"{progress}, {pod.metadata.name}: {why}", self._evidence(pod))
        late = _condition(deployment, "Progressing", "False")
        evidence = "\n".join(self._evidence(pod) for pod in pods if not _ready(pod))
        if late:
            return Observation("failed", f"{progress} ({late.reason})", evidence)
        return Observation("waiting", progress, evidence)

    def _new_pods(self, deployment: client.V1Deployment) -> list[client.V1Pod]:
        """The pods of the newest ReplicaSet, the least ready first."""
        labels = ",".join(f"{key}={value}" for key, value in deployment.spec.selector.match_labels.items())
        sets = self._apps.list_namespaced_replica_set(self._namespace, label_selector=labels).items
        revision = (deployment.metadata.annotations or {}).get("deployment.kubernetes.io/revision")
        current = {
            one.metadata.labels["pod-template-hash"]
            for one in sets
            if (one.metadata.annotations or {}).get("deployment.kubernetes.io/revision") == revision
        }
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=labels).items
        mine = [pod for pod in pods if pod.metadata.labels.get("pod-template-hash") in current]
        return sorted((pod for pod in mine if pod.metadata.deletion_timestamp is None), key=_ready)

    def _evidence(self, pod: client.V1Pod) -> str:
        lines = [f"pod {pod.metadata.name}: {_situation(pod)}", *self._events(pod)]
        for status in pod.status.container_statuses or []:
            lines += _container_lines(status)
            lines += self._log_lines(pod, status)
        return "\n".join(lines)

    def _events(self, pod: client.V1Pod) -> list[str]:
        chosen = f"involvedObject.uid={pod.metadata.uid}"
        events = self._core.list_namespaced_event(self._namespace, field_selector=chosen).items
        warnings = [event for event in events if event.type == "Warning"]
        return [f"event {event.reason}: {event.message}" for event in warnings[-EVENT_LINES:]]

    def _log_lines(self, pod: client.V1Pod, status: client.V1ContainerStatus) -> list[str]:
        ran = status.state.running or status.state.terminated or status.last_state.terminated
        if not ran:
            return []
        try:
            text = self._core.read_namespaced_pod_log(
                pod.metadata.name,
                self._namespace,
                container=status.name,
                tail_lines=LOG_LINES,
                previous=bool(status.last_state.terminated and not status.state.running),
            )
        except (ApiException, HTTPError) as error:
            return [f"its log cannot be read: {getattr(error, 'reason', error)}"]
        return ["last log lines:", *(text.rstrip().splitlines() or ["(none)"])]


def _ready(pod: client.V1Pod) -> bool:
    conditions = pod.status.conditions or []
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def _condition(
    deployment: client.V1Deployment, kind: str, status: str
) -> client.V1DeploymentCondition | None:
    conditions = deployment.status.conditions or []
    return next((one for one in conditions if (one.type, one.status) == (kind, status)), None)


def _hopeless(pod: client.V1Pod) -> str:
    """Why this pod cannot become ready any more; empty while it can."""
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting
        if waiting and waiting.reason in HOPELESS and not _passing(waiting):
            return waiting.reason
    for one in pod.status.conditions or []:
        unplaced = one.type == "PodScheduled" and one.reason == "Unschedulable"
        if unplaced and time.time() - one.last_transition_time.timestamp() > UNSCHEDULABLE_SECONDS:
            return f"Unschedulable: {one.message}"
    return ""


def _passing(waiting: client.V1ContainerStateWaiting) -> bool:
    words = PASSING.get(waiting.reason)
    return words is not None and words in (waiting.message or "")


def _situation(pod: client.V1Pod) -> str:
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting
        if waiting:
            return f"{waiting.reason}: {waiting.message or 'no message'}"
        if not status.ready:
            return "running, not ready"
    return pod.status.phase


def _container_lines(status: client.V1ContainerStatus) -> list[str]:
    ended = status.state.terminated or status.last_state.terminated
    if not ended:
        return []
    return [f"exit code {ended.exit_code} ({ended.reason}), restarted {status.restart_count} times"]
