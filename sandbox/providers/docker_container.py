"""`docker:index/container:Container` on the real Docker API."""

import time
from typing import Any

from sandbox.providers.bridge import Bridged, without_unknowns
from sandbox.providers.diffs import Diff
from sandbox.providers.docker_container_config import archive_of, create_body, mebibytes, restart_policy
from sandbox.providers.docker_container_state import observed
from sandbox.providers.docker_errors import bridged, failing, listed, said
from sandbox.providers.docker_facts import CONTAINER, FROM_THE_IMAGE
from sandbox.providers.docker_registry import pull
from sandbox.providers.durations import nanoseconds
from sandbox.providers.resource import CheckError, PartlyCreatedError, Props
from sandbox.providers.session import Call, CancelledError, ProviderError
from sandbox.providers.values import UNKNOWN

POLL_SECONDS = 0.2
# What `docker update` can change; anything else in place is only written down, as by the plugin.
UPDATABLE = ("restart", "maxRetryCount", "cpuShares", "memory", "cpuSet", "memorySwap")


class Container(Bridged):
    """A container; almost every change is a replacement."""

    token = "docker:index/container:Container"
    args = "pulumi_docker:ContainerArgs"
    block = CONTAINER
    meta = (
        '{"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":{"create":1200000000000,"delete":1200000000000,'
        '"update":1200000000000},"schema_version":"2"}'
    )

    def check(self, call: Call, old: Props, new: Props) -> Props:
        inputs = super().check(call, old, new)
        wrong = {}
        for name in ("interval", "timeout", "startPeriod", "startInterval"):
            value = (inputs.get("healthcheck") or {}).get(name)
            try:
                nanoseconds("0s" if value in (None, UNKNOWN) else value)
            except ValueError as error:
                wrong[f"healthcheck.{name}"] = str(error)
        if inputs.get("wait") and not inputs.get("healthcheck"):
            wrong["wait"] = "needs a `healthcheck`: it waits for the container to be healthy"
        if wrong:
            raise CheckError(wrong)
        return inputs

    def diff(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Diff:
        return super().diff(call, id, old_inputs, old_outputs, _with_image(new, old_outputs))

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        with bridged("creating", call):
            call.check_cancelled()
            pull(call, inputs["image"])
            with failing("Unable to create container"):
                id = call.client.api.create_container_from_config(create_body(inputs), inputs["name"])["Id"]
            try:
                self._start(call, id, inputs)
                found = observed(self._running(call, id, inputs), inputs)
            except (ProviderError, CancelledError) as error:
                raise self._partly(call, id, inputs, error) from error
        return id, self.created(id, inputs, found)

    def _partly(self, call: Call, id: str, inputs: Props, error: Exception) -> Exception:
        if isinstance(error, ContainerGoneError):
            return ProviderError(str(error))
        message = listed(f"creating {call.urn}", str(error))
        outputs = {**without_unknowns(self.planned(inputs)), "id": id, "__meta": self.meta}
        return PartlyCreatedError(id, outputs, [message], message)

    def _start(self, call: Call, id: str, inputs: Props) -> None:
        """Networks, files and the start; then the wait for health when it is asked for."""
        api = call.client.api
        self._connect(api, id, inputs)
        for upload in inputs.get("uploads", []):
            with failing("Unable to upload volume content"):
                api.put_archive(id, "/", archive_of(upload))
        if not inputs.get("start", True):
            return
        with failing("Unable to start container"):
            api.start(id)
        if inputs.get("wait"):
            self._wait_for_health(call, id, inputs.get("waitTimeout") or 60)

    def _connect(self, api: Any, id: str, inputs: Props) -> None:
        networks = inputs.get("networksAdvanced", [])
        if networks:
            import docker.errors

            try:
                api.disconnect_container_from_network(id, "bridge")
            except docker.errors.APIError as error:
                if "is not connected to" not in said(error):
                    raise ProviderError(f"Unable to disconnect the default network: {said(error)}") from error
        for network in networks:
            with failing(f"Unable to connect to network '{network['name']}'"):
                api.connect_container_to_network(
                    id,
                    network["name"],
                    aliases=network.get("aliases"),
                    ipv4_address=network.get("ipv4Address") or None,
                    ipv6_address=network.get("ipv6Address") or None,
                    link_local_ips=network.get("linkLocalIps") or None,
                )

    def _wait_for_health(self, call: Call, id: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            state = self._inspect(call, id)["State"]
            if state.get("Health", {}).get("Status") == "healthy":
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise ProviderError("container failed to be in healthy state")
            call.sleep(min(POLL_SECONDS, left))

    def _running(self, call: Call, id: str, inputs: Props) -> dict[str, Any]:
        """`docker inspect`, once the container is what `must_run` wants; else it is removed."""
        attrs = self._inspect(call, id)
        if attrs["State"]["Running"] or not inputs.get("mustRun", True) or not inputs.get("start", True):
            return attrs
        self._remove(call, id, inputs)
        raise ContainerGoneError("container exited immediately")

    def _inspect(self, call: Call, id: str) -> dict[str, Any]:
        with failing("error inspecting container state"):
            return call.client.api.inspect_container(id)

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        import docker.errors

        try:
            attrs = call.client.api.inspect_container(id)
        except docker.errors.NotFound:
            return None
        wants = {**outputs, **inputs}
        if not attrs["State"]["Running"] and wants.get("mustRun", True):
            # The official plugin removes a container that must run but does not, and reports it gone.
            self._remove(call, id, wants)
            return None
        return id, inputs, {**outputs, **observed(attrs, inputs)}

    def update(self, call: Call, id: str, old_inputs: Props, old_outputs: Props, new: Props) -> Props:  # noqa: ARG002
        outputs = self.updated(old_outputs, new)
        if any(outputs.get(name) != old_outputs.get(name) for name in UPDATABLE):
            body = {
                "RestartPolicy": restart_policy(new),
                "CpuShares": new.get("cpuShares") or 0,
                "Memory": mebibytes(new.get("memory") or 0),
                "CpusetCpus": new.get("cpuSet") or "",
            }
            if new.get("memorySwap"):
                body["MemorySwap"] = mebibytes(new["memorySwap"])
            api = call.client.api
            with bridged("updating", call), failing("Unable to update a container"):
                api._result(api._post_json(api._url("/containers/{0}/update", id), data=body), json=True)
        return outputs

    def updated(self, old_outputs: Props, new: Props) -> Props:
        outputs = super().updated(old_outputs, _with_image(new, old_outputs))
        for volume in outputs.get("volumes") or []:
            volume["readOnly"] = volume.get("readOnly") or False
        for network in outputs.get("networksAdvanced") or []:
            network["gwPriority"] = network.get("gwPriority") or 0
        return outputs

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:
        with bridged("deleting", call):
            self._remove(call, id, {**outputs, **inputs})

    def _remove(self, call: Call, id: str, wants: Props) -> None:
        """Stop within the grace the user gave (none: at once), then remove."""
        import docker.errors

        api = call.client.api
        try:
            with failing(f"Error stopping container {id}"):
                api.stop(id, timeout=wants.get("destroyGraceSeconds") or 0)
            with failing(f"Error deleting container {id}"):
                api.remove_container(id, v=wants.get("removeVolumes", True), force=True)
        except ProviderError as error:
            if not isinstance(error.__cause__, docker.errors.NotFound) and "already in progress" not in str(
                error
            ):
                raise


def _with_image(new: Props, old_outputs: Props) -> Props:
    """`new`, and where it says nothing what the image brought along."""
    return {**new, **{name: old_outputs.get(name) for name in FROM_THE_IMAGE if not new.get(name)}}


class ContainerGoneError(ProviderError):
    """The container has been removed again; there is nothing to keep in state."""
