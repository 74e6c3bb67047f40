"""A container's outputs from what the Docker API says about it."""

from typing import Any

from sandbox.providers.docker_container_config import MIB
from sandbox.providers.durations import duration
from sandbox.providers.resource import Props


def observed(attrs: dict[str, Any], inputs: Props) -> Props:
    """The outputs that only the daemon knows, from `docker inspect`."""
    host, config, network = attrs["HostConfig"], attrs["Config"], attrs["NetworkSettings"]
    swap = host.get("MemorySwap", 0)
    found = {
        "bridge": network.get("Bridge", ""),
        "command": config.get("Cmd") or [],
        "containerLogs": None,
        "cpuSet": host.get("CpusetCpus", ""),
        "cpuShares": host.get("CpuShares", 0),
        "domainname": config.get("Domainname", ""),
        "entrypoints": config.get("Entrypoint") or [],
        "envs": [],
        "exitCode": None if attrs["State"]["Running"] else attrs["State"]["ExitCode"],
        "healthcheck": _healthcheck_of(config.get("Healthcheck")),
        "hostname": config.get("Hostname", ""),
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode", ""),
        "labels": [],
        "logDriver": host["LogConfig"]["Type"],
        "maxRetryCount": host["RestartPolicy"]["MaximumRetryCount"],
        "memory": host.get("Memory", 0) // MIB,
        "memorySwap": swap // MIB if swap > 0 else swap,
        "networkDatas": _network_datas(network.get("Networks") or {}),
        "platform": attrs.get("Platform") or "linux",
        "privileged": host.get("Privileged", False),
        "publishAllPorts": host.get("PublishAllPorts", False),
        "runtime": host.get("Runtime", ""),
        "securityOpts": host.get("SecurityOpt") or [],
        "shmSize": host.get("ShmSize", 0) // MIB,
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
        "user": config.get("User", ""),
        "usernsMode": host.get("UsernsMode", ""),
        "workingDir": config.get("WorkingDir", ""),
    }
    return {name: value for name, value in found.items() if inputs.get(name) is None} | _ports(attrs, inputs)


def _ports(attrs: dict[str, Any], inputs: Props) -> Props:
    """The ports with those filled in that the daemon has chosen."""
    if all(port.get("external") for port in inputs.get("ports", [])):
        return {}
    bound = attrs["NetworkSettings"].get("Ports") or {}
    ports = []
    for port in inputs["ports"]:
        protocol = port.get("protocol", "tcp")
        (first, *_) = bound.get(f"{port['internal']}/{protocol}") or [{}]
        external = port.get("external") or int(first.get("HostPort") or 0)
        ip = port.get("ip") or first.get("HostIp", "")
        ports.append({"external": external, "internal": port["internal"], "ip": ip, "protocol": protocol})
    return {"ports": ports}


def _healthcheck_of(check: dict[str, Any] | None) -> Props | None:
    if not check:
        return None
    return {
        "interval": duration(check.get("Interval", 0)),
        "retries": check.get("Retries", 0),
        "startInterval": "0s",
        "startPeriod": duration(check.get("StartPeriod", 0)),
        "tests": check.get("Test") or [],
        "timeout": duration(check.get("Timeout", 0)),
    }


def _network_datas(networks: dict[str, Any]) -> list[Props]:
    return [
        {
            "gateway": one["Gateway"],
            "globalIpv6Address": one["GlobalIPv6Address"],
            "globalIpv6PrefixLength": one["GlobalIPv6PrefixLen"],
            "ipAddress": one["IPAddress"],
            "ipPrefixLength": one["IPPrefixLen"],
            "ipv6Gateway": one["IPv6Gateway"],
            "macAddress": one["MacAddress"],
            "networkName": name,
        }
        for name, one in networks.items()
    ]
