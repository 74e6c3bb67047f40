"""The node: a machine of its own in namespaces of the kernel, with containerd, kubelet and kube-proxy.

Its mounts, interfaces, packet rules and processes live in a mount, a network and a PID namespace.
When the first process of the PID namespace ends, the kernel ends all others and the rest goes with
them: nothing has to be found and cleaned up, also after a crash.
"""

import contextlib
import json
import shlex
import shutil
import subprocess
from pathlib import Path

import psutil

from sandbox.cluster.build import program
from sandbox.cluster.certs import write_private
from sandbox.cluster.containers import write_config
from sandbox.cluster.layout import DOMAIN, NODE, Addresses, Layout
from sandbox.packages import Package, command

PACKAGES = (
    Package("containerd", "containerd", "runs the cluster's containers"),
    Package("runc", "runc", "starts the containers for containerd"),
    Package("containernetworking-plugins", "/usr/lib/cni/bridge", "gives pods their network interfaces"),
    Package("iptables", "iptables", "what kube-proxy makes Services with"),
    Package("iproute2", "ip", "makes the bridge between this machine and the node"),
)

# Folders that the node's programs write to and that no option moves: hidden under empty ones.
MASKED = ("/var/log/containers", "/var/lib/cni", "/run/containerd", "/run/netns")


def machine(layout: Layout, addresses: Addresses) -> list[str]:
    """The namespaces, held by one process that does nothing else."""
    mounts = [f"mount -t tmpfs -o mode=755 antgent {path}" for path in MASKED]
    kubelet, inside = layout.folder("kubelet"), layout.run / "kubelet"
    resolver = layout.root / "resolv.conf"
    inside.mkdir(exist_ok=True, parents=True)
    layout.run.chmod(0o700)
    resolver.write_text(f"nameserver {addresses.host}\n")
    script = "\n".join([
        "set -e", "mount --make-rshared /", *mounts,
        f"mount --bind {shlex.quote(str(kubelet))} {shlex.quote(str(inside))}",
        f"[ ! -e /etc/resolv.conf ] || mount --bind {shlex.quote(str(resolver))} /etc/resolv.conf",
        f"exec {shlex.quote(str(program('pause')))}",
    ])  # fmt: skip
    return [command("unshare"), "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
            "--propagation", "private", "sh", "-c", script]  # fmt: skip


def first_process(layout: Layout) -> int | None:
    """The id, as this machine sees it, of the node's first process once its mounts are made."""
    holder = layout.daemon("node").process()
    try:
        children = holder.children() if holder else []
        return next((one.pid for one in children if one.name() == "pause"), None)
    except psutil.NoSuchProcess:
        return None


def containerd(layout: Layout, addresses: Addresses, pid: int) -> list[str]:
    """A containerd of our own beside any other on this machine."""
    return inside(pid, [command("containerd"), f"--config={write_config(layout, addresses)}"])


def containerd_version() -> str:
    """What Debian's package brings."""
    said = subprocess.run([command("containerd"), "--version"], capture_output=True, text=True).stdout.split()
    return said[2].partition("~")[0] if len(said) > 2 else ""


def kubelet(layout: Layout, addresses: Addresses, binaries: Path, pid: int) -> list[str]:
    """The kubelet on the node's own address."""
    config = layout.root / "kubelet.json"
    write_private(config, json.dumps(_kubelet_config(layout, addresses), indent=1))
    started = [
        str(binaries / "kubelet"), f"--config={config}", f"--kubeconfig={layout.root / 'kubelet.kubeconfig'}",
        f"--root-dir={layout.run / 'kubelet'}", f"--cert-dir={layout.run / 'kubelet'}",
        f"--hostname-override={NODE}", f"--node-ip={addresses.node}",
    ]  # fmt: skip
    return inside(pid, started)


def kube_proxy(layout: Layout, addresses: Addresses, binaries: Path, pid: int) -> list[str]:
    """Services, as packet rules inside the node."""
    started = [
        str(binaries / "kube-proxy"), f"--kubeconfig={layout.root / 'kube-proxy.kubeconfig'}",
        "--proxy-mode=iptables", f"--cluster-cidr={addresses.pods}", f"--hostname-override={NODE}",
        f"--healthz-bind-address={addresses.node}:10256", "--metrics-bind-address=127.0.0.1:10249",
        # The kernel's table belongs to the whole machine: its size is not ours to set.
        "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]  # fmt: skip
    return inside(pid, started)


def inside(pid: int, program: list[str]) -> list[str]:
    """The command that runs `program` in the node; it dies with the process we know the id of."""
    enter = [command("nsenter"), "-t", str(pid), "--mount", "--net", "--pid"]
    return [*enter, command("setpriv"), "--pdeathsig", "KILL", *program]


def reserve_folders(layout: Layout) -> None:
    """Make the folders that the node hides, each with a file of ours in it.

    The file keeps others from removing an empty folder: the kernel would then also take away what is
    mounted on it in the node.
    """
    for path in MASKED:
        Path(path).mkdir(parents=True, exist_ok=True)
        (Path(path) / f".{layout.mark}").touch()


def remove_files(layout: Layout) -> None:
    """Remove the node's sockets, and the reserved folders that nobody else uses."""
    shutil.rmtree(layout.run, ignore_errors=True)
    for path in MASKED:
        with contextlib.suppress(OSError):  # not empty: something else uses it
            (Path(path) / f".{layout.mark}").unlink(missing_ok=True)
            Path(path).rmdir()


def make_cgroup(layout: Layout) -> None:
    """The cgroup below which kubelet keeps every pod's, in each hierarchy of this machine."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        own = root / layout.mark
        own.mkdir(exist_ok=True)
        wanted = " ".join(f"+{name}" for name in (root / "cgroup.controllers").read_text().split())
        for group in (root, own):
            with contextlib.suppress(OSError):  # kubelet names the controllers it misses
                (group / "cgroup.subtree_control").write_text(wanted)
        return
    for hierarchy in root.iterdir():
        if hierarchy.is_dir() and not hierarchy.is_symlink() and (hierarchy / "cgroup.procs").exists():
            (hierarchy / layout.mark).mkdir(exist_ok=True)


def _kubelet_config(layout: Layout, addresses: Addresses) -> dict[str, object]:
    own = layout.run / "kubelet"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.node,
        "healthzBindAddress": addresses.node,
        "tlsCertFile": str(layout.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(layout.pki / "kubelet.key"),
        "authentication": {"x509": {"clientCAFile": str(layout.pki / "ca.crt")}, "anonymous": {"enabled": False}},
        "containerRuntimeEndpoint": f"unix://{layout.run / 'containerd.sock'}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.mark}",
        "failSwapOn": False,
        "failCgroupV1": False,
        "clusterDNS": [addresses.dns],
        "clusterDomain": DOMAIN,
        "resolvConf": str(layout.root / "resolv.conf"),
        "podLogsDir": str(own / "logs"),
        "volumePluginDir": str(own / "volume-plugins"),
        "serializeImagePulls": False,
        # A full disk is the person's affair: the sandbox neither evicts pods nor deletes images for it.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
                         "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
    }  # fmt: skip
