"""The checks of a release, against a real HTTP server and real commands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from moto import mock_aws

from components.checks import Cluster, HttpCheck, Spec, VerificationError, WorkerCheck, to_props
from components.checks_secrets import resolve
from components.verification import spec_of, verify
from sandbox.process import free_port, wait_until
from tests.answering_server import Answer, Server

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers as release v1.1.0 does, unless a test says otherwise."""
    found = Server()
    yield found
    found.close()


def version(**more: Any) -> HttpCheck:
    """The check that staging makes."""
    return HttpCheck(path="/version", field="version", expect="1.1.0", **more)


def refused(url: str, *checks: HttpCheck, deadline: float = 0.6, **more: Any) -> str:
    """The error of a verification that must fail."""
    with pytest.raises(VerificationError) as error:
        verify(Spec(url=url, tag="v1.1.0", deadline=deadline, http=checks, **more), say=lambda _: None)
    return str(error.value)


def passed(url: str, *checks: HttpCheck, deadline: float = 5, **more: Any) -> list[str]:
    """What a verification said that must pass."""
    lines: list[str] = []
    results = verify(Spec(url=url, tag="v1.1.0", deadline=deadline, http=checks, **more), say=lines.append)
    assert len(results) == len(checks) + len(more.get("commands", ()))
    return lines


def test_a_right_answer_passes_and_says_how_long_it_took(server: Server) -> None:
    """What enters the ledger: the check's name, and its seconds."""
    (result,) = verify(Spec(url=server.url, tag="v1.1.0", http=(version(),)), say=lambda _: None)
    assert result.name == "GET /version: status 200, version = '1.1.0'"
    assert 0 <= result.seconds < 5
    assert [path for path, _ in server.asked] == ["/version"]


def test_another_version_fails_with_request_expectation_and_answer(server: Server) -> None:
    """A release that did not arrive is the first thing a verification is for."""
    server.answer = lambda _: (200, '{"version": "1.0.0"}')
    said = refused(server.url, version(latency=2, headers={"x-probe": "1"}))
    assert f"verification failed: GET {server.url}/version" in said
    assert "x-probe: 1" in said
    assert "expected: status 200, version = '1.1.0', within 2 s" in said
    assert "answer: 200 OK in 0." in said
    assert '{"version": "1.0.0"}' in said
    assert "wrong: version = '1.0.0'" in said


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (503, "no healthy upstream", "wrong: status 503"),
        (200, "<html>", "wrong: no field version"),
        (200, '["1.1.0"]', "wrong: no field version"),
        (200, '{"versions": "1.1.0"}', "wrong: no field version"),
        (302, "", "wrong: status 302"),
    ],
)
def test_every_other_answer_is_wrong(server: Server, status: int, body: str, wrong: str) -> None:
    """A redirect, too: to another address, which is not the one that was verified."""
    server.answer = lambda _: (status, body)
    assert wrong in refused(server.url, version())
    assert {path for path, _ in server.asked} == {"/version"}


@pytest.mark.parametrize(
    ("name", "expect"),
    [("app.build.0", "7"), ("app.ready", "true"), ("app.error", "null"), ("app.name", "x")],
)
def test_a_nested_field_is_compared_as_text(server: Server, name: str, expect: str) -> None:
    """Dots nest, and a number or a boolean reads as JSON writes it."""
    server.answer = lambda _: (200, '{"app": {"build": [7], "ready": true, "error": null, "name": "x"}}')
    passed(server.url, HttpCheck(path="/", field=name, expect=expect))


def test_right_answers_must_come_in_a_row(server: Server) -> None:
    """One wrong answer among right ones means that an old copy still serves."""
    server.answer = lambda asked: (
        (200, '{"version": "1.1.0"}') if asked % 3 else (200, '{"version": "1.0.0"}')
    )
    assert "2 right in a row at most" in refused(server.url, version(successes=3), deadline=3)
    server.answer = lambda asked: (503 if asked in (1, 3) else 200, '{"version": "1.1.0"}')
    server.asked.clear()
    passed(server.url, version(successes=3))
    assert len(server.asked) == 6


def test_a_slow_answer_is_wrong(server: Server) -> None:
    """A bound on latency is one on each answer, to its last byte."""

    def slowly(_: int) -> Answer:
        time.sleep(0.3)
        return 200, '{"version": "1.1.0"}'

    server.answer = slowly
    assert "wrong: it took 0.3" in refused(server.url, version(latency=0.1), deadline=1)
    passed(server.url, version(latency=2))


def test_an_environment_that_is_not_there_yet_is_asked_again_until_the_deadline(server: Server) -> None:
    """A new load balancer needs minutes until its name resolves; that is no verdict."""
    started = time.monotonic()
    said = refused(f"http://127.0.0.1:{free_port()}", version(), deadline=1)
    assert "answer: none (ConnectError" in said
    assert 1 <= time.monotonic() - started < 5
    server.answer = lambda asked: (200 if asked > 2 else 502, '{"version": "1.1.0"}')
    passed(server.url, version())


def test_a_body_that_does_not_end_is_cut_at_the_deadline(server: Server) -> None:
    """A server that drips must not hold `up` for ever."""
    server.answer = lambda _: (200, "x" * 10)
    server._http.RequestHandlerClass.do_GET = _drip
    started = time.monotonic()
    assert "answer: none" in refused(server.url, version(), deadline=1)
    assert time.monotonic() - started < 5


def _drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    for _ in range(200):
        try:
            handler.wfile.write(b"x")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.05)


def test_a_secret_header_is_sent_and_never_shown(server: Server) -> None:
    """Not even when the server says it back."""
    server.answer = lambda _: (401, json.dumps({"error": f"the token {TOKEN} is wrong"}))
    check = version(secret_headers={"token": "ANTGENT_SERVER__TOKEN"})
    said = refused(server.url, check, secrets={"ANTGENT_SERVER__TOKEN": TOKEN})
    assert server.asked[0][1]["token"] == TOKEN
    assert TOKEN not in said
    assert "token: (the secret ANTGENT_SERVER__TOKEN)" in said
    assert "the token (secret) is wrong" in said


@pytest.mark.parametrize("written", [TOKEN + "\n", f"{TOKEN}\r\nx-other: 1"])
def test_a_secret_of_several_lines_is_not_shown_either(server: Server, written: str) -> None:
    """A value with the line's end that an editor added is sent without; no other is, nor told."""
    server.answer = lambda _: (401, "")
    check = version(secret_headers={"token": "ANTGENT_SERVER__TOKEN"})
    said = refused(server.url, check, secrets={"ANTGENT_SERVER__TOKEN": written})
    assert TOKEN not in said
    assert [headers["token"] for _, headers in server.asked[:1]] in ([], [TOKEN])


def test_a_secret_that_cannot_be_read_is_named_with_the_answer() -> None:
    """The reference is shown, as it is no secret."""
    check = version(secret_headers={"token": "ANTGENT_SERVER__TOKEN"})
    said = refused("http://127.0.0.1:1", check, references={"ANTGENT_SERVER__TOKEN": "app/token"})
    assert "the secret ANTGENT_SERVER__TOKEN cannot be read" in said
    assert "request: app/token" in said
    assert "fix: " in said


def test_a_secret_is_read_from_aws_by_its_reference(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets Manager, whole or one key of it, and Parameter Store, in the region that the ARN names."""
    for name, value in (("AWS_ACCESS_KEY_ID", "tests"), ("AWS_SECRET_ACCESS_KEY", "tests")):
        monkeypatch.setenv(name, value)
    with mock_aws():
        manager = boto3.client("secretsmanager", region_name="eu-west-3")
        whole = manager.create_secret(Name="app/whole", SecretString=TOKEN)["ARN"]
        part = manager.create_secret(Name="app/part", SecretString=json.dumps({"token": TOKEN}))["ARN"]
        store = boto3.client("ssm", region_name="eu-west-3")
        store.put_parameter(Name="/app/token", Value=TOKEN, Type="SecureString")
        parameter = store.get_parameter(Name="/app/token")["Parameter"]["ARN"]
        for reference in (whole, f"{part}:token::", f"{part}:token:AWSCURRENT:", parameter):
            check = version(secret_headers={"token": "TOKEN"})
            spec = Spec(url=server.url, tag="v1", http=(check,), references={"TOKEN": reference})
            assert resolve(spec) == {"TOKEN": TOKEN}, reference
        gone = whole.replace("app/whole", "app/gone")
        said = refused(server.url, check, references={"TOKEN": gone})
    assert "the secret TOKEN cannot be read" in said
    assert "ResourceNotFoundException" in said


def test_a_command_gets_the_url_and_its_output_is_streamed(server: Server) -> None:
    """A suite of the user's own, against the very environment."""
    lines = passed(server.url, commands=('echo "asking $ANTGENT_URL for $ANTGENT_TAG"; echo oops >&2',))
    assert f"asking {server.url} for v1.1.0" in lines
    assert "oops" in lines


def test_output_arrives_while_the_command_runs() -> None:
    """Whoever watches a deployment sees the suite's progress, not its transcript."""
    arrived: dict[str, float] = {}
    spec = Spec(url="http://localhost", tag="v1", commands=("echo first; sleep 1; echo second",))
    verify(spec, say=lambda line: arrived.setdefault(line, time.monotonic()))
    assert arrived["second"] - arrived["first"] > 0.5


def test_a_failed_command_shows_its_exit_code_and_last_lines() -> None:
    """Judged by the exit code alone, explained by the end of its output."""
    said = refused(
        "http://staging", commands=("for n in $(seq 30); do echo line $n; done; exit 7",), deadline=10
    )
    assert "answer: exit code 7" in said
    assert "line 30" in said
    assert "line 10\n" not in said
    assert "ANTGENT_URL=http://staging" in said
    assert "answer: exit code 137" in refused("http://staging", commands=("kill -9 $$",), deadline=10)


def test_a_command_is_killed_at_the_deadline_with_its_children(tmp_path: Path) -> None:
    """A hanging suite must neither hold `up` nor stay behind: not its children, not those that ignore SIGTERM."""
    pids = tmp_path / "pids"
    command = (
        f"(trap '' TERM; echo $$ >> {pids}; sh -c 'echo $$ >> {pids}; sleep 1000'; sleep 1000) & "
        f"sh -c 'echo $$ >> {pids}; exec sleep 1000' & setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & "
        f"echo started; wait"
    )
    started = time.monotonic()
    said = refused("http://staging", commands=(command,), deadline=2)
    assert "still running after the 2 s of all checks, so it was killed" in said
    assert "started" in said
    assert time.monotonic() - started < 12
    known = [int(pid) for pid in pids.read_text().split()]
    assert len(known) == 4
    assert not [pid for pid in known if _lives(pid)]


def test_a_command_does_not_outlive_a_killed_deployment(tmp_path: Path) -> None:
    """SIGKILL of the engine's provider process leaves nothing running."""
    pid_file = tmp_path / "pid"
    program = (
        "from components.checks import Spec\nfrom components.verification import verify\n"
        f"verify(Spec(url='http://x', tag='v1', commands=('echo $$ > {pid_file}; exec sleep 1000',)))"
    )
    asker = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    try:
        assert wait_until(lambda: pid_file.exists() and bool(pid_file.read_text().strip()), seconds=20)
    finally:
        asker.kill()
        asker.wait()
    pid = int(pid_file.read_text())
    assert wait_until(lambda: not _lives(pid), seconds=10)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_checks_run_in_order_and_the_first_failure_ends_them(server: Server, tmp_path: Path) -> None:
    """A command that changes data does not run against the wrong release."""
    server.answer = lambda _: (500, "")
    refused(server.url, version(), commands=(f"touch {tmp_path}/ran",))
    assert not (tmp_path / "ran").exists()


def test_the_deadline_is_for_all_checks_together(server: Server) -> None:
    """`up` ends in bounded time however many checks there are."""
    started = time.monotonic()
    said = refused(server.url, version(), commands=("sleep 0.7", "sleep 1000"), deadline=1.5)
    assert "sleep 1000" in said
    assert time.monotonic() - started < 8


def test_a_temporal_that_does_not_answer_is_named() -> None:
    """The worker's check without a Temporal: address and client's words, no traceback."""
    worker = WorkerCheck(address=f"127.0.0.1:{free_port()}", task_queues=("antgent-queue",))
    said = refused("http://staging", worker=worker, deadline=1)
    assert f"request: Temporal at {worker.address}, namespace default" in said
    assert f"expected: Temporal answers at {worker.address}" in said
    assert "Traceback" not in said


def test_a_verification_survives_the_way_through_state() -> None:
    """The engine drops empty values and keeps numbers as floats; the checks stay the same."""
    spec = Spec(
        url="http://staging",
        tag="v1.1.0",
        deadline=30,
        http=(version(latency=0.5, successes=3, secret_headers={"token": "TOKEN"}), HttpCheck(path="/")),
        worker=WorkerCheck(address="temporal:7233", task_queues=("a", "b")),
        commands=("true",),
        secrets={"TOKEN": TOKEN},
        cluster=Cluster(namespace="antgent", service="antgent"),
    )
    checks = {
        "deadline": 30,
        "http": [to_props(check) for check in spec.http],
        "worker": to_props(spec.worker),
        "commands": ["true"],
    }
    props = {"url": spec.url, "tag": spec.tag, "checks": checks, "cluster": to_props(spec.cluster)}
    floats = json.loads(json.dumps(props), parse_int=float)
    assert Spec.from_props(floats | {"secrets": {"TOKEN": TOKEN}}) == spec
    sealed = {"4dabf18193072939515e22adb298388d": "x", "plaintext": json.dumps(TOKEN)}
    inputs = floats | {"secrets": {"TOKEN": sealed}}
    resource = {"type": "pulumi-python:dynamic/antgent:ReleaseVerification", "inputs": inputs}
    assert spec_of({"deployment": {"resources": [{"type": "other"}, resource]}}) == spec
    assert spec_of({"deployment": {}}) is None
    assert TOKEN not in repr(spec)


def test_nothing_of_a_verification_loads_a_heavy_client() -> None:
    """The provider's process starts at every `up`; Temporal's, Kubernetes' and AWS's clients wait their turn."""
    heavy = "{'temporalio', 'kubernetes', 'boto3'} & set(sys.modules)"
    code = f"import sys, components.verification; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=os.environ, check=False
    )
    assert done.returncode == 0
