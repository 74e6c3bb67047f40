"""The link between the host and the node, with routes and packet rules that only this cluster uses.

The node has a network namespace of its own: kube-proxy's and CNI's rules and interfaces live in
there and vanish with it. On the host there are a bridge, a route and a few marked rules.
"""

import contextlib
import ipaddress
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sandbox.cluster.layout import Addresses, Layout, remembered
from sandbox.console import say
from sandbox.errors import SandboxError
from sandbox.packages import command, find_command

CANDIDATES = [f"10.{second}.0.0/16" for second in range(150, 200)]


def choose_network(layout: Layout) -> str:
    """The remembered /16, else the first that this machine has no route into.

    Raises SandboxError when the remembered one has since been taken by something else: the
    Services stored in the cluster have addresses of it.
    """
    used = list(_routes(layout))
    before = remembered(layout)
    if before is not None and before.network:
        if _overlaps(before.network, used):
            raise SandboxError(f"the cluster's network {before.network} is now routed elsewhere on this machine",
                               fix="make down PURGE=1, then start again: another network will be chosen")  # fmt: skip
        return before.network
    for candidate in CANDIDATES:
        if not _overlaps(candidate, used):
            return candidate
    raise SandboxError("no free private network for a cluster: all of 10.150/16 to 10.199/16 are routed",
                       fix="look at `ip route` and remove what is not needed")  # fmt: skip


def make_host_side(layout: Layout, addresses: Addresses) -> None:
    """The bridge with the host's address and the marked rules; does nothing where they are."""
    if layout.bridge not in _links():
        _ip("link", "add", layout.bridge, "type", "bridge")
        _ip("address", "add", f"{addresses.host}/30", "dev", layout.bridge)
        _ip("link", "set", layout.bridge, "up")
    _forwarding()
    for table, chain, rule in _rules(layout, addresses.network):
        if not _iptables(table, "-C", chain, *rule) and not _iptables(table, "-I", chain, *rule):
            say(
                f"  this kernel refuses a packet rule; pods may not reach the network: {chain} {' '.join(rule)}"
            )


def connect_node(layout: Layout, addresses: Addresses, pid: int) -> None:
    """Give the namespace of process `pid` an interface on the bridge, and the host a route to it."""
    subprocess.run([command("ip"), "link", "delete", layout.veth], capture_output=True)
    _ip("link", "add", layout.veth, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _ip("link", "set", layout.veth, "master", layout.bridge, "up")
    inside = f"""set -e
    ip link set lo up
    ip address add {addresses.node}/30 dev eth0
    ip link set eth0 up
    ip route add default via {addresses.host}
    echo 1 > /proc/sys/net/ipv4/ip_forward
    echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || true"""
    done = subprocess.run([command("nsenter"), "-t", str(pid), "-m", "-n", "sh", "-c", inside],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise SandboxError(f"the node's network could not be set up: {done.stderr.strip()}")
    _ip("route", "replace", addresses.network, "via", addresses.node)


def connected(layout: Layout) -> bool:
    """Whether the host's side and its end of the link are there."""
    return {layout.bridge, layout.veth} <= set(_links())


def remove(layout: Layout) -> bool:
    """Remove the bridge, the link, and with them the route; and our rules. Says if there were any."""
    if not (find_command("ip") and find_command("iptables") and layout.node):
        return False
    ours = [link for link in _links() if link in (layout.veth, layout.bridge)]
    for link in ours:
        subprocess.run([command("ip"), "link", "delete", link], capture_output=True)
    rules = _marked_rules(layout)
    for table, rule in rules:
        _iptables(table, "-D", *shlex.split(rule)[1:])
    return bool(ours or rules)


def _rules(layout: Layout, network: str) -> Iterator[tuple[str, str, list[str]]]:
    mark = ["-m", "comment", "--comment", layout.mark]
    yield "nat", "POSTROUTING", ["-s", network, "!", "-o", layout.bridge, *mark, "-j", "MASQUERADE"]
    yield "filter", "INPUT", ["-i", layout.bridge, *mark, "-j", "ACCEPT"]
    yield "filter", "FORWARD", ["-i", layout.bridge, *mark, "-j", "ACCEPT"]
    yield "filter", "FORWARD", ["-o", layout.bridge, *mark, "-j", "ACCEPT"]


def _marked_rules(layout: Layout) -> list[tuple[str, str]]:
    found = []
    for table in ("nat", "filter"):
        done = subprocess.run(
            [command("iptables"), "-w", "5", "-t", table, "-S"], capture_output=True, text=True
        )
        found += [(table, line) for line in done.stdout.splitlines() if layout.mark in line]
    return found


def _iptables(table: str, action: str, *rule: str) -> bool:
    line = [command("iptables"), "-w", "5", "-t", table, action, *rule]
    return subprocess.run(line, capture_output=True).returncode == 0


def _forwarding() -> None:
    switch = Path("/proc/sys/net/ipv4/ip_forward")
    with contextlib.suppress(OSError):
        if switch.read_text().strip() != "1":
            switch.write_text("1")


def _links() -> list[str]:
    return [link["ifname"] for link in json.loads(_ip("-json", "link", "show"))]


def _routes(layout: Layout) -> Iterator[ipaddress.IPv4Network]:
    for route in json.loads(_ip("-json", "-4", "route", "show")):
        if route["dst"] != "default" and route.get("dev") != layout.bridge:
            yield ipaddress.IPv4Network(route["dst"], strict=False)


def _overlaps(network: str, used: list[ipaddress.IPv4Network]) -> bool:
    return any(ipaddress.IPv4Network(network).overlaps(one) for one in used)


def _ip(*args: str) -> str:
    done = subprocess.run([command("ip"), *args], capture_output=True, text=True)
    if done.returncode:
        raise SandboxError(f"`ip {' '.join(args)}` failed: {done.stderr.strip()}",
                           fix="run as root, on a kernel with bridge and veth support")  # fmt: skip
    return done.stdout or "[]"
