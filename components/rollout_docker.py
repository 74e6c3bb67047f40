"""What a Docker engine says about the containers of a release."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from components.rollout import Observation

LOG_LINES = 20
SETTLE_SECONDS = 3
"""How long a workload without a health check must have run to count as started."""
EVENT_SECONDS = 600
"""How far back an earlier run's end is looked for."""


class DockerObserver:
    """Looks at a release's containers: the requested image, running and healthy.

    Args:
        host: the Docker engine's address, `unix:///…` or `tcp://…`.
        image: the digest reference every container must run.
        containers: workload name → container id.
    """

    def __init__(self, *, host: str, image: str, containers: Mapping[str, str]) -> None:
        self._client = docker.DockerClient(base_url=host, timeout=10)
        self._image = image
        self._containers = dict(containers)

    def observe(self) -> Observation:
        """One look at every container; the first that cannot heal decides."""
        try:
            seen = [self._look_at(workload, id_) for workload, id_ in self._containers.items()]
        except DockerException as error:
            return Observation("failed", "the Docker engine stopped answering", str(error))
        for state in ("failed", "waiting"):
            worst = [one for one in seen if one.state == state]
            if worst:
                summary = ", ".join(one.summary for one in worst)
                return Observation(state, summary, "\n".join(text for one in worst if (text := one.told())))
        return Observation("ready", ", ".join(one.summary for one in seen))

    def _look_at(self, workload: str, container_id: str) -> Observation:
        try:
            container = self._client.containers.get(container_id)
        except NotFound:
            return Observation(
                "failed", f"{workload}: its container is gone", f"no container {container_id[:12]}"
            )
        if _facts(container)["Config"]["Image"] != self._image:
            return Observation(
                "failed", f"{workload}: runs another image", f"it runs {_facts(container)['Config']['Image']}"
            )
        return _judge(workload, container)


def _facts(container: Container) -> dict[str, Any]:
    """What `docker inspect` shows; the client's stubs allow for none, the API does not."""
    return container.attrs or {}


def _judge(workload: str, container: Container) -> Observation:
    state = _facts(container)["State"]
    restarts = _facts(container)["RestartCount"]
    health = state.get("Health", {}).get("Status")
    if health == "healthy":
        return Observation("ready", f"{workload}: healthy")
    settled = _uptime(state) >= SETTLE_SECONDS
    if health is None and state["Status"] == "running" and settled:
        return Observation("ready", f"{workload}: running")
    if restarts or state["Status"] in ("exited", "dead", "restarting"):
        return Observation("failed", f"{workload}: {_ending(container)}", _evidence(container))
    if health == "unhealthy":
        return Observation("failed", f"{workload}: unhealthy", _evidence(container))
    return Observation("waiting", f"{workload}: {health or state['Status']}", _evidence(container))


def _uptime(state: Mapping[str, Any]) -> float:
    # Docker writes nanoseconds, which datetime does not read.
    started = datetime.fromisoformat(f"{state['StartedAt'][:19]}+00:00")
    return (datetime.now(UTC) - started).total_seconds()


def _ending(container: Container) -> str:
    facts = _facts(container)
    state, restarts = facts["State"], facts["RestartCount"]
    code = state["ExitCode"]
    if state["Status"] == "running":  # the state shows this run's code, which is 0 until it ends
        code = _last_exit_code(container)
    how = "killed, out of memory" if state["OOMKilled"] else f"exited with code {code}"
    if state["Error"]:
        how += f" ({state['Error']})"
    return f"{how}, restarted {restarts} times" if restarts else how


def _last_exit_code(container: Container) -> str:
    """What the run before this one ended with; only the engine's events keep it."""
    client, now = container.client, datetime.now(UTC).timestamp()
    if client is None:
        return "unknown"
    past = client.events(
        since=now - EVENT_SECONDS, until=now, decode=True,
        filters={"container": container.id, "event": "die"},
    )  # fmt: skip
    codes = [event["Actor"]["Attributes"]["exitCode"] for event in past]
    return codes[-1] if codes else "unknown"


def _evidence(container: Container) -> str:
    probes = _facts(container)["State"].get("Health", {}).get("Log") or []
    lines = [f"{container.name}, {_facts(container)['Config']['Image']}"]
    if probes:
        lines.append(f"last probe (exit code {probes[-1]['ExitCode']}): {probes[-1]['Output'].strip()[:500]}")
    logs = container.logs(tail=LOG_LINES).decode(errors="replace").rstrip()
    lines += [f"last log lines (docker logs {container.name}):", logs or "(none)"]
    return "\n".join(lines)
