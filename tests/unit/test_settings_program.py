"""Where stack config comes from: the engine, a stack file, the shipped examples, and the command line."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config
from pydantic import SecretStr

import settings
from settings import __main__ as command
from settings.reference import project_config
from settings.schema import schema
from settings.stackfile import StackFileError, read
from tests.unit.settings_cases import ARN, ENCRYPTED, stack

ROOT = Path(__file__).parents[2]
STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))
FILE = "Pulumi.dev.yaml"
SEEDED = "hunter2-Zx9"
Program = Callable[..., settings.Settings]


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.name)
def test_every_shipped_stack_file_is_valid(path: Path) -> None:
    """The examples that users start from are right."""
    env = {
        "SANDBOX_REGISTRY": "127.0.0.1:5000",
        "SANDBOX_TEMPORAL": "10.0.0.1:7233",
        "SANDBOX_BASE_IMAGE": "base:1",
        "SANDBOX_BUILDER_IMAGE": "builder:1",
    }
    settings.parse(read(path), file=path.name, env=env)


@pytest.mark.parametrize("runtime", ["docker", "kubernetes", "ecs"])
def test_the_local_stack_changes_runtime_by_one_word(runtime: str) -> None:
    """The shared part means the same on every runtime."""
    config = read(ROOT / "Pulumi.local.yaml")
    config["antgent:service"]["runtime"] = runtime

    assert settings.check(config, file="Pulumi.local.yaml", env={}) == []


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_a_cloud_stack_changes_from_ecs_to_kubernetes_by_one_word(name: str) -> None:
    """Moving an environment is one changed word, also where its secrets are references."""
    config = read(ROOT / f"Pulumi.{name}.yaml")
    assert config["antgent:service"]["runtime"] == "ecs"
    config["antgent:service"]["runtime"] = "kubernetes"

    assert settings.check(config, file=f"Pulumi.{name}.yaml", env={}) == []


def test_the_project_file_describes_exactly_the_keys_of_the_models() -> None:
    """Pulumi.yaml is the reference that users read; a new key cannot be forgotten there."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())

    assert project["config"] == project_config(), "refresh it: python -m settings --keys"


def test_the_schema_of_editors_is_the_models() -> None:
    """What editors complain about is what the program complains about."""
    committed = json.loads((ROOT / "settings/stack.schema.json").read_text())

    assert committed == schema(), "refresh it: python -m settings --schema > settings/stack.schema.json"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: {a: [", "is not YAML"),
        ("config:\n  a: 1\n  a: 2\n", "is not YAML"),
        ("config: [1]", "must hold keys and values"),
        ("just text", "must hold keys and values"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (f"config: {{secrets: {{A: '{SEEDED}' '", "line 1"),
    ],
)
def test_a_broken_stack_file_is_named_without_its_text(tmp_path: Path, text: str | bytes, says: str) -> None:
    """The place is said, the line is not shown: it may hold a secret."""
    path = tmp_path / FILE
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StackFileError) as error:
        read(path)

    assert says in str(error.value)
    assert SEEDED not in str(error.value)


def test_checking_from_the_command_line_needs_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m settings --check` is the gate before a commit: all files, all problems, an exit code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.good.yaml").write_text(
        yaml.safe_dump({"config": stack({"registry.server": "${HOST}"})})
    )
    (tmp_path / "Pulumi.bad.yaml").write_text(yaml.safe_dump({"config": stack({"imageTag": "latest"})}))

    assert command.main(["--check", "good"]) == 0
    assert "needed by `pulumi up`: HOST" in capsys.readouterr().out
    assert command.main(["--check"]) == 1
    assert "Pulumi.bad.yaml: antgent:imageTag" in capsys.readouterr().err
    assert command.main(["--check", "Pulumi.good.yaml"]) == 0
    assert command.main(["--check", "gone"]) == 1
    assert "Pulumi.gone.yaml: cannot be read" in capsys.readouterr().err


def test_checking_where_there_is_no_stack_file_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gate that looked at nothing must not be green."""
    monkeypatch.chdir(tmp_path)

    assert command.main(["--check"]) == 1
    assert "run this where Pulumi.yaml is" in capsys.readouterr().err


def test_schema_and_keys_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The two commands that refresh the files made from the models."""
    assert command.main(["--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    assert command.main(["--keys"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"config": project_config()}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Runs `load()` as a program does: config from the engine, the stack file in the current folder."""

    def run(
        config: dict[str, Any], secret: list[str], file: dict[str, Any] | None = None
    ) -> settings.Settings:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
        if file is not None:
            (tmp_path / FILE).write_text(yaml.safe_dump({"config": file}))
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        set_all_config(texts, secret)
        return settings.load()

    yield run
    set_all_config({}, [])


def test_the_program_reads_what_the_engine_hands_over(program: Program) -> None:
    """Sections arrive as JSON text, and a tag that looks like a number stays a text."""
    found = program(stack({"imageTag": "0.3", "service.server.replicas": 2}), [])

    assert found.image_tag == "0.3"
    assert found.service is not None
    assert found.service.server.replicas == 2


def test_the_program_stops_with_the_whole_report(program: Program) -> None:
    """A RunError is what the engine shows without a traceback."""
    with pytest.raises(pulumi.RunError, match="2 problems in"):
        program(stack({"imageTag": "latest", "service.server.memory": 1}), [])


def test_the_engines_decrypted_values_are_sealed(program: Program) -> None:
    """The engine hands plain values over; the stack file says which were encrypted."""
    file = stack({"service.runtime": "kubernetes", "secrets": {"A": ENCRYPTED, "B": "name/key", "C": ARN}})
    handed = stack({"service.runtime": "kubernetes", "secrets": {"A": SEEDED, "B": "name/key", "C": ARN}})
    found = program(handed, ["antgent:secrets"], file)

    assert [secret.kind for secret in found.secrets.values()] == ["value", "kubernetes", "aws"]
    assert found.secrets["A"].value == SecretStr(SEEDED)


def test_without_a_stack_file_everything_in_a_secret_section_is_sealed(program: Program) -> None:
    """With `--config-file` or an ESC environment nobody says which part is encrypted; an ARN is known to be none."""
    found = program(
        stack({"service.runtime": "ecs", "secrets": {"A": SEEDED, "B": ARN}}), ["antgent:secrets"]
    )

    assert [secret.kind for secret in found.secrets.values()] == ["value", "aws"]


def test_a_section_that_is_no_section_is_reported(program: Program) -> None:
    """Text in a section's place comes from a wrong `config set`, and is one more problem of the report."""
    with pytest.raises(pulumi.RunError, match="must be a section of keys and values"):
        program(stack({}) | {"antgent:build": "{image"}, [])


def test_an_encrypted_value_in_a_list_is_found(program: Program) -> None:
    """Encrypted values are sealed however deep they lie, and refused where none belongs."""
    file = stack({"verify.commands": ["true", ENCRYPTED]})
    with pytest.raises(pulumi.RunError, match=r"verify.commands\[1\]") as error:
        program(stack({"verify.commands": ["true", SEEDED]}), ["antgent:verify"], file)
    assert SEEDED not in str(error.value)


def test_a_plain_secret_is_refused_by_the_program(program: Program) -> None:
    """A value set without --secret stands in the file for all to read, so the program does not take it."""
    with pytest.raises(pulumi.RunError, match="never plain text") as error:
        program(stack({"secrets.A": SEEDED}), [], stack({"secrets.A": SEEDED}))
    assert SEEDED not in str(error.value)


def test_a_number_that_lost_its_zeros_is_refused_by_the_program(program: Program) -> None:
    """YAML reads 0.30 as 0.3, another release; the engine would hand over a text that looks right."""
    with pytest.raises(pulumi.RunError, match="put a number in quotes"):
        program(stack({"imageTag": "0.3"}), [], stack({"imageTag": 0.30}))


def test_a_secret_is_handed_on_as_a_pulumi_secret() -> None:
    """Only a secret Output keeps the value encrypted in state; a reference stays readable."""

    async def handed_on(secret: settings.Secret) -> tuple[bool, Any]:
        output = secret.output()
        return await output.is_secret(), await output.future()

    assert asyncio.run(handed_on(settings.Secret(value=SecretStr(SEEDED)))) == (True, SEEDED)
    assert asyncio.run(handed_on(settings.Secret(reference=ARN))) == (False, ARN)


def test_checking_imports_no_pulumi() -> None:
    """The check before a commit is quick: no engine, no SDK."""
    code = "import sys, settings.__main__; sys.exit('pulumi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_shipped_file_names_this_machine() -> None:
    """Stack files hold example values only."""
    for path in [*STACKS, ROOT / "Pulumi.yaml"]:
        assert not re.search(r"/work/|/root|/home/", path.read_text()), path
