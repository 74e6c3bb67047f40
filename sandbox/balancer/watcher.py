"""Keeps the proxy as ELBv2 has been told, and knows each target's health."""

import contextlib
import hashlib
import ipaddress
import logging
import socket
import threading
import time
from pathlib import Path

from sandbox.balancer import certificates, config, model, names, targets
from sandbox.balancer.config import Port, Server
from sandbox.balancer.model import Balancer, Group
from sandbox.balancer.proxy import Proxy, Row
from sandbox.balancer.targets import Health, Seen, Target
from sandbox.errors import SandboxError

EVERY_SECONDS = 0.25
NETWORK = ipaddress.ip_network("127.64.0.0/10")
"""Where the load balancers' addresses are taken from."""
log = logging.getLogger("sandbox.balancer")


class Watcher:
    """One load balancer process for all load balancers of the API.

    Args:
        folder: for everything that it keeps.
        hosts: the hosts file in which the names are put.
        problem: why no proxy can run; empty when one can.
    """

    def __init__(self, folder: Path, hosts: Path, problem: str) -> None:
        self.folder, self.hosts, self.problem = folder, hosts, problem
        self.proxy = Proxy(folder)
        self._mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        self._topology = ""
        self._attached: set[str] = set()
        self._rows: dict[tuple[str, str], Row] = {}
        self._was_up: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._said: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="balancer", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the proxy and remove the names."""
        self._stopping.set()
        self._thread.join(10)
        clean(self.folder, self.hosts)

    def health(self, group_arn: str, id_: str, port: int) -> Health:
        """A target's health."""
        group = model.groups().get(group_arn)
        target = targets.find(group_arn, id_, port)
        if group is None:
            return Health("unused", "Target.NotRegistered", "There is no such target group")
        seen = self._seen(group_arn, target) if target else None
        return targets.verdict(
            target,
            group,
            attached=group_arn in config.forwarded(model.balancers()),
            seen=seen,
            problem=self.problem,
            now=time.monotonic(),
        )

    def _seen(self, group_arn: str, target: Target) -> Seen | None:
        name = server(target).name
        row = self._rows.get((config.backend_name(group_arn), name))
        if row is None:
            return None
        up = row.status.startswith("UP") or row.status == "no check"
        return Seen(up, name in self._was_up, row.check, row.code)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.turn()
            # The API must go on whatever happens here, and the next turn tries again.
            except Exception as error:  # noqa: BLE001
                self._say(f"{type(error).__name__}: {error}")
            self._stopping.wait(EVERY_SECONDS)

    def turn(self) -> None:
        """Bring proxy, servers and names to what the API says now."""
        balancers, groups = model.balancers(), model.groups()
        if self.problem:
            if any(one.listeners for one in balancers):
                self._say(f"no load balancer runs: {self.problem}")
            return
        self._route(balancers, groups)
        if self.proxy.running:
            self._rows = self._look()
            self._serve({arn: groups[arn] for arn in self._attached if arn in groups})
        self._name(balancers)

    def _route(self, balancers: list[Balancer], groups: dict[str, Group]) -> None:
        """Start or reload the proxy where listeners, rules or target groups have changed."""
        ports = [port for one in balancers for port in self._ports(one)]
        attached = {arn: groups[arn] for arn in config.forwarded(balancers) if arn in groups}
        topology = config.render(self.folder, self.proxy.socket, ports, attached, {})
        if topology == self._topology and self.proxy.running == bool(ports):
            return
        if not ports:
            self.proxy.stop()
        else:
            for name, text in config.answers(ports).items():
                (self.folder / name).write_text(text)
            fresh = not self.proxy.running
            # A new process would take every target for healthy until it has asked.
            kept = {} if fresh else {arn: self._kept(arn) for arn in attached if arn in self._attached}
            self.proxy.use(config.render(self.folder, self.proxy.socket, ports, attached, kept))
        self._topology, self._attached = topology, set(attached)

    def _kept(self, group_arn: str) -> list[Server]:
        """The servers that go on over a reload: those that the proxy has."""
        backend = config.backend_name(group_arn)
        known = [server(one) for one in targets.targets(group_arn)]
        return [one for one in known if (backend, one.name) in self._rows]

    def _ports(self, balancer: Balancer) -> list[Port]:
        found = []
        for listener in balancer.listeners:
            if listener.protocol not in ("HTTP", "HTTPS"):
                self._say(
                    f"{listener.arn}: {listener.protocol} listeners are not served, only HTTP and HTTPS"
                )
                continue
            files = [certificates.file_for(self.folder, arn) for arn in listener.certificates]
            if listener.protocol == "HTTPS" and not all(files):
                self._say(f"{listener.arn}: is not served, because ACM has no such certificate")
                continue
            chosen = tuple(file for file in files if file)
            found.append(Port(listener, self.address(balancer), chosen, balancer.idle_seconds))
        return [one for one in found if self._usable(one)]

    def address(self, balancer: Balancer) -> str:
        """The load balancer's own loopback address, the same as long as it lives."""
        if balancer.arn not in self._addresses:
            start = int.from_bytes(hashlib.sha256(f"{self._mark}{balancer.arn}".encode()).digest()[:4])
            taken = set(self._addresses.values())
            size = NETWORK.num_addresses - 2
            candidates = (str(NETWORK[1 + (start + step) % size]) for step in range(size))
            self._addresses[balancer.arn] = next(one for one in candidates if one not in taken)
        return self._addresses[balancer.arn]

    def _usable(self, port: Port) -> bool:
        """Whether nobody else listens there; a port of ours stays ours."""
        where = (port.address, port.listener.port)
        if f"bind {where[0]}:{where[1]}" in self._topology:
            return True
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(where)
            except OSError as error:
                self._say(f"port {where[1]} of {where[0]} cannot be opened: {error.strerror}")
                return False
        return True

    def _look(self) -> dict[tuple[str, str], Row]:
        rows = {(row.backend, row.name): row for row in self.proxy.rows()}
        self._was_up |= {row.name for row in rows.values() if row.status.startswith("UP")}
        return rows

    def _serve(self, groups: dict[str, Group]) -> None:
        """Add, drain and remove servers, without a reload."""
        for arn, group in groups.items():
            backend = config.backend_name(arn)
            wanted = {server(one).name: one for one in targets.targets(arn)}
            here = {name: row for (owner, name), row in self._rows.items() if owner == backend}
            for name, target in wanted.items():
                if name not in here:
                    self._add(backend, target, group)
                elif target.left is not None and here[name].status not in ("DRAIN", "MAINT"):
                    self.proxy.ask(f"set server {backend}/{name} state drain")
                elif here[name].health > 0 and name not in self._was_up:
                    # AWS takes a new target in after its first good check.
                    self.proxy.ask(f"set server {backend}/{name} health up")
            for name in here.keys() - wanted.keys():
                self._remove(backend, name)

    def _add(self, backend: str, target: Target, group: Group) -> None:
        if target.left is not None:
            return
        one = server(target)
        options = config.server_options(group)
        place = f"{backend}/{one.name}"
        said = self.proxy.ask(f"add server {place} {one.address}:{one.port} {options}".rstrip())
        if "New server registered" not in said:
            raise SandboxError(f"haproxy did not take the target {one.address}:{one.port}: {said.strip()}")
        # Without this order it would get requests until its first check has failed.
        unknown = [
            f"enable health {place}",
            f"set server {place} state drain",
            f"set server {place} health down",
        ]
        self.proxy.ask(*(unknown if group.check else []), f"set server {place} state ready")

    def _remove(self, backend: str, name: str) -> None:
        """What is still open is cut: its deregistration delay is over."""
        place = f"{backend}/{name}"
        self.proxy.ask(f"set server {place} state maint", f"shutdown sessions server {place}")
        self.proxy.ask(f"del server {place}")
        self._was_up.discard(name)

    def _name(self, balancers: list[Balancer]) -> None:
        """Put the load balancers' names, and those that Route 53 leads to them, into the hosts file."""
        found = {one.dns_name: self.address(one) for one in balancers if one.listeners}
        for name, target in model.aliases().items():
            if target in found and "*" not in name and "\\" not in name:
                found[name] = found[target]
        if found == self._named:
            return
        try:
            names.write(found, self._mark, self.hosts)
            self._named = found
        except OSError as error:
            self._say(
                f"{self.hosts} cannot be written ({error.strerror}): no name leads to the load balancers"
            )

    def _say(self, text: str) -> None:
        """Once each, to the server's log."""
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)


def server(target: Target) -> Server:
    """The proxy's server of a target; registered again, it is another one."""
    return Server(f"t{target.number}_{target.id}_{target.port}", target.id, target.port)


def clean(folder: Path, hosts: Path) -> None:
    """End what a killed server left: its proxy, and its names in the hosts file."""
    Proxy(folder).stop()
    mark = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    with contextlib.suppress(OSError):
        names.write({}, mark, hosts)
