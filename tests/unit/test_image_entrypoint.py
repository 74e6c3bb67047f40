"""What the image adds to antgent, run without a container: settings, secrets, health checks."""

import http.server
import io
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "image"))

from antgent_image import healthcheck, main, secrets, settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without antgent's variables."""
    monkeypatch.delenv("ANTGENT_CONFIG", raising=False)
    return monkeypatch


@pytest.fixture
def web() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server whose /version answers 200 and everything else 404; its address and the headers it saw."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(200 if self.path == "/version" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


# settings and secrets inside the container


def test_the_environment_wins_over_the_user_s_file_and_that_over_the_image_s(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One precedence for both workloads; antgent's own looper ignores the environment."""
    (tmp_path / "mine.yaml").write_text(
        "temporalio: {host: 'file:1', namespace: mine}\ntraces: {enabled: true}\n"
    )
    environment.setenv("ANTGENT_CONFIG", str(tmp_path / "mine.yaml"))
    environment.setenv("ANTGENT_TEMPORALIO__HOST", "environment:2")
    found = settings.effective()
    assert found["temporalio"]["host"] == "environment:2"
    assert found["temporalio"]["namespace"] == "mine"
    assert found["temporalio"]["workers"][0]["queue"] == "antgent-queue"
    assert found["traces"]["enabled"] is True


def test_by_default_nothing_is_sent_to_third_parties_and_a_token_protects(
    environment: pytest.MonkeyPatch,
) -> None:
    """Both are otherwise in antgent: tracing is on, and a token is accepted and asked of nobody."""
    environment.delenv("ANTGENT_TEMPORALIO__WORKERS", raising=False)
    found = settings.effective()
    assert found["traces"]["enabled"] is False
    assert "tokenAuth" in found["server"]["middlewares"]


def test_workers_from_the_environment_are_json_and_said_to_be_when_they_are_not(
    environment: pytest.MonkeyPatch,
) -> None:
    """A typing error in a deployment's setting ends the container with a sentence, not a traceback."""
    environment.setenv("ANTGENT_TEMPORALIO__WORKERS", '[{"queue": "other"}]')
    assert settings.effective()["temporalio"]["workers"] == [{"queue": "other"}]
    environment.setenv("ANTGENT_TEMPORALIO__WORKERS", "[other]")
    with pytest.raises(SystemExit, match=r"ANTGENT_TEMPORALIO__WORKERS is not valid JSON(.|\n)*fix:"):
        settings.effective()


def test_a_settings_file_that_is_missing_is_named(environment: pytest.MonkeyPatch) -> None:
    """antgent itself would go on with its defaults."""
    environment.setenv("ANTGENT_CONFIG", "/nowhere.yaml")
    with pytest.raises(SystemExit, match=r"/nowhere\.yaml"):
        settings.effective()


def test_secret_files_become_environment_and_never_reach_the_log(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """antgent prints its server's settings at start, token and all."""
    (tmp_path / "ANTGENT_SERVER__TOKEN").write_text("correct horse\n")
    (tmp_path / "..data").mkdir()
    environment.setenv("ANTGENT_SERVER__TOKEN", "")
    environment.delenv("ANTGENT_SERVER__TOKEN")
    secrets.load(tmp_path)
    raw = io.BytesIO()
    stream = secrets.MaskingStream(raw, secrets.values())
    stream.write("{'token': 'correct horse', 'port': 8080}")
    assert raw.getvalue() == b"{'token': '***', 'port': 8080}"


def test_an_unknown_command_shows_how_to_use_the_image(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt container command is the first thing people get wrong."""
    assert main.main(["serve"]) == 64
    assert "antgent worker" in capsys.readouterr().err


# health checks


def test_a_server_is_healthy_when_it_answers_and_is_shown_the_token(
    environment: pytest.MonkeyPatch, web: tuple[str, list[dict[str, str]]]
) -> None:
    """With a token set, /version is 401 to anyone without it; the probe has it at hand."""
    url, seen = web
    environment.setenv("ANTGENT_SERVER__TOKEN", "let me in")
    environment.setenv("ANTGENT_HEALTHCHECK_HEADER", "X-Probe: yes")
    assert healthcheck.main([f"{url}/version"]) == 0
    assert seen[0]["token"] == "let me in"
    assert seen[0]["X-Probe"] == "yes"


def test_a_server_that_answers_badly_or_not_at_all_is_unhealthy_with_a_reason(
    web: tuple[str, list[dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is what `docker inspect` and `kubectl describe` show."""
    assert healthcheck.main([f"{web[0]}/health"]) == 1
    assert healthcheck.main(["http://127.0.0.1:1/"]) == 1
    said = capsys.readouterr().err
    assert "answered 404" in said
    assert "ConnectionRefusedError" in said


def test_a_worker_is_healthy_while_it_is_connected_to_temporal() -> None:
    """It polls over one lasting connection and has no port of its own to ask."""
    with socket.create_server(("127.0.0.1", 0)) as temporal:
        port = temporal.getsockname()[1]
        assert healthcheck.main(["worker", str(port)]) == 1
        with socket.create_connection(("127.0.0.1", port)):
            assert healthcheck.main(["worker", str(port)]) == 0
