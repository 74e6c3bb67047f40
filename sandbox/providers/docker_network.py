"""`docker:index/network:Network` and `docker:index/volume:Volume` on the real Docker API."""

import time
from collections.abc import Callable
from typing import Any

from sandbox.providers.bridge import Bridged
from sandbox.providers.docker_errors import bridged, failing
from sandbox.providers.docker_facts import NETWORK, VOLUME
from sandbox.providers.resource import Props
from sandbox.providers.session import Call, ProviderError

# How long a container that is just going away may still hold a network or volume.
RELEASE_SECONDS = 30


class Network(Bridged):
    """A network; every change is a replacement."""

    token = "docker:index/network:Network"
    args = "pulumi_docker:NetworkArgs"
    block = NETWORK

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        from docker.types import IPAMConfig, IPAMPool

        pools = [
            IPAMPool(
                subnet=one.get("subnet") or None,
                iprange=one.get("ipRange") or None,
                gateway=one.get("gateway") or None,
                aux_addresses=one.get("auxAddress") or None,
            )
            for one in inputs.get("ipamConfigs", [])
        ]
        ipam = IPAMConfig(inputs.get("ipamDriver", "default"), pools, inputs.get("ipamOptions"))
        with bridged("creating", call), failing("Unable to create network"):
            id = call.client.api.create_network(
                inputs["name"],
                driver=inputs.get("driver"),
                options=inputs.get("options"),
                ipam=ipam,
                internal=inputs.get("internal", False),
                labels=_labels(inputs),
                enable_ipv6=inputs.get("ipv6", False),
                attachable=inputs.get("attachable"),
                ingress=inputs.get("ingress"),
            )["Id"]
            found = self._observed(call.client.api.inspect_network(id))
        return id, self.created(id, inputs, found)

    def _observed(self, attrs: dict[str, Any]) -> Props:
        return {
            "attachable": attrs["Attachable"],
            "driver": attrs["Driver"],
            "ingress": attrs["Ingress"],
            "internal": attrs["Internal"],
            "ipamConfigs": [
                {
                    "auxAddress": one.get("AuxiliaryAddresses") or {},
                    "gateway": one.get("Gateway", ""),
                    "ipRange": one.get("IPRange", ""),
                    "subnet": one.get("Subnet", ""),
                }
                for one in attrs["IPAM"]["Config"] or []
            ],
            "ipamDriver": attrs["IPAM"]["Driver"],
            "ipv6": attrs["EnableIPv6"],
            "options": attrs["Options"] or {},
            "scope": attrs["Scope"],
        }

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        import docker.errors

        try:
            attrs = call.client.api.inspect_network(id)
        except docker.errors.NotFound:
            return None
        return id, inputs, {**outputs, **self._observed(attrs), "ipamOptions": attrs["IPAM"]["Options"] or {}}

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:  # noqa: ARG002
        with bridged("deleting", call):
            _remove(call, lambda: call.client.api.remove_network(id), held="has active endpoints")


class Volume(Bridged):
    """A volume; every change is a replacement."""

    token = "docker:index/volume:Volume"
    args = "pulumi_docker:VolumeArgs"
    block = VOLUME

    def create(self, call: Call, inputs: Props) -> tuple[str, Props]:
        with bridged("creating", call), failing("Unable to create volume"):
            attrs = call.client.api.create_volume(
                inputs["name"], inputs.get("driver"), inputs.get("driverOpts"), _labels(inputs)
            )
        found = {"driver": attrs["Driver"], "mountpoint": attrs["Mountpoint"], "name": attrs["Name"]}
        return attrs["Name"], self.created(attrs["Name"], inputs, found)

    def read(self, call: Call, id: str, inputs: Props, outputs: Props) -> tuple[str, Props, Props] | None:
        import docker.errors

        try:
            attrs = call.client.api.inspect_volume(id)
        except docker.errors.NotFound:
            return None
        found = {
            "driver": attrs["Driver"],
            "driverOpts": attrs["Options"] or {},
            "mountpoint": attrs["Mountpoint"],
        }
        return id, inputs, {**outputs, **found}

    def delete(self, call: Call, id: str, inputs: Props, outputs: Props) -> None:  # noqa: ARG002
        with bridged("deleting", call):
            _remove(call, lambda: call.client.api.remove_volume(id, force=True), held="volume is in use")


def _labels(inputs: Props) -> dict[str, str] | None:
    return {one["label"]: one["value"] for one in inputs.get("labels", [])} or None


def _remove(call: Call, remove: Callable[[], object], *, held: str) -> None:
    """Remove; wait while something still holds it; fine when it is already gone."""
    import docker.errors

    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            with failing("Unable to remove it"):
                remove()
        except ProviderError as error:
            if isinstance(error.__cause__, docker.errors.NotFound):
                return
            if held not in str(error) or time.monotonic() > deadline:
                raise
            call.sleep(0.5)
        else:
            return
