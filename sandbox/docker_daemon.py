"""A dockerd of our own, with containerd, bridge and packet rules of its own.

Nothing of it is shared with another engine on the machine, neither Docker's default chains nor
`docker0` nor the system's containerd: two of ours, or ours and a cluster, run beside each other.
"""

import contextlib
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from sandbox.docker_leftovers import (
    end_shims,
    remove_cgroups,
    remove_folder,
    remove_run_files,
    unmount_below,
)
from sandbox.docker_network import Network
from sandbox.errors import SandboxError
from sandbox.packages import SYSTEM_PATH, Package, command, ensure_packages
from sandbox.paths import cache_dir, runtime_path
from sandbox.process import Daemon

PACKAGES = (
    Package("docker.io", "dockerd", "the Docker engine that builds and runs antgent's containers"),
    Package("containerd", "containerd", "runs the containers for Docker"),
    Package("runc", "runc", "starts the containers for containerd"),
    Package("iptables", "iptables", "lets containers find each other by name and reach the network"),
    Package("iproute2", "ip", "makes the bridge that containers are connected to"),
)
# Debian 12's docker.io brings the client along; since Debian 13 it is a package of its own.
CLIENT = Package("docker-cli", "docker", "Docker's command line, for `make env`")

START_SECONDS = 60


@dataclass(frozen=True)
class OwnDocker:
    """One user's dockerd: all its places follow from the cache folder.

    Args:
        state: pids, logs, leases and the chosen network; small, kept in the cache.
        data: images, containers and volumes; kept in the cache until `purge`.
        run: sockets and what lives only as long as the processes.
    """

    state: Path
    data: Path
    run: Path

    @classmethod
    def here(cls) -> "OwnDocker":
        """The dockerd of this user's cache folder; makes and starts nothing."""
        cache = cache_dir()
        return cls(cache / "docker-engine", cache / "docker", runtime_path(str(cache)))

    @staticmethod
    def installed() -> bool:
        """Whether nothing has to be installed first."""
        return not any(package.missing for package in PACKAGES)

    @property
    def key(self) -> str:
        """Eight characters that mark everything of this dockerd outside the cache."""
        return self.run.name.removeprefix("antgent-")

    @property
    def host(self) -> str:
        return f"unix://{self.run / 'docker.sock'}"

    @property
    def network(self) -> Network:
        return Network(self.key, self.state / "network.json")

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.state / f"{name}.json", self.state / f"{name}.log")

    def healthy(self) -> bool:
        """Whether both our processes live and the API answers."""
        return all(self.daemon(name).process() for name in ("containerd", "dockerd")) and answers(self.host)

    def start(self) -> None:
        """Install what is missing and start; whatever a half-dead run left is cleared first.

        Raises SandboxError when we are not root, a place is not writable, or a process does not
        come up (with the last lines of its log).
        """
        if os.geteuid() != 0:
            raise SandboxError(
                "our own Docker engine needs root, and no running engine was found",
                fix="start Docker, or run as root (sudo)",
            )
        ensure_packages(PACKAGES)
        ensure_packages([CLIENT])
        self.stop()
        _make_folders(self.state, self.data, self.run)
        try:
            gateway = self.network.make()
            self._start_containerd()
            self._start_dockerd(gateway)
        except OSError as error:
            self.stop()
            raise SandboxError(
                f"our Docker engine could not start: {error}",
                fix="free some space (df -h), or point ANTGENT_CACHE elsewhere",
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """End our processes and remove their mounts, bridges, packet rules, cgroups and sockets.

        Images and containers stay in the cache. Works on any half of a run. Returns whether a
        process was running.
        """
        containerd = self.daemon("containerd")
        grace = 40 if containerd.process() else 2  # without containerd, dockerd waits for it in vain
        ended = [self.daemon("dockerd").stop(grace=grace), containerd.stop()]
        if os.geteuid() != 0:
            return any(ended)
        end_shims(self.run / "containerd.sock")
        unmount_below(self.data)
        self.network.remove()
        remove_cgroups(self.cgroup)
        remove_run_files(self.run)
        return any(ended)

    def purge(self) -> None:
        """Remove images, containers and volumes as well; the engine must be stopped."""
        remove_folder(self.data)
        remove_folder(self.state)

    @property
    def cgroup(self) -> str:
        return f"antgent-{self.key}"

    def _start_containerd(self) -> None:
        socket = self.run / "containerd.sock"
        config = self.run / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{self.data / "containerd"}"\nstate = "{self.run / "containerd"}"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{socket}"\n'
        )
        self.daemon("containerd").start(
            [command("containerd"), "--config", str(config)], ready=socket.is_socket, env=_environment()
        )

    def _start_dockerd(self, gateway: str) -> None:
        config = self.run / "dockerd.json"
        config.write_text(json.dumps(self._settings(gateway), indent=1))
        self.daemon("dockerd").start(
            [command("dockerd"), "--config-file", str(config)],
            ready=lambda: answers(self.host),
            seconds=START_SECONDS,
            env=_environment(),
            facts={"host": self.host, "gateway": gateway},
        )

    def _settings(self, gateway: str) -> dict[str, object]:
        """The daemon's config file, so that the machine's own /etc/docker/daemon.json has no say."""
        before_23 = {"deprecated-key-path": str(self.state / "key.json")} if _major() < 23 else {}
        return before_23 | {
            "hosts": [self.host],
            "containerd": str(self.run / "containerd.sock"),
            "data-root": str(self.data),
            "exec-root": str(self.run / "exec"),
            "pidfile": str(self.run / "dockerd.pid"),
            "cgroup-parent": f"/{self.cgroup}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "bridge": self.network.bridge,
            "host-gateway-ip": gateway,
            "default-address-pools": [{"base": self.network.pool(), "size": 24}],
            "iptables": False,
            "features": {"buildkit": True},
            "log-opts": {"max-size": "10m", "max-file": "3"},
            "shutdown-timeout": 15,
        }


def answers(host: str) -> bool:
    """Whether a Docker API answers at `host` within two seconds."""
    with contextlib.suppress(DockerException, RequestException, OSError):
        client = docker.DockerClient(base_url=host, timeout=2, version="auto")
        with contextlib.closing(client):
            return bool(client.ping())
    return False


def _major() -> int:
    """The first number of dockerd's version; 0 when it cannot be told."""
    done = subprocess.run([command("dockerd"), "--version"], capture_output=True, text=True)
    found = re.search(r"version (\d+)", done.stdout)
    return int(found.group(1)) if found else 0


def _environment() -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    return env | {"PATH": SYSTEM_PATH}


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise SandboxError(
                f"cannot write to {folder}: {error.strerror}",
                fix="free space, or point ANTGENT_CACHE elsewhere",
            ) from error
