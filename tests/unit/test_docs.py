"""README and docs: what they tell people to type exists, what they show is current, what they link to is there."""

import re
import subprocess
import sys
from importlib.util import find_spec

import botocore.session
import click
import pytest
import typer
from botocore import xform_name

from pipelines import diagrams
from pipelines.__main__ import app as pipelines_app
from policies.__main__ import app as policies_app
from sandbox.paths import CHECKOUT
from ship.__main__ import app as ship_app
from tests.doc_commands import PAGES, Command, blocks, commands

COMMANDS = commands()
PLAIN = {"cd", "curl", "export", "git", "grep", "openssl", "pre-commit", "cp"}
"""Programs of the reader's own machine, whose use is plain."""
RUN_HERE = [
    "grep -n '1111222233\\|2222333344\\|3333444455' 'Pulumi.*.yaml'",
    "python -m settings --check",
    "python -m settings --check local",
    "python -m settings --schema",
    "python -m settings --keys",
    "python -m policies --rules",
]
RUN_ELSEWHERE = {
    r"make (-s )?(up|status|url|down|purge|logs|doctor|env).*": "tests/e2e/test_antgent.py",
    r"curl .*": "tests/e2e/test_antgent.py",
    r"make (test|test-unit|check|bench|ci|pins|setup).*": ".ci/run",
    r"make demo": "tests/e2e",
    r"pulumi .*--stack local.*": "tests/engine/test_docs_commands.py",
    r"pulumi config set .*SANDBOX_REGISTRY.*": "tests/engine/test_ecs_rollouts.py",
    r"ship status": "tests/engine/test_pipelines_flow.py",
    r"ship verify staging": "tests/engine/ship/test_ship.py",
    r"python -m pipelines .*": "tests/engine/test_pipelines_flow.py",
    r"make policy.*": "tests/engine/test_docs_commands.py",
    r"pre-commit .*": "tests/unit/test_precommit.py",
}
"""Pattern of commands → where a test runs them, or the like of them."""


def name(command: Command) -> str:
    return f"{command.page}: {command}"[:90]


def test_there_are_commands_to_check() -> None:
    """A parser that finds nothing would pass everything."""
    assert len(COMMANDS) > 60
    assert {"make", "ship", "pulumi", "python", "aws"} <= {one.words[0] for one in COMMANDS}


def test_every_block_says_what_it_is() -> None:
    """`sh` is checked, `sh needs-cloud` says why it is not run; nothing hides as plain text."""
    for page, kind, content in blocks():
        where = f"{page.name}: {content[:60]!r}"
        assert kind in ("sh", "sh needs-cloud", "yaml", "mermaid", ""), where
        if kind == "":
            assert not re.search(r"^\s*(make|ship|pulumi|python -m|aws) ", content, re.MULTILINE), where


def options(app: typer.Typer, words: tuple[str, ...]) -> set[str]:
    """The options that a typer command knows.

    Raises:
        KeyError: there is no such command.
    """
    command = typer.main.get_command(app)
    rest = list(words)
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        if not rest or rest[0].startswith("-"):
            break
        command = command.commands[rest.pop(0)]
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_a_command_exists_with_its_options(command: Command) -> None:
    """The reader of the guide at night must not be the first to try it."""
    program, *rest = command.words
    if program == "make":
        targets = [word for word in rest if not word.startswith("-") and "=" not in word]
        done = subprocess.run(["make", "--dry-run", *targets], cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif program == "ship":
        assert set(command.flags) <= options(ship_app, tuple(rest)) | {"--help"}
    elif program == "python" and rest[:2] == ["-m", "pipelines"]:
        assert set(command.flags) - {"-m"} <= options(pipelines_app, tuple(rest[2:]))
    elif program == "python" and rest[:2] == ["-m", "policies"]:
        assert set(command.flags) - {"-m"} <= options(policies_app, ())
    elif program == "python" and rest[0] == "-m":
        assert find_spec(rest[1].partition(".")[0]) is not None
    elif program == "aws":
        check_aws(command)
    else:
        assert program in PLAIN | {"pulumi", "python", "policies/pack/venv/bin/pip"}, program


def check_aws(command: Command) -> None:
    """Service, operation and options, against AWS's own models."""
    service, operation = command.words[1:3]
    if (service, operation) == ("sso", "login"):
        return
    client = botocore.session.get_session().get_service_model({"s3api": "s3"}.get(service, service))
    known = {xform_name(each, "-"): each for each in client.operation_names}
    shape = client.operation_model(known[operation]).input_shape
    members = {xform_name(each, "-") for each in (shape.members if shape else ())}
    for flag in command.flags:
        assert flag.removeprefix("--") in members | {"query", "output", "region"}, flag


@pytest.mark.parametrize("command", [one for one in COMMANDS if not one.needs_cloud], ids=name)
def test_a_command_that_needs_no_cloud_is_run_by_a_test(command: Command) -> None:
    """Here, or where the pattern of it says; a new command in the docs has to find its place."""
    text = str(command)
    if text in RUN_HERE or command.words[0] in ("git", "cd", "export"):
        return
    found = [where for pattern, where in RUN_ELSEWHERE.items() if re.fullmatch(pattern, text)]
    assert found, text
    assert (CHECKOUT / found[0]).exists(), found[0]


@pytest.mark.parametrize("command", RUN_HERE)
def test_a_quick_command_runs(command: str) -> None:
    """As the page has it, in the checkout."""
    shown = f"PATH={sys.prefix}/bin:$PATH; {command}".replace("'Pulumi.*.yaml'", "Pulumi.*.yaml")
    done = subprocess.run(["bash", "-c", shown], cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page) -> None:
    """A page that was renamed."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_guides_index_names_every_page() -> None:
    """A page that nobody finds."""
    index = (CHECKOUT / "docs" / "README.md").read_text()
    for page in (CHECKOUT / "docs").glob("*.md"):
        assert page.name in index or page.name == "README.md", page.name


def test_the_pictures_are_those_of_the_code() -> None:
    """`make diagrams` draws them; a picture that was true once misleads."""
    page = (CHECKOUT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert page.count("```mermaid") == 4
    assert diagrams.filled(page, diagrams.draw(CHECKOUT)) == page, "make diagrams"


def test_every_heading_of_troubleshooting_is_in_a_message() -> None:
    """People search for the words they see."""
    page = (CHECKOUT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(headings) > 15
    folders = ("components", "deployment", "pipelines", "policies", "sandbox", "settings", "ship")
    code = "".join(file.read_text() for folder in folders for file in (CHECKOUT / folder).rglob("*.py"))
    assert [words for words in headings if words not in code] == []


def test_the_runbook_is_one_page() -> None:
    """Whoever needs it is tired."""
    assert len((CHECKOUT / "docs" / "rollback-at-night.md").read_text().splitlines()) <= 60
