"""Configuration of the node's containerd: pods' network, the sandbox's registry, the pause image."""

import io
import json
import platform
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

from sandbox.cluster.build import program
from sandbox.cluster.layout import LOOPBACK, Addresses, Layout
from sandbox.cluster.versions import PAUSE
from sandbox.errors import SandboxError
from sandbox.packages import command

CNI_PLUGINS = "/usr/lib/cni"
PAUSE_IMAGE = f"antgent.sandbox/pause:{PAUSE}"


def write_config(layout: Layout, addresses: Addresses) -> Path:
    """containerd's configuration and that of the pods' network; returns the former's path."""
    network = layout.folder("cni") / "10-antgent.conflist"
    network.write_text(json.dumps(pod_network(addresses), indent=1))
    config = layout.root / "containerd.toml"
    config.write_text(containerd_config(layout))
    return config


def containerd_config(layout: Layout) -> str:
    """The configuration, in TOML. A JSON string is a valid TOML string."""
    quoted = {name: json.dumps(str(path)) for name, path in {
        "root": layout.folder("containerd"), "state": layout.run / "containerd",
        "socket": layout.run / "containerd.sock", "cni": layout.folder("cni"), "hosts": layout.folder("registries"),
    }.items()}  # fmt: skip
    return f"""version = 2
root = {quoted["root"]}
state = {quoted["state"]}
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = {quoted["socket"]}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
netns_mounts_under_state_dir = true
# Without CAP_SYS_RESOURCE (in a container, in some virtual machines) no score below our own can be set.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = {quoted["cni"]}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = {quoted["hosts"]}
"""


def pod_network(addresses: Addresses) -> dict[str, object]:
    """A bridge inside the node. Masquerading is the host's task, so that no rule is needed in here."""
    ranges = [[{"subnet": addresses.pods}]]
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }  # fmt: skip
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "antgent", "plugins": [bridge, ports]}


def trust_registry(layout: Layout, addresses: Addresses, registry: str) -> None:
    """Let `registry` (`127.0.0.1:PORT` on the host) be pulled from, over the link and plain HTTP.

    containerd reads this at each pull: nothing has to be restarted.
    """
    folder = layout.folder("registries") / registry
    folder.mkdir(exist_ok=True)
    host, _, port = registry.rpartition(":")
    url = f"http://{addresses.host if host in (LOOPBACK, 'localhost') else host}:{port}"
    (folder / "hosts.toml").write_text(
        f'server = "{url}"\n\n[host."{url}"]\ncapabilities = ["pull", "resolve"]\n'
    )


def ensure_pause_image(layout: Layout) -> None:
    """Import the image that holds a pod's namespaces, unless containerd has it."""
    ctr = [command("ctr"), f"--address={layout.run / 'containerd.sock'}", "--namespace=k8s.io", "images"]
    listed = subprocess.run([*ctr, "list", "--quiet"], capture_output=True, text=True)
    if PAUSE_IMAGE in listed.stdout.split():
        return
    archive = layout.root / "pause.tar"
    archive.write_bytes(image_archive(program("pause"), PAUSE_IMAGE))
    done = subprocess.run([*ctr, "import", str(archive)], capture_output=True, text=True)
    archive.unlink()
    if done.returncode:
        raise SandboxError(f"the pause image could not be imported: {done.stderr.strip()}",
                           fix=f"see {layout.home.log('cluster-containerd')}")  # fmt: skip


def image_archive(binary: Path, reference: str) -> bytes:
    """An image of one static program, in the form of `docker save`."""
    layer = _tar({"pause": binary.read_bytes()})
    config = json.dumps({
        "architecture": _architecture(), "os": "linux", "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
    }).encode()  # fmt: skip
    name = f"{sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    return _tar({"manifest.json": manifest, name: config, "layer.tar": layer})


def _tar(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
