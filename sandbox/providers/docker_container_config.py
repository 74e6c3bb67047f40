"""A container's properties in the Docker API's form."""

import base64
import io
import tarfile
import time
from pathlib import Path
from typing import Any

from sandbox.providers.durations import nanoseconds
from sandbox.providers.resource import Props
from sandbox.providers.session import ProviderError

MIB = 1024 * 1024


def create_body(inputs: Props) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    ports = {f"{port['internal']}/{port.get('protocol', 'tcp')}": {} for port in inputs.get("ports", [])}
    mounted = {one["containerPath"]: {} for one in inputs.get("volumes", []) if not one.get("fromContainer")}
    return _given(
        {
            "Image": inputs["image"],
            "Hostname": inputs.get("hostname"),
            "Domainname": inputs.get("domainname"),
            "Tty": inputs.get("tty"),
            "OpenStdin": inputs.get("stdinOpen"),
            "Env": inputs.get("envs"),
            "Cmd": inputs.get("command"),
            "Entrypoint": inputs.get("entrypoints"),
            "User": inputs.get("user"),
            "WorkingDir": inputs.get("workingDir"),
            "Labels": {one["label"]: one["value"] for one in inputs.get("labels", [])},
            "StopSignal": inputs.get("stopSignal"),
            "StopTimeout": inputs.get("stopTimeout"),
            "Healthcheck": _healthcheck(inputs.get("healthcheck")),
            "ExposedPorts": ports,
            "Volumes": {path: value for path, value in mounted.items() if path},
            "HostConfig": _host_config(inputs),
        }
    )


def _host_config(inputs: Props) -> dict[str, Any]:
    capabilities = inputs.get("capabilities") or {}
    volumes = inputs.get("volumes", [])
    return _given(
        {
            "Privileged": inputs.get("privileged"),
            "PublishAllPorts": inputs.get("publishAllPorts"),
            "RestartPolicy": restart_policy(inputs),
            "AutoRemove": inputs.get("rm"),
            "ReadonlyRootfs": inputs.get("readOnly"),
            "LogConfig": _given({"Type": inputs.get("logDriver"), "Config": inputs.get("logOpts")}),
            "Tmpfs": inputs.get("tmpfs"),
            "PortBindings": _port_bindings(inputs.get("ports", [])),
            "ExtraHosts": [f"{one['host']}:{one['ip']}" for one in inputs.get("hosts", [])],
            "Binds": [_bind(one) for one in volumes if one.get("volumeName") or one.get("hostPath")],
            "VolumesFrom": [one["fromContainer"] for one in volumes if one.get("fromContainer")],
            "Mounts": [_mount(one) for one in inputs.get("mounts", [])],
            "CapAdd": capabilities.get("adds"),
            "CapDrop": capabilities.get("drops"),
            "Dns": inputs.get("dns"),
            "DnsOptions": inputs.get("dnsOpts"),
            "DnsSearch": inputs.get("dnsSearches"),
            "SecurityOpt": inputs.get("securityOpts"),
            "Memory": mebibytes(inputs.get("memory")),
            "MemoryReservation": mebibytes(inputs.get("memoryReservation")),
            "MemorySwap": mebibytes(inputs.get("memorySwap")),
            "ShmSize": mebibytes(inputs.get("shmSize")),
            "CpuShares": inputs.get("cpuShares"),
            "CpusetCpus": inputs.get("cpuSet"),
            **{"CpuPeriod": inputs.get("cpuPeriod"), "CpuQuota": inputs.get("cpuQuota")},
            "NanoCpus": round(float(inputs["cpus"]) * 10**9) if inputs.get("cpus") else None,
            "NetworkMode": inputs.get("networkMode"),
            "PidMode": inputs.get("pidMode"),
            "IpcMode": inputs.get("ipcMode"),
            "UsernsMode": inputs.get("usernsMode"),
            "GroupAdd": inputs.get("groupAdds"),
            "Runtime": inputs.get("runtime"),
            "Init": inputs.get("init"),
        }
    )


def restart_policy(inputs: Props) -> dict[str, Any]:
    """The API's form of `restart` and `maxRetryCount`."""
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": inputs.get("maxRetryCount") or 0}


def mebibytes(value: int | None) -> int | None:
    """MiB as bytes; -1 ("no limit") stays."""
    return value * MIB if value and value > 0 else value


def _port_bindings(ports: list[Props]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        key = f"{port['internal']}/{port.get('protocol', 'tcp')}"
        external = str(port["external"]) if port.get("external") else ""
        bindings.setdefault(key, []).append({"HostIp": port.get("ip", ""), "HostPort": external})
    return bindings


def _bind(volume: Props) -> str:
    modes = ["ro" if volume.get("readOnly") else "rw", volume.get("selinuxRelabel") or ""]
    source = volume.get("volumeName") or volume["hostPath"]
    return f"{source}:{volume['containerPath']}:{','.join(mode for mode in modes if mode)}"


def _mount(mount: Props) -> dict[str, Any]:
    for name in ("bindOptions", "volumeOptions"):
        if mount.get(name):
            raise ProviderError(f"mounts: `{name}` is not supported by the stand-in")
    tmpfs = mount.get("tmpfsOptions") or {}
    return _given(
        {
            "Type": mount["type"],
            "Target": mount["target"],
            "Source": mount.get("source"),
            "ReadOnly": mount.get("readOnly"),
            "TmpfsOptions": _given({"SizeBytes": tmpfs.get("sizeBytes"), "Mode": tmpfs.get("mode")}),
        }
    )


def _healthcheck(check: Props | None) -> dict[str, Any] | None:
    if not check:
        return None
    times = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "startPeriod"}
    return {
        "Test": check["tests"],
        "Retries": check.get("retries", 0),
        **{name: nanoseconds(check.get(key) or "0s") for name, key in times.items()},
    }


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def archive_of(upload: Props) -> bytes:
    """A tar of one `uploads` entry, to be unpacked at the container's root."""
    sources = [name for name in ("content", "contentBase64", "source") if upload.get(name)]
    if not sources:
        raise ProviderError(
            "error with upload content: one of 'content', 'content_base64', or 'source' must be set"
        )
    if len(sources) > 1:
        raise ProviderError(
            "error with upload content: only one of 'content', 'content_base64', or 'source' can be set"
        )
    member = tarfile.TarInfo(upload["file"])
    content = _content(upload)
    member.size, member.mtime = len(content), int(time.time())
    member.mode = int(upload.get("permissions") or ("744" if upload.get("executable") else "644"), 8)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _content(upload: Props) -> bytes:
    if upload.get("contentBase64"):
        return base64.b64decode(upload["contentBase64"])
    if upload.get("content"):
        return str(upload["content"]).encode()
    try:
        return Path(upload["source"]).read_bytes()
    except OSError as error:
        raise ProviderError(f"could not read file: {error}") from error
