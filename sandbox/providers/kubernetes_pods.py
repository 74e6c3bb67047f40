"""Why pods are not ready, in the words of the kubelet."""

from sandbox.providers.kubernetes_api import Client
from sandbox.providers.kubernetes_objects import Object, annotation, at, id_of, namespace_of

_REVISION = "deployment.kubernetes.io/revision"


def selector_text(obj: Object) -> str:
    """A workload's selector as a query, `a=b,c=d`."""
    return ",".join(
        f"{key}={value}" for key, value in (at(obj, "spec", "selector", "matchLabels") or {}).items()
    )


def deployment_problems(client: Client, obj: Object) -> list[str]:
    """What keeps a Deployment's newest revision from being available."""
    failing = [
        f"[{one.get('reason')}] {one.get('message')}"
        for one in at(obj, "status", "conditions") or []
        if one.get("status") == "False" and one.get("type") in ("Progressing", "Available")
    ]
    short = "Minimum number of Pods to consider the application live was not attained"
    selector, namespace = selector_text(obj), namespace_of(obj)
    sets = client.select("apps/v1", "ReplicaSet", namespace, labelSelector=selector)
    newest = [one for one in sets if annotation(one, _REVISION) == annotation(obj, _REVISION)]
    hashes = [at(one, "metadata", "labels", "pod-template-hash") for one in newest]
    pods = [
        problem
        for template in hashes
        for problem in pod_problems(client, namespace, f"{selector},pod-template-hash={template}")
    ]
    return [*failing, short, *pods]


def pod_problems(client: Client, namespace: str, selector: str) -> list[str]:
    """One text for each selected pod that is not ready and says why."""
    if not selector:
        return []
    pods = client.select("v1", "Pod", namespace, labelSelector=selector)
    texts = [_pod_problem(pod) for pod in pods]
    return [text for text in texts if text]


def _pod_problem(pod: Object) -> str:
    status = pod.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or []}
    lines = []
    for kind in ("PodScheduled", "Initialized", "Ready"):
        condition = conditions.get(kind, {})
        if condition.get("status") == "False" and condition.get("message"):
            waits = [_waiting(one) for one in status.get("containerStatuses") or [] if kind == "Ready"]
            reason = f"[{condition.get('reason')}] " if kind == "PodScheduled" else ""
            lines.append(reason + condition["message"] + "".join(waits))
    ends = [_terminated(one) for one in status.get("containerStatuses") or []]
    lines += [end for end in ends if end]
    return f"[Pod {id_of(pod)}]: " + "\n".join(lines) if lines else ""


def _waiting(container: Object) -> str:
    waiting = at(container, "state", "waiting") or {}
    said = f" {waiting['message']}" if waiting.get("message") else ""
    return f"[{waiting['reason']}]{said}" if waiting.get("reason") else ""


def _terminated(container: Object) -> str:
    end = at(container, "state", "terminated") or at(container, "lastState", "terminated")
    if not end or end.get("exitCode") == 0:
        return ""
    return (
        f'container "{container["name"]}" terminated at {end.get("finishedAt")} '
        f"({end.get('reason')}: exit code {end.get('exitCode')})"
    )
