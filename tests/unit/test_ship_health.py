"""How an environment answers, as `ship status` shows it."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from ship import health
from ship.environment import Environment
from tests.answering_server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that answers as release v1.1.0 does."""
    found = Server()
    with contextlib.closing(found):
        yield found


def test_the_time_of_an_answer_is_without_the_way_to_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tunnel into a cluster takes a second to open: nobody shall read that as a slow release."""

    @contextlib.contextmanager
    def slow(*_: object) -> Iterator[str]:
        time.sleep(1)
        yield server.url

    monkeypatch.setattr(health, "_way", slow)
    found = health.check(Environment("prod", {}, {"url": "http://antgent.prod.svc.cluster.local"}))
    assert (found.state, found.version) == ("healthy", "1.1.0")
    assert found.seconds < 0.5


def test_an_environment_that_does_not_answer_says_where_it_was_asked(server: Server) -> None:
    """An operator at night needs the address, not the library's words alone."""
    server.close()
    found = health.check(Environment("prod", {}, {"url": server.url}))
    assert found.state == "no answer"
    assert found.detail.startswith(f"{server.url}: ")
