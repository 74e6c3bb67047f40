"""The bridge, addresses and packet rules of our own dockerd."""

import contextlib
import ipaddress
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.console import say
from sandbox.errors import SandboxError
from sandbox.packages import command, find_command

RESOLVERS = Path("/etc/resolv.conf")
CANDIDATES = [f"10.{second}.0.0/16" for second in range(200, 250)]


@dataclass(frozen=True)
class Network:
    """A /16 of its own: the bridge takes its first /24, Docker's other networks the rest.

    dockerd's own packet rules are switched off, since two daemons would flush each other's chains;
    three rules of ours, marked with a comment, do what containers need.

    Args:
        key: eight characters, part of the bridge's name and of the rules' comment.
        file: where the chosen /16 is remembered, so that addresses stay the same.
    """

    key: str
    file: Path

    @property
    def bridge(self) -> str:
        return f"ag-{self.key}"

    def pool(self) -> str:
        """The chosen /16, or an empty string before the first start."""
        return next(iter(self._pools()), "")

    def _pools(self) -> list[str]:
        """The chosen /16 and the former ones, in which Docker's older networks still are."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.file.read_text())
        return []

    def gateway(self) -> str:
        """The host's address on the bridge, which containers of every network reach."""
        return _first(self.pool())

    def make(self) -> str:
        """Create the bridge and the rules; returns the gateway's address.

        The remembered /16 is used again unless the machine now has a route into it.
        """
        pool = choose_pool(self.pool(), list(_in_use()))
        self.file.write_text(json.dumps(list(dict.fromkeys([pool, *self._pools()]))))
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("address", "add", f"{self.gateway()}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        for rule in self._rules(pool):
            if not _iptables("-I", *rule):
                say(f"  packet rule refused, so containers may not reach the network: {' '.join(rule)}")
        return self.gateway()

    def remove(self) -> None:
        """Remove the bridge, those Docker made for its networks, and our rules."""
        pools = self._pools()
        if not pools or find_command("ip") is None:
            return
        for bridge in self._bridges(pools):
            subprocess.run([command("ip"), "link", "delete", bridge], capture_output=True)
        for rule in (rule for pool in pools for rule in self._rules(pool)):
            while _iptables("-D", *rule):
                pass

    def _rules(self, pool: str) -> Iterator[list[str]]:
        mark = ["-m", "comment", "--comment", f"antgent-{self.key}"]
        yield ["POSTROUTING", "-t", "nat", "-s", pool, "!", "-d", pool, *mark, "-j", "MASQUERADE"]
        yield ["FORWARD", "-s", pool, *mark, "-j", "ACCEPT"]
        answers = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
        yield ["FORWARD", "-d", pool, *answers, *mark, "-j", "ACCEPT"]
        yield ["INPUT", "-s", pool, "-d", _first(pool), *mark, "-j", "ACCEPT"]

    def _bridges(self, pools: list[str]) -> Iterator[str]:
        """Ours by name, and Docker's `br-…` whose address lies in one of our networks."""
        nets = [ipaddress.IPv4Network(pool) for pool in pools]
        for link in json.loads(_ip("-json", "address", "show", "type", "bridge")):
            addresses = [ipaddress.ip_address(one["local"]) for one in link.get("addr_info", [])]
            within = any(address in net for address in addresses for net in nets)
            if link.get("ifname") == self.bridge or (within and link["ifname"].startswith("br-")):
                yield link["ifname"]


def _first(pool: str) -> str:
    return str(ipaddress.IPv4Network(pool)[1])


def _in_use() -> Iterator[ipaddress.IPv4Network]:
    """What must stay reachable: every routed network, and the name servers behind the default route."""
    with contextlib.suppress(FileNotFoundError):
        for server in re.findall(r"^nameserver\s+([\d.]+)", RESOLVERS.read_text(), re.MULTILINE):
            yield ipaddress.IPv4Network(server)
    for route in json.loads(_ip("-json", "-4", "route", "show")):
        if route["dst"] != "default":
            yield ipaddress.IPv4Network(route["dst"], strict=False)


def choose_pool(remembered: str, used: list[ipaddress.IPv4Network]) -> str:
    """The remembered /16, else the first candidate, that overlaps with none of `used`."""
    for one in (remembered, *CANDIDATES):
        if one and not any(ipaddress.IPv4Network(one).overlaps(other) for other in used):
            return one
    raise SandboxError(
        "no free network for containers: 10.200/16 to 10.249/16 are all in use",
        fix="look at `ip route` and remove what is not needed",
    )


def _ip(*args: str) -> str:
    done = subprocess.run([command("ip"), *args], capture_output=True, text=True)
    if done.returncode:
        raise SandboxError(
            f"`ip {' '.join(args)}` failed: {done.stderr.strip()}",
            fix="run as root, on a kernel with bridge support",
        )
    return done.stdout or "[]"


def _iptables(action: str, chain: str, *rule: str) -> bool:
    done = subprocess.run([command("iptables"), "-w", "5", action, chain, *rule], capture_output=True)
    return done.returncode == 0
