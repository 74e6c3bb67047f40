"""Stack config on the real engine: what it hands over is read right, and the printed fixes really mend."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from sandbox.engine import Engine
from sandbox.engine_env import engine_env
from sandbox.paths import CHECKOUT, Home
from sandbox.pulumi_cli import Pulumi, PulumiError
from settings.stackfile import read
from tests.unit.settings_cases import stack

SEEDED = "hunter2-Zx9"
PROGRAM = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
import pulumi
import settings

stack = settings.load()
pulumi.export("tag", stack.image_tag)
pulumi.export("replicas", stack.service.server.replicas)
pulumi.export("tokens", {{name: secret.output() for name, secret in stack.secrets.items()}})
"""


@pytest.fixture
def pulumi(engine: Engine, tmp_path: Path) -> Pulumi:
    """A stack whose program does nothing but read its settings."""
    (tmp_path / "__main__.py").write_text(PROGRAM)
    project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (tmp_path / ".venv").symlink_to(CHECKOUT / ".venv")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    found = Pulumi(tmp_path, "dev", engine_env(engine, Home(tmp_path / "home")))
    found.stack_init()
    return found


def write(pulumi: Pulumi, changes: dict[str, Any]) -> Path:
    """Give the stack the small valid config with `changes`."""
    file = pulumi.project / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": stack(changes)}))
    return file


def test_a_wrong_stack_fails_with_the_whole_report_and_no_traceback(pulumi: Pulumi) -> None:
    """The one text a person sees: every problem, no Python, nothing registered, no secret."""
    write(pulumi, {"imageTag": "latest", "service.server.memory": 1, "secrets.TOKEN": SEEDED, "servce": {}})
    with pytest.raises(PulumiError) as error:
        pulumi.preview()

    said = str(error.value) + error.value.output
    assert "4 problems in Pulumi.dev.yaml; nothing was changed." in said
    assert "fix:   pulumi config set --secret --stack dev --path 'antgent:secrets.TOKEN'" in said
    assert "Traceback" not in said
    assert SEEDED not in said


def test_the_printed_fixes_mend_the_stack(pulumi: Pulumi) -> None:
    """Pulumi keeps the quotes of a value it overwrites and guesses types, so each kind of fix is really run."""
    file = write(
        pulumi,
        {
            "imageTag": 0.3,
            "imagetag": "v1",
            "build.contxt": "image",
            "service.server": {"replicas": "2", "cpu": "0.5", "command": "server", "memroy": 512},
            "service.ecs.exec": "yes",
            "service.environment": {"log-level": "5", "TOKEN": SEEDED},
            "verify": {"worker": {"address": "temporal:7233"}},
        },
    )
    env = {**os.environ, **pulumi.env}
    problems = settings.check(read(file), file=file.name, env={})
    for problem in problems:
        subprocess.run(
            problem.fix, shell=True, cwd=pulumi.project, env=env, input=SEEDED, text=True, check=True
        )

    assert len(problems) == 11
    assert settings.check(read(file), file=file.name, env={}) == []
    assert SEEDED not in file.read_text()


def test_an_encrypted_value_stays_encrypted_in_state(pulumi: Pulumi) -> None:
    """From `config set --secret` to the stack's state, the value is never plain; a reference beside it is."""
    write(pulumi, {"service.runtime": "kubernetes", "imageTag": "0.3", "service.server.replicas": 3})
    pulumi.config_set("antgent:secrets.ENCRYPTED", SEEDED, secret=True, path=True)
    pulumi.config_set("antgent:secrets.REFERENCE", "name/key", path=True)
    pulumi.up()

    assert SEEDED not in json.dumps(pulumi.export())
    assert pulumi.outputs(show_secrets=True) == {
        "tag": "0.3",
        "replicas": 3,
        "tokens": {"ENCRYPTED": SEEDED, "REFERENCE": "name/key"},
    }
