"""What the official Docker plugin does with each property: facts from its recorded answers.

`absent` is what an output holds when the input is not given; `UNKNOWN` is decided by the daemon.
"""

from sandbox.providers.bridge import Block
from sandbox.providers.values import UNKNOWN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LABEL = Block(absent={"label": None, "value": None})

VOLUME = Block(
    absent={
        "cluster": None, "driver": UNKNOWN, "driverOpts": None, "labels": [], "mountpoint": UNKNOWN,
        "name": UNKNOWN,
    },
    replaces=_words("driver driverOpts labels name"),
    sets=_words("labels"),
    blocks={"labels": LABEL},
    unsupported=_words("cluster"),
)  # fmt: skip

NETWORK = Block(
    absent={
        "attachable": None, "driver": UNKNOWN, "ingress": None, "internal": UNKNOWN, "ipamConfigs": UNKNOWN,
        "ipamDriver": None, "ipamOptions": None, "ipv6": None, "labels": [], "name": None, "options": UNKNOWN,
        "scope": UNKNOWN,
    },
    defaults={"ipamDriver": "default"},
    replaces=_words(
        "attachable driver ingress internal ipamConfigs ipamDriver ipamOptions ipv6 labels name options"
    ),
    sets=_words("labels ipamConfigs"),
    blocks={
        "labels": LABEL,
        "ipamConfigs": Block(absent={"auxAddress": {}, "gateway": "", "ipRange": "", "subnet": ""}),
    },
)  # fmt: skip

_CONTAINER_BLOCKS = {
    "capabilities": Block(absent={"adds": [], "drops": []}, sets=_words("adds drops")),
    "healthcheck": Block(
        absent={
            "interval": "0s", "retries": 0, "startInterval": "0s", "startPeriod": "0s", "tests": [],
            "timeout": "0s",
        },
        defaults={"interval": "0s", "startInterval": "0s", "startPeriod": "0s", "timeout": "0s"},
    ),
    "hosts": Block(absent={"host": None, "ip": None}),
    "labels": LABEL,
    "mounts": Block(
        absent={
            "bindOptions": None, "readOnly": None, "source": "", "target": None, "tmpfsOptions": None,
            "type": None, "volumeOptions": None,
        },
        blocks={"tmpfsOptions": Block(absent={"mode": 0, "sizeBytes": 0})},
    ),
    "networksAdvanced": Block(
        absent={
            "aliases": [], "driverOpts": [], "gwPriority": None, "ipv4Address": "", "ipv6Address": "",
            "linkLocalIps": [], "macAddress": "", "name": None,
        },
        sets=_words("aliases"),
    ),
    "ports": Block(
        absent={"external": UNKNOWN, "internal": None, "ip": "0.0.0.0", "protocol": "tcp"},
        defaults={"ip": "0.0.0.0", "protocol": "tcp"},
    ),
    "uploads": Block(
        absent={
            "content": "", "contentBase64": "", "executable": False, "file": None, "permissions": "",
            "source": "", "sourceHash": "",
        },
    ),
    "volumes": Block(
        absent={
            "containerPath": "", "fromContainer": "", "hostPath": "", "readOnly": None, "selinuxRelabel": "",
            "volumeName": "",
        },
    ),
}  # fmt: skip

CONTAINER = Block(
    absent={
        "attach": False, "bridge": UNKNOWN, "capabilities": None, "cgroupParent": None, "cgroupnsMode": None,
        "command": UNKNOWN, "containerLogs": UNKNOWN, "containerReadRefreshTimeoutMilliseconds": 15000,
        "cpuPeriod": None, "cpuQuota": None, "cpuSet": None, "cpuShares": None, "cpus": None,
        "destroyGraceSeconds": None, "deviceReadBps": [], "deviceReadIops": [], "deviceRequests": [],
        "deviceWriteBps": [], "deviceWriteIops": [], "devices": [], "dns": None, "dnsOpts": None,
        "dnsSearches": None, "domainname": None, "entrypoints": UNKNOWN, "envs": UNKNOWN,
        "exitCode": UNKNOWN, "gpus": None, "groupAdds": None, "healthcheck": UNKNOWN, "hostname": UNKNOWN,
        "hosts": [], "image": None, "init": UNKNOWN, "ipcMode": UNKNOWN, "labels": UNKNOWN,
        "logDriver": UNKNOWN, "logOpts": None, "logs": False, "maxRetryCount": None, "memory": None,
        "memoryReservation": 0, "memorySwap": None, "mounts": [], "mustRun": True, "name": None,
        "networkDatas": UNKNOWN, "networkMode": "bridge", "networksAdvanced": [], "pidMode": None,
        "platform": UNKNOWN, "ports": [], "privileged": None, "publishAllPorts": None, "readOnly": False,
        "removeVolumes": True, "restart": "no", "rm": False, "runtime": UNKNOWN, "securityOpts": UNKNOWN,
        "shmSize": UNKNOWN, "start": True, "stdinOpen": False, "stopSignal": UNKNOWN,
        "stopTimeout": UNKNOWN, "storageOpts": None, "sysctls": None, "tmpfs": None, "tty": False,
        "ulimits": [], "uploads": [], "user": None, "usernsMode": None, "volumes": [], "wait": False,
        "waitTimeout": 60, "workingDir": None,
    },
    defaults={
        "containerReadRefreshTimeoutMilliseconds": 15000, "mustRun": True, "networkMode": "bridge",
        "removeVolumes": True, "restart": "no", "start": True, "waitTimeout": 60,
    },
    replaces=_words(
        """capabilities cgroupParent cgroupnsMode command cpus deviceRequests devices dns dnsOpts
        dnsSearches domainname entrypoints envs gpus groupAdds hostname hosts image ipcMode labels
        logDriver logOpts mounts name networkMode networksAdvanced pidMode platform ports privileged
        publishAllPorts readOnly runtime securityOpts shmSize stdinOpen stopSignal stopTimeout
        storageOpts sysctls tty ulimits uploads user usernsMode volumes workingDir"""
    ),
    sets=_words(
        """dns dnsOpts dnsSearches envs groupAdds hosts labels mounts networksAdvanced securityOpts
        uploads volumes"""
    ),
    blocks=_CONTAINER_BLOCKS,
    null_is_change=_words("command entrypoints envs networkDatas securityOpts"),
    unsupported=_words(
        """attach cgroupParent cgroupnsMode deviceCgroupRules deviceReadBps deviceReadIops deviceRequests
        deviceWriteBps deviceWriteIops devices gpus logs platform storageOpts sysctls ulimits"""
    ),
)  # fmt: skip

# What the image brings along stands when the input is not given: no change.
FROM_THE_IMAGE = _words("user workingDir")
