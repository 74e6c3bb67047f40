"""The commands of README and docs that need the engine: their words and flags exist, the quick ones run."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from sandbox.engine import Engine
from sandbox.paths import CHECKOUT
from sandbox.pulumi_cli import Pulumi
from tests.doc_commands import Command, commands

ENGINE = [one for one in commands() if one.words[0] == "pulumi"]


def verb(command: Command) -> tuple[str, ...]:
    """`stack init` of `pulumi stack init prod`: what has a help page of its own."""
    two = command.words[1] in ("config", "stack", "state")
    words = command.words[1:3] if two else command.words[1:2]
    return tuple(word for word in words if not word.startswith("-"))


@pytest.fixture(scope="module")
def helps(engine: Engine) -> dict[tuple[str, ...], str]:
    """Verb → its help."""
    found = {}
    for words in {verb(one) for one in ENGINE}:
        done = subprocess.run(
            [str(engine.bin / "pulumi"), *words, "--help"], capture_output=True, text=True, timeout=60
        )
        found[words] = done.stdout if done.returncode == 0 else ""
    return found


def test_every_engine_command_has_its_flags(helps: dict[tuple[str, ...], str]) -> None:
    """A flag that the engine renamed breaks the runbook."""
    assert len(ENGINE) > 20
    for command in ENGINE:
        page = helps[verb(command)]
        # Of a word that it does not know, the engine shows the help of the words before it.
        above = " ".join(["pulumi", *verb(command)[:-1], "[command]"])
        assert "Usage:" in page, command
        assert above not in page, command
        for flag in command.flags:
            assert flag in page, f"{command.page}: {command}"


@pytest.fixture(scope="module")
def local(sandbox: Sandbox) -> Iterator[Pulumi]:
    """The shipped stack `local`, made and not deployed."""
    engine = Pulumi(CHECKOUT, "local", sandbox.env)
    made = engine.stack_init()
    yield engine
    if made:
        engine.stack_remove()


def test_the_policy_command_of_the_guide_judges_the_shipped_stack(sandbox: Sandbox, local: Pulumi) -> None:
    """`make policy STACK=local`, which is a preview of it and the rules over that."""
    env = {**sandbox.env, "PATH": f"{Path(sys.executable).parent}:{sandbox.env['PATH']}"}
    done = subprocess.run(
        ["make", "policy", f"STACK={local.stack}"], cwd=CHECKOUT, env=env, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 violations" in done.stdout
