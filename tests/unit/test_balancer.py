"""The load balancer's configuration, its verdicts and its names, without a process."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox import balancer
from sandbox.balancer import config, names
from sandbox.balancer.config import Port, Server
from sandbox.balancer.model import Action, Condition, Group, Listener, Rule
from sandbox.balancer.targets import Health, Seen, Target, verdict
from sandbox.packages import find_command

GROUP = Group(
    arn="arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/server/0123456789abcdef",
    protocol="HTTP", algorithm="least_outstanding_requests", check=True, path="/it's?x=1", health_port=None,
    codes="200-399", interval=10, timeout=5, rise=2, fall=3, delay=20,
)  # fmt: skip
TARGET = Target("10.0.0.1", 8080, number=1, since=100.0)
FORWARD = Action("forward", groups=((GROUP.arn, 1),))


def health(now: float = 101, **given: Any) -> Health:
    known = {"attached": True, "seen": None, "problem": "", "target": TARGET} | given
    return verdict(known.pop("target"), GROUP, now=now, **known)


@pytest.mark.parametrize(
    ("found", "state", "reason"),
    [
        (health(target=None), "unused", "Target.NotRegistered"),
        (health(attached=False), "unused", "Target.NotInUse"),
        (health(), "initial", "Elb.RegistrationInProgress"),
        (health(seen=Seen(False, False, "L7STS", "503")), "initial", "Elb.InitialHealthChecking"),
        (health(seen=Seen(True, True)), "healthy", None),
        (health(seen=Seen(False, True, "L7STS", "503")), "unhealthy", "Target.ResponseCodeMismatch"),
        (health(seen=Seen(False, True, "L4TOUT")), "unhealthy", "Target.Timeout"),
        (health(seen=Seen(False, True, "L4CON")), "unhealthy", "Target.FailedHealthChecks"),
        (health(now=129, seen=Seen(False, False, "L4CON")), "initial", "Elb.InitialHealthChecking"),
        (health(now=131, seen=Seen(False, False, "L4CON")), "unhealthy", "Target.FailedHealthChecks"),
        (health(target=Target("10.0.0.1", 8080, 1, 100.0, left=110.0), seen=Seen(True, True)),
         "draining", "Target.DeregistrationInProgress"),
    ],
)  # fmt: skip
def test_each_health_has_aws_state_and_reason(found: Health, state: str, reason: str | None) -> None:
    """ECS, and who reads DescribeTargetHealth, act on these words."""
    assert (found.state, found.reason) == (state, reason)


def test_without_a_proxy_a_target_stays_initial_and_says_why() -> None:
    """A machine without root has an honest API, not a lying one."""
    found = health(problem=balancer.NOT_ROOT, seen=Seen(True, True))
    assert (found.state, found.description) == ("initial", balancer.NOT_ROOT)


def rendered(tmp_path: Path, *rules: Rule, protocol: str = "HTTP") -> str:
    """A whole configuration that haproxy itself has accepted, where there is one."""
    listener = Listener("arn:x:listener/app/site/1/2", 80, protocol, "", (), (*rules, Rule((), FORWARD)))
    port = Port(listener, "127.64.0.1", (), 60)
    servers = {GROUP.arn: [Server("t1_10.0.0.1_8080", "10.0.0.1", 8080)]}
    (tmp_path / "state").write_text("")
    for name, text in config.answers([port]).items():
        (tmp_path / name).write_text(text)
    text = config.render(tmp_path, tmp_path / "socket", [port], {GROUP.arn: GROUP}, servers)
    if found := find_command("haproxy"):
        file = tmp_path / "haproxy.cfg"
        file.write_text(text)
        checked = subprocess.run([found, "-c", "-f", file], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr + text
    return text


def test_a_target_group_is_a_backend_with_its_health_check(tmp_path: Path) -> None:
    """Each number of the target group is where haproxy reads it."""
    text = rendered(tmp_path)
    assert "balance leastconn" in text
    assert "http-check expect status 200-399" in text
    assert "timeout check 5s" in text
    assert "server t1_10.0.0.1_8080 10.0.0.1:8080 check inter 10s downinter 1s rise 2 fall 3" in text


@pytest.mark.parametrize(
    "condition",
    [
        Condition("path-pattern", ("/a'b/*", '/"x"/?.html')),
        Condition("host-header", ("*.example.com",)),
        Condition("http-request-method", ("GET", "HEAD")),
        Condition("http-header", ("*Chrome*",), "User-Agent"),
        Condition("query-string", ("version=1*", "beta")),
        Condition("source-ip", ("10.0.0.0/8", "192.0.2.1/32")),
    ],
    ids=lambda one: one.field,
)
def test_conditions_are_what_haproxy_understands(tmp_path: Path, condition: Condition) -> None:
    """Also with quotes and wildcards in them: haproxy itself reads the file."""
    assert "acl rule0_0" in rendered(tmp_path, Rule((condition,), FORWARD))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Action("redirect", detail=(("Host", "new.#{host}"), ("Path", "/x/#{path}"), ("Query", "a=1&#{query}"),
                                    ("StatusCode", "HTTP_302"))),
         'redirect code 302 location "%[ssl_fc,iif(https,http)]://new.%[req.hdr(host),field(1,:)]:%[dst_port]/x/'),
        (Action("fixed-response", detail=(("MessageBody", "it's\n\"gone\""), ("StatusCode", "410"))),
         "return status 410 content-type text/plain file"),
        (Action("fixed-response", detail=(("StatusCode", "503"),)), "return status 503"),
        (Action("authenticate-oidc"), "return status 501"),
        (Action("forward", groups=((GROUP.arn, 0),)), "return status 503"),
    ],
)  # fmt: skip
def test_actions_are_what_haproxy_understands(tmp_path: Path, action: Action, expected: str) -> None:
    """What is not known is answered loudly, never passed on as if it were."""
    assert expected in rendered(tmp_path, Rule((Condition("path-pattern", ("/x",)),), action))


def test_the_hosts_file_is_as_before_when_the_names_are_gone(tmp_path: Path) -> None:
    """Somebody's own lines stay, another sandbox's block too."""
    hosts = tmp_path / "hosts"
    before = "127.0.0.1\tlocalhost\n# mine, without an end of line"
    hosts.write_text(before)
    assert names.write({"a.example.com": "127.64.0.1"}, "one", hosts)
    assert not names.write({"a.example.com": "127.64.0.1"}, "one", hosts), "nothing changed"
    names.write({"b.example.com": "127.64.0.2"}, "two", hosts)
    names.write({"c.example.com": "127.64.0.3"}, "one", hosts)
    text = hosts.read_text()
    assert "127.64.0.3\tc.example.com\n" in text
    assert "127.64.0.2\tb.example.com\n" in text
    assert "a.example.com" not in text
    names.write({}, "one", hosts)
    names.write({}, "two", hosts)
    assert hosts.read_text() == before + "\n"


def test_a_block_whose_end_was_lost_takes_nothing_else_with_it(tmp_path: Path) -> None:
    """The lines behind it may be somebody else's."""
    hosts = tmp_path / "hosts"
    block = "# >>> antgent sandbox one\n127.64.0.1\ta.example.com\n"
    hosts.write_text(f"127.0.0.1\tlocalhost\n{block}192.0.2.1 printer\n")
    names.write({}, "one", hosts)
    assert hosts.read_text() == "127.0.0.1\tlocalhost\n127.64.0.1\ta.example.com\n192.0.2.1 printer\n"


def test_health_without_a_load_balancer_is_a_fault_of_the_caller() -> None:
    """Nothing is made up."""
    with pytest.raises(LookupError, match=r"balancer\.start"):
        balancer.health("arn", "10.0.0.1", 80)
