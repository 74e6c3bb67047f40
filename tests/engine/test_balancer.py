"""The load balancer behind the AWS API: asked over that API, and by requests that go through it."""

import contextlib
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest

from sandbox import balancer
from sandbox.paths import CHECKOUT
from sandbox.process import free_port, listening, wait_until
from tests.engine.kubernetes_load import LEAST, Report, sending

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="ports 80 and 443 and the hosts file need root")
REGION = "eu-central-1"
REPLACEMENTS = int(os.environ.get("ANTGENT_ROLLOUTS", "1"))
"""How many times all targets are replaced under load."""


class Answering(BaseHTTPRequestHandler):
    """Answers with its server's name, status and what it was asked for; waits when told to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        target = self.server
        assert isinstance(target, TargetServer)
        if self.path.startswith("/slow"):
            time.sleep(2)
        told = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"name": target.name, "path": self.path, "headers": told}).encode()
        self.send_response(target.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class TargetServer(ThreadingHTTPServer):
    """A plain HTTP server that a target group may have."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.name, self.status = name, 200
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def target(self) -> dict[str, Any]:
        return {"Id": "127.0.0.1", "Port": self.server_address[1]}

    def handle_error(self, request: object, client_address: object) -> None:
        """A health check hangs up as soon as it has seen the status."""

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class Api:
    """moto's server with the balancer, and what tests ask of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.home, self.hosts = folder / "balancer", folder / "hosts"
        self.hosts.write_text("127.0.0.1\tlocalhost\n")
        self.start()

    def start(self) -> None:
        """Start the server; what was in an earlier one is gone."""
        command = [
            sys.executable,
            "-m",
            "tests.engine.balancer_server",
            str(self.port),
            self.home,
            self.hosts,
        ]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
        came_up = wait_until(lambda: listening(self.port) or self.process.poll() is not None, seconds=60)
        assert came_up, "the server does not answer"
        assert self.process.poll() is None, (self.folder / "server.log").read_text()

    def client(self, service: str) -> Any:
        return boto3.client(
            service, region_name=REGION, endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="sandbox", aws_secret_access_key="not-a-secret",
        )  # fmt: skip

    @property
    def elb(self) -> Any:
        return self.client("elbv2")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def named(self, name: str) -> str:
        """The address that the hosts file gives a name; empty without one."""
        pairs = [line.split() for line in self.hosts.read_text().splitlines() if not line.startswith("#")]
        return next((address for address, found in pairs if found == name), "")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    found = Api(tmp_path_factory.mktemp("api"))
    try:
        yield found
    finally:
        found.end()
        balancer.clean(found.home, hosts=found.hosts)


class Site:
    """A load balancer with one listener and one target group, as a stack makes them."""

    _numbers = itertools.count(1)

    def __init__(self, api: Api, *, delay: int = 2, interval: int = 5, codes: str = "200-399") -> None:
        self.api, self.elb, number = api, api.elb, next(self._numbers)
        subnets = api.client("ec2").describe_subnets()["Subnets"]
        (made,) = self.elb.create_load_balancer(
            Name=f"site-{number}", Subnets=[one["SubnetId"] for one in subnets[:2]]
        )["LoadBalancers"]
        self.arn, self.name, self._vpc = made["LoadBalancerArn"], made["DNSName"], subnets[0]["VpcId"]
        self.listeners: list[str] = []
        self.group = self.make_group(f"group-{number}", delay=delay, interval=interval, codes=codes)

    def make_group(self, name: str, *, delay: int = 2, interval: int = 5, codes: str = "200-399") -> str:
        (made,) = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId=self._vpc, TargetType="ip",
            HealthCheckPath="/version", HealthCheckIntervalSeconds=interval, HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2, UnhealthyThresholdCount=2, Matcher={"HttpCode": codes},
        )["TargetGroups"]  # fmt: skip
        arn = made["TargetGroupArn"]
        delays = [{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}]
        self.elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=delays)
        return arn

    def listen(self, port: int = 80, *actions: dict[str, Any], **more: Any) -> str:
        forward = {"Type": "forward", "TargetGroupArn": self.group}
        (made,) = self.elb.create_listener(
            LoadBalancerArn=self.arn, Port=port, Protocol=more.pop("protocol", "HTTP"),
            DefaultActions=list(actions) or [forward], **more,
        )["Listeners"]  # fmt: skip
        assert wait_until(lambda: listening(port, self.address), seconds=15), "the listener does not listen"
        self.listeners.append(made["ListenerArn"])
        return made["ListenerArn"]

    def rule(
        self, listener: str, priority: int, field: str, values: list[str], action: dict[str, Any]
    ) -> str:
        (made,) = self.elb.create_rule(
            ListenerArn=listener, Priority=priority, Conditions=[{"Field": field, "Values": values}], Actions=[action]
        )["Rules"]  # fmt: skip
        return made["RuleArn"]

    def register(self, *targets: dict[str, Any], group: str = "") -> None:
        self.elb.register_targets(TargetGroupArn=group or self.group, Targets=list(targets))

    def deregister(self, *targets: dict[str, Any]) -> None:
        self.elb.deregister_targets(TargetGroupArn=self.group, Targets=list(targets))

    def health(self, target: dict[str, Any], group: str = "") -> dict[str, str]:
        """`State`, and `Reason` and `Description` where there are any."""
        (found,) = self.elb.describe_target_health(TargetGroupArn=group or self.group, Targets=[target])[
            "TargetHealthDescriptions"
        ]
        return found["TargetHealth"]

    def becomes(self, state: str, *targets: dict[str, Any], seconds: float = 20, group: str = "") -> None:
        """Wait until all targets are in that state."""
        found: list[dict[str, str]] = []

        def all_are() -> bool:
            found[:] = [self.health(one, group) for one in targets]
            return all(one["State"] == state for one in found)

        assert wait_until(all_are, seconds=seconds, every=0.2), found

    @property
    def address(self) -> str:
        assert wait_until(lambda: bool(self.api.named(self.name)), seconds=15), "its name is not known"
        return self.api.named(self.name)

    def get(self, path: str = "/", port: int = 80, **more: Any) -> httpx.Response:
        return httpx.get(f"http://{self.address}:{port}{path}", timeout=10, **more)

    def remove(self) -> None:
        for listener in self.listeners:
            with contextlib.suppress(Exception):
                self.elb.delete_listener(ListenerArn=listener)
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)
        assert wait_until(lambda: not self.api.named(self.name), seconds=15), "its name stays"


@pytest.fixture
def make_site(api: Api) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(**how: Any) -> Site:
        made.append(Site(api, **how))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@pytest.fixture
def make_target() -> Iterator[Callable[[str], TargetServer]]:
    made: list[TargetServer] = []

    def make(name: str = "target") -> TargetServer:
        made.append(TargetServer(name))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(OSError):
            one.end()


def test_a_target_is_healthy_once_the_proxy_has_seen_it_and_not_before(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """moto calls every target healthy; here a health check went to it."""
    site, target = make_site(), make_target("a")
    assert site.health(target.target)["Reason"] == "Target.NotRegistered"
    site.register(target.target)
    assert site.health(target.target) | {"Description": ""} == {
        "State": "unused", "Reason": "Target.NotInUse", "Description": "",
    }  # fmt: skip
    target.status = 500
    site.listen()
    assert site.health(target.target)["State"] == "initial"
    assert {site.get().status_code for _ in range(50)} == {503}, (
        "the proxy's own answer, from the first moment"
    )
    target.status = 200
    site.becomes("healthy", target.target, seconds=5)
    assert site.health(target.target).keys() == {"State"}
    answer = site.get("/some/path?x=1").json()
    assert (answer["name"], answer["path"]) == ("a", "/some/path?x=1")
    assert answer["headers"]["x-forwarded-proto"] == "http"
    assert answer["headers"]["x-forwarded-for"].startswith("127.")


def test_a_failing_target_gets_no_requests_and_the_reason_is_told(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """By AWS's reason codes: a wrong status, and nobody who answers."""
    site, good, bad, gone = make_site(), make_target("good"), make_target("bad"), make_target("gone")
    site.listen()
    site.register(good.target, bad.target, gone.target)
    site.becomes("healthy", good.target, bad.target, gone.target)
    bad.status = 503
    gone.end()
    site.becomes("unhealthy", bad.target, gone.target, seconds=25)
    told = site.health(bad.target)
    assert told["Reason"] == "Target.ResponseCodeMismatch"
    assert told["Description"] == "Health checks failed with these codes: [503]"
    assert site.health(gone.target)["Reason"] == "Target.FailedHealthChecks"
    assert {site.get().json()["name"] for _ in range(10)} == {"good"}
    bad.status = 200
    site.becomes("healthy", bad.target)


def test_a_target_that_was_never_healthy_becomes_unhealthy(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """After as many checks as the threshold says, not at once and not never."""
    site, target = make_site(), make_target("never")
    target.status = 500
    site.listen()
    site.register(target.target)
    started = time.monotonic()
    site.becomes("unhealthy", target.target, seconds=30)
    assert 8 < time.monotonic() - started < 20, "2 checks, 5 seconds apart"


def test_a_deregistered_target_finishes_what_it_has_and_gets_nothing_new(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """Draining: the request in flight is answered, and the state lasts as long as the delay."""
    site, old, new = make_site(delay=4), make_target("old"), make_target("new")
    site.listen()
    site.register(old.target)
    site.becomes("healthy", old.target)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(site.get("/slow")))
    asking.start()
    site.register(new.target)
    site.becomes("healthy", new.target)
    started = time.monotonic()
    site.deregister(old.target)
    assert site.health(old.target) == {
        "State": "draining", "Reason": "Target.DeregistrationInProgress",
        "Description": "Target deregistration is in progress",
    }  # fmt: skip
    time.sleep(0.5)  # the proxy is told within a quarter of a second
    assert {site.get().json()["name"] for _ in range(10)} == {"new"}
    asking.join(10)
    assert answers[0].json()["name"] == "old"
    site.becomes("unused", old.target)
    assert 3 < time.monotonic() - started < 7


def test_what_lasts_longer_than_the_deregistration_delay_is_cut(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """A request cannot hold a rollout up for ever."""
    site, target = make_site(delay=1), make_target("old")
    site.listen()
    site.register(target.target)
    site.becomes("healthy", target.target)
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(site.get("/slow").status_code)
        except httpx.HTTPError as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    site.deregister(target.target)
    asking.join(10)
    assert answers[0] != 200


def test_rules_choose_by_path_host_and_weight_in_the_order_of_their_priority(
    make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """What a listener's rules say is what requests meet, also after a change."""
    site, blue, green = make_site(), make_target("blue"), make_target("green")
    other = site.make_group(f"other-{site.name[:8].strip('-')}")
    listener = site.listen()
    to_other = {"Type": "forward", "TargetGroupArn": other}
    site.rule(listener, 20, "path-pattern", ["/api/*"], to_other)
    site.rule(listener, 21, "path-pattern", ["/v?"], to_other)
    site.rule(listener, 10, "path-pattern", ["/api/closed*"], {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "it's \"closed\"\n"},
    })  # fmt: skip
    site.rule(listener, 30, "host-header", ["*.example.com"], to_other)
    site.register(blue.target)
    site.register(green.target, group=other)
    site.becomes("healthy", blue.target)
    site.becomes("healthy", green.target, group=other)
    assert site.get("/").json()["name"] == "blue"
    assert site.get("/api/x").json()["name"] == site.get("/v1").json()["name"] == "green"
    assert site.get("/v12").json()["name"] == "blue"
    assert site.get("/", headers={"Host": "www.example.com"}).json()["name"] == "green"
    closed = site.get("/api/closed/now")
    assert (closed.status_code, closed.text) == (404, 'it\'s "closed"\n')
    weights = [{"TargetGroupArn": site.group, "Weight": 0}, {"TargetGroupArn": other, "Weight": 1}]
    site.elb.modify_listener(
        ListenerArn=listener, DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
    )
    assert wait_until(lambda: site.get("/").json()["name"] == "green", seconds=10)
    weights[0]["Weight"] = 1
    site.elb.modify_listener(
        ListenerArn=listener, DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]
    )
    assert wait_until(lambda: site.get("/").json()["name"] == "blue", seconds=10)
    drawn = [site.get("/").json()["name"] for _ in range(60)]
    assert 10 < drawn.count("blue") < 50


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_https_is_served_under_its_domain_and_http_leads_there(
    api: Api, make_site: Callable[..., Site], make_target: Callable[[str], TargetServer]
) -> None:
    """With a certificate that the sandbox's authority signed, TLS 1.2 at least, and a Route 53 alias."""
    site, target, domain = make_site(), make_target("secure"), "antgent.staging.example.com"
    certificate = api.client("acm").request_certificate(DomainName=domain)["CertificateArn"]
    site.listen(
        443, protocol="HTTPS", Certificates=[{"CertificateArn": certificate}],
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
    )  # fmt: skip
    site.listen(80, {
        "Type": "redirect", "RedirectConfig": {"Port": "443", "Protocol": "HTTPS", "StatusCode": "HTTP_301"},
    })  # fmt: skip
    site.register(target.target)
    site.becomes("healthy", target.target)
    alias = {"DNSName": site.name, "HostedZoneId": "Z215JYRZR1TBD5", "EvaluateTargetHealth": True}
    route53 = api.client("route53")
    zone = route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    record = {"Name": domain, "Type": "A", "AliasTarget": alias}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    assert wait_until(lambda: api.named(domain) == site.address, seconds=10)
    told = site.get("/a/b?c=d", headers={"Host": domain})
    assert (told.status_code, told.headers["location"]) == (301, f"https://{domain}:443/a/b?c=d")
    assert site.get("/a", headers={"Host": domain}).headers["location"] == f"https://{domain}:443/a"
    trusting = ssl.create_default_context(cafile=str(api.home / "ca.pem"))
    with (
        socket.create_connection((site.address, 443), timeout=10) as plain,
        trusting.wrap_socket(plain, server_hostname=domain) as secure,
    ):
        assert secure.version() == "TLSv1.3"
        secure.sendall(f"GET /x HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: secure.recv(65536), b""))
    assert b'"x-forwarded-proto": "https"' in answer
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection((site.address, 443), timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname=domain)


class AppProcess:
    """The small app as a process: a fast target that drains when it is told to end."""

    def __init__(self, binary: Path, version: str) -> None:
        self.port, self.version = free_port(), version
        env = {"ANTGENT_SERVER__PORT": str(self.port), "VERSION": version}
        self.process = subprocess.Popen([binary, "server"], env=env, stdout=subprocess.DEVNULL)

    @property
    def target(self) -> dict[str, Any]:
        return {"Id": "127.0.0.1", "Port": self.port}

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


def test_no_request_fails_while_all_targets_are_replaced_and_the_listeners_change(
    make_site: Callable[..., Site], app_context: Path
) -> None:
    """What a rolling deployment does to its load balancer, under load, and a reload in the middle of it."""
    site = make_site(delay=1)
    listener = site.listen()
    apps = [AppProcess(app_context / "app", "old") for _ in range(2)]
    try:
        site.register(*(one.target for one in apps))
        site.becomes("healthy", *(one.target for one in apps))
        for _ in range(REPLACEMENTS):
            with sending(f"http://{site.address}/version") as run:
                for old in list(apps):
                    new = AppProcess(app_context / "app", "new")
                    apps.append(new)
                    site.register(new.target)
                    site.becomes("healthy", new.target)
                    site.deregister(old.target)
                    site.becomes("unused", old.target)
                    old.end()
                    apps.remove(old)
                rule = site.rule(listener, 5, "path-pattern", ["/never"], {
                    "Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"},
                })  # fmt: skip
                assert wait_until(lambda: site.get("/never").status_code == 404, seconds=10)
                site.elb.delete_rule(RuleArn=rule)
                assert wait_until(lambda: site.get("/never").status_code == 200, seconds=10)
            report: Report = run.report
            print(report)
            assert not report.failed, report.failed
            assert report.rate >= LEAST, str(report)
        assert {site.get("/version").json()["version"] for _ in range(6)} == {"new"}
    finally:
        for one in apps:
            one.process.kill()
            one.process.wait(10)


def test_a_killed_server_leaves_nothing_that_the_next_start_does_not_remove(tmp_path: Path) -> None:
    """A proxy without its server serves what nobody asks for any more, and its name leads nowhere."""
    api = Api(tmp_path)
    try:
        site = Site(api)
        site.listen()
        left = proxies(api.home)
        assert left
        name, address = site.name, site.address
        api.process.kill()
        api.process.wait(10)
        assert listening(80, address), "the test would prove nothing"
        assert api.named(name)
        api.start()
        assert wait_until(lambda: not any(one.is_running() for one in left), seconds=10)
        assert not listening(80, address)
        assert api.hosts.read_text() == "127.0.0.1\tlocalhost\n"
        site = Site(api)
        site.listen()
    finally:
        api.end()
    assert not proxies(api.home)
    assert api.hosts.read_text() == "127.0.0.1\tlocalhost\n"


def proxies(home: Path) -> list[psutil.Process]:
    """The proxies that run from a folder."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if any(str(home) in word for word in one.info["cmdline"] or [])
        and "haproxy" in one.info["cmdline"][0]
    ]
