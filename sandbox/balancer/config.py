"""The proxy's configuration, generated from what ELBv2 has been told."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.balancer.model import ALGORITHMS, Action, Balancer, Condition, Group, Listener, Rule

TEMPLATE = """\
# Generated from the sandbox's ELBv2 API; changes here are overwritten.
global
  stats socket {socket} mode 600 level admin expose-fd listeners
  server-state-file {state}
  maxconn 4096
  nbthread 2
  hard-stop-after 30s
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  # A failed request is shown, not tried again elsewhere.
  retries 0
  option http-server-close
  option forwardfor
  # Connections that wait for a request outlive a reload until they have been answered.
  option idle-close-on-response
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  timeout queue 10s
  load-server-state-from-file global
"""
REDIRECT_PARTS = {
    "protocol": "%[ssl_fc,iif(https,http)]",
    "host": "%[req.hdr(host),field(1,:)]",
    "port": "%[dst_port]",
    "path": "%[path,regsub(^/,)]",
    "query": "%[query]",
}
CONDITIONS = {
    "path-pattern": "path -m reg",
    "host-header": "req.hdr(host),field(1,:) -i -m reg",
    "http-request-method": "method -m str",
    "source-ip": "src",
    "query-string": "query,url_dec -i -m reg",
}


@dataclass(frozen=True)
class Server:
    """A target as the proxy has it."""

    name: str
    address: str
    port: int


@dataclass(frozen=True)
class Port:
    """A listener, where it listens, and the files with its certificates."""

    listener: Listener
    address: str
    certificates: tuple[Path, ...]
    idle_seconds: int


def backend_name(group_arn: str) -> str:
    """A target group's name in the proxy."""
    return group_arn.rpartition(":targetgroup/")[2].replace("/", "_")


def server_options(group: Group) -> str:
    """What is said of each of a group's servers.

    A target that is down is asked every second, so that one that has just been registered is found
    healthy soon, as AWS finds it; how long a failing one stays is AWS's interval and threshold.
    """
    secure = " ssl verify none" if group.protocol == "HTTPS" else ""
    if not group.check:
        return secure.strip()
    port = f" port {group.health_port}" if group.health_port else ""
    encrypted = " check-ssl" if secure else ""
    return (
        f"check{port}{encrypted} inter {group.interval}s downinter 1s "
        f"rise {group.rise} fall {group.fall}{secure}"
    )


def render(
    folder: Path,
    socket: Path,
    ports: Sequence[Port],
    groups: Mapping[str, Group],
    servers: Mapping[str, Iterable[Server]],
) -> str:
    """The whole configuration file.

    Args:
        folder: where the files are that it names.
        socket: of the runtime API.
        groups: those that a listener forwards to, by ARN.
        servers: of each group.
    """
    parts = [TEMPLATE.format(socket=socket, state=folder / "state")]
    parts += [_frontend(folder, port, groups) for port in ports]
    parts += [_backend(group, servers.get(arn, ())) for arn, group in sorted(groups.items())]
    return "\n".join(parts)


def forwarded(balancers: Iterable[Balancer]) -> set[str]:
    """ARNs of the target groups that some listener forwards to."""
    return {
        arn
        for balancer in balancers
        for listener in balancer.listeners
        for rule in listener.rules
        for arn, _ in rule.action.groups
    }


def answers(ports: Iterable[Port]) -> dict[str, str]:
    """File name → text of every fixed response."""
    actions = [rule.action for port in ports for rule in port.listener.rules]
    fixed = [one.get("MessageBody") for one in actions if one.kind == "fixed-response"]
    return {_answer_file(text): text for text in fixed if text}


def _frontend(folder: Path, port: Port, groups: Mapping[str, Group]) -> str:
    listener = port.listener
    secure = listener.protocol == "HTTPS"
    name = "listener_" + listener.arn.rpartition(":listener/")[2].replace("/", "_")
    lines = [f"frontend {name}", f"  bind {port.address}:{listener.port}{_tls(port) if secure else ''}"]
    lines += [f"  timeout client {port.idle_seconds}s", f"  timeout http-keep-alive {port.idle_seconds}s"]
    lines += [f"  http-request set-header X-Forwarded-Proto {'https' if secure else 'http'}"]
    lines += [f"  http-request set-header X-Forwarded-Port {listener.port}"]
    lines += _choice(listener.rules)
    backends: list[str] = []
    for number, rule in enumerate(listener.rules):
        ours, theirs = _act(folder, number, rule.action, groups)
        lines += ours
        backends += theirs
    return "\n".join(lines + backends) + "\n"


def _tls(port: Port) -> str:
    least = "TLSv1.3" if port.listener.policy.startswith("ELBSecurityPolicy-TLS13-1-3") else "TLSv1.2"
    files = "".join(f" crt {file}" for file in port.certificates)
    return f" ssl{files} alpn h2,http/1.1 ssl-min-ver {least}"


def _choice(rules: Sequence[Rule]) -> list[str]:
    """Lines that find the first rule whose conditions hold, and remember its number."""
    lines = []
    for number, rule in enumerate(rules):
        names = []
        for index, condition in enumerate(rule.conditions):
            names.append(f"rule{number}_{index}")
            lines.append(f"  acl {names[-1]} {_condition(condition)}")
        lines.append(
            f"  http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }} {' '.join(names)}"
        )
    return [line.rstrip() for line in lines]


def _condition(condition: Condition) -> str:
    if condition.field == "http-header":
        return f"req.fhdr({condition.name}) -i -m reg {_patterns(condition.values, whole=True)}"
    if condition.field == "query-string":
        return f"{CONDITIONS[condition.field]} {' '.join(_parameter(one) for one in condition.values)}"
    patterns = condition.field in ("path-pattern", "host-header")
    values = _patterns(condition.values, whole=True) if patterns else " ".join(map(quoted, condition.values))
    return f"{CONDITIONS[condition.field]} {values}"


def _patterns(values: Iterable[str], *, whole: bool) -> str:
    """AWS's wildcards as regular expressions: `*` for any characters, `?` for one."""
    edge = ("^", "$") if whole else ("", "")
    return " ".join(quoted(f"{edge[0]}{wildcard(one)}{edge[1]}") for one in values)


def _parameter(value: str) -> str:
    key, equals, wanted = value.partition("=")
    if not equals:
        return quoted(f"(^|&)[^&=]*={wildcard(key)}(&|$)")
    return quoted(f"(^|&){wildcard(key)}={wildcard(wanted)}(&|$)")


def wildcard(text: str) -> str:
    """A pattern of AWS's as a regular expression."""
    return "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text)


def quoted(text: str) -> str:
    """A word that the proxy takes as it is."""
    return "'" + text.replace("'", "'\\''") + "'"


def _act(
    folder: Path, number: int, action: Action, groups: Mapping[str, Group]
) -> tuple[list[str], list[str]]:
    """Lines that carry out a rule: those that answer by themselves, and those that choose a target group."""
    chosen = f"{{ var(txn.rule) -m int {number} }}"
    if action.kind == "redirect":
        code = action.get("StatusCode", "HTTP_302").removeprefix("HTTP_")
        return [f'  http-request redirect code {code} location "{_location(action)}" if {chosen}'], []
    if action.kind == "fixed-response":
        return [f"  http-request return {_answer(folder, action)} if {chosen}"], []
    if action.kind == "forward":
        return _forward(number, action, groups, chosen)
    text = quoted(f"the sandbox's load balancer does not know the action {action.kind}")
    return [f"  http-request return status 501 content-type text/plain string {text} if {chosen}"], []


def _forward(
    number: int, action: Action, groups: Mapping[str, Group], chosen: str
) -> tuple[list[str], list[str]]:
    weighted = [(arn, weight) for arn, weight in action.groups if weight > 0 and arn in groups]
    total = sum(weight for _, weight in weighted)
    if not weighted:
        return [f"  http-request return status 503 if {chosen}"], []
    if len(weighted) == 1:
        return [], [f"  use_backend {backend_name(weighted[0][0])} if {chosen}"]
    lines, below = [], 0
    for arn, weight in weighted:
        below += weight
        drawn = f"{{ var(txn.draw{number}) -m int lt {below} }}"
        lines.append(f"  use_backend {backend_name(arn)} if {chosen} {drawn}")
    return [f"  http-request set-var(txn.draw{number}) rand({total}) if {chosen}"], lines


def _location(action: Action) -> str:
    """Where a redirect leads, with AWS's placeholders as the proxy's."""
    protocol = action.get("Protocol", "#{protocol}").replace("HTTPS", "https").replace("HTTP", "http")
    host, port = action.get("Host", "#{host}"), action.get("Port", "#{port}")
    path, query = action.get("Path", "/#{path}"), action.get("Query", "#{query}")
    # No question mark where there was none.
    unchanged = (path, query) == ("/#{path}", "#{query}")
    rest = "%[pathq]" if unchanged else path + (f"?{query}" if query else "")
    text = f"{protocol}://{host}:{port}{rest}"
    for name, fetch in REDIRECT_PARTS.items():
        text = text.replace(f"#{{{name}}}", fetch)
    return text.replace('"', "%22")


def _answer(folder: Path, action: Action) -> str:
    status, text = action.get("StatusCode", "200"), action.get("MessageBody")
    if not text:
        return f"status {status}"
    kind = action.get("ContentType", "text/plain")
    return f"status {status} content-type {kind} file {folder / _answer_file(text)}"


def _answer_file(text: str) -> str:
    return f"answer-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _backend(group: Group, servers: Iterable[Server]) -> str:
    lines = [f"backend {backend_name(group.arn)}"]
    lines += [f"  balance {ALGORITHMS.get(group.algorithm, 'roundrobin')}"]
    if group.check:
        lines += [
            "  option httpchk",
            f"  http-check send meth GET uri {quoted(group.path)} ver HTTP/1.1 hdr Host localhost "
            "hdr User-Agent ELB-HealthChecker/2.0",
            f"  http-check expect status {group.codes}",
            f"  timeout check {group.timeout}s",
        ]
    options = server_options(group)
    lines += [f"  server {one.name} {one.address}:{one.port} {options}".rstrip() for one in servers]
    return "\n".join(lines) + "\n"
