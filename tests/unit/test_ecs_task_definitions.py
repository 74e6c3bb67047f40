"""How the ECS emulator reads a task definition: secrets, images, limits, logs, settings."""

import re
from pathlib import Path

import pytest

from sandbox.ecs import containers, log_streams
from sandbox.ecs.containers import UnsupportedError
from sandbox.ecs.references import Reference, pulled, reference, split
from sandbox.ecs.settings import Settings
from sandbox.errors import SandboxError
from sandbox.paths import CHECKOUT

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/token-Ab12Cd"
PARAMETER = "arn:aws:ssm:eu-central-1:123456789012:parameter"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECRET, ("secretsmanager", SECRET, "", "", "")),
        (f"{SECRET}:key::", ("secretsmanager", SECRET, "key", "", "")),
        (f"{SECRET}:key:AWSPREVIOUS:", ("secretsmanager", SECRET, "key", "AWSPREVIOUS", "")),
        (f"{SECRET}:::9d4cb84b", ("secretsmanager", SECRET, "", "", "9d4cb84b")),
        (f"{PARAMETER}/app/key", ("ssm", "/app/key", "", "", "")),
        (f"{PARAMETER}/key", ("ssm", "key", "", "", "")),
        ("/app/key", ("ssm", "/app/key", "", "", "")),
    ],
)
def test_every_form_of_a_secret_s_reference_is_understood(text: str, expected: tuple[str, ...]) -> None:
    """Whole secret, key, version label, version id, parameter by ARN and by name: AWS takes all of them."""
    found = reference(text)
    assert (found.service, found.name, found.key, found.stage, found.version) == expected
    assert (found.account, found.region) == (
        ("123456789012", "eu-central-1") if text.startswith("arn") else ("", "")
    )


@pytest.mark.parametrize("text", [f"{SECRET}:key", f"{SECRET}:a:b:c:d", "arn:aws:s3:eu-central-1:1:bucket"])
def test_a_reference_that_aws_refuses_is_refused(text: str) -> None:
    """What works here and not at AWS would be found too late."""
    with pytest.raises(ValueError, match=r"ARN format|reference"):
        reference(text)


def test_a_reference_names_no_value() -> None:
    """References are printed in reasons; nothing of a secret may be part of one."""
    assert set(Reference("ssm", "", "", "x").__dict__) == {
        "service", "account", "region", "name", "key", "stage", "version"}  # fmt: skip


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:ab", "127.0.0.1:5000/app@sha256:ab"),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1", "127.0.0.1:5000/team/app:v1"),
        ("127.0.0.1:5000/app@sha256:ab", "127.0.0.1:5000/app@sha256:ab"),
        ("docker.io/library/nginx:1", "docker.io/library/nginx:1"),
    ],
)
def test_ecr_s_names_lead_to_the_sandbox_s_registry(image: str, expected: str) -> None:
    """Only ECR's: any other registry is asked itself, so a wrong name fails here as well."""
    assert pulled(image, "127.0.0.1:5000") == expected
    assert pulled(image, "") == image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("127.0.0.1:5000/app@sha256:ab", ("127.0.0.1:5000/app", "sha256:ab")),
        ("127.0.0.1:5000/app:v1", ("127.0.0.1:5000/app", "v1")),
        ("127.0.0.1:5000/app", ("127.0.0.1:5000/app", "latest")),
        ("127.0.0.1:5000/app:v1@sha256:ab", ("127.0.0.1:5000/app", "sha256:ab")),
    ],
)
def test_a_digest_wins_over_a_tag(image: str, expected: tuple[str, str]) -> None:
    """A release is known by its digest; its tag is decoration."""
    assert split(image) == expected


def test_limits_are_the_container_s_else_the_task_s() -> None:
    """Docker must enforce what Fargate would, and no more processors than there are."""
    both = {"override": {}, "environment": {}, "cpu": "4096", "memory": "512", "processors": 2}
    found = containers.options({"name": "app", "image": "x"}, **both)
    assert (found["mem_limit"], found["memswap_limit"], found["nano_cpus"]) == (
        512 << 20,
        512 << 20,
        2 * 10**9,
    )
    assert containers.options({"name": "app", "memory": 128}, **both)["mem_limit"] == 128 << 20


def test_only_a_health_check_of_the_task_definition_counts() -> None:
    """ECS ignores the image's own, so the emulator must switch it off."""
    assert containers.health_check(None) == {"test": ["NONE"]}
    found = containers.health_check({"command": ["curl -f localhost"], "startPeriod": 5})
    assert found == {"test": ["CMD-SHELL", "curl -f localhost"], "interval": 30 * 10**9, "timeout": 5 * 10**9,
                     "retries": 3, "start_period": 5 * 10**9}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"), [({}, 30), ({"stopTimeout": 2}, 2), ({"stopTimeout": 900}, 120)]
)
def test_a_stop_is_bounded(wanted: dict[str, int], expected: int) -> None:
    """Fargate waits 30 seconds by default and 120 at most."""
    assert containers.stop_seconds(wanted) == expected


def test_a_volume_starts_empty_unless_the_image_declares_it() -> None:
    """On Fargate an undeclared one is root's; Docker alone would copy the image's owner and hide that."""
    definition = {"mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp"}]}
    for declared, empty in ((["/tmp"], False), ([], True)):
        (mount,) = containers.mounts(definition, {"tmp": "ecs-1-tmp"}, declared)
        assert mount.get("VolumeOptions", {}).get("NoCopy", False) is empty


def test_all_that_is_not_emulated_is_named_at_once() -> None:
    """Left out silently, it would be believed to work."""
    definition = {
        "name": "app",
        "dependsOn": [{"containerName": "x"}],
        "logConfiguration": {"logDriver": "splunk"},
    }
    with pytest.raises(UnsupportedError) as refused:
        containers.check([definition], [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}])
    for word in ("dependsOn", "splunk", "efsVolumeConfiguration"):
        assert word in str(refused.value)
    containers.check([{"name": "app", "volumesFrom": [], "logConfiguration": {"logDriver": "awslogs"}}], [])


def test_a_hosts_file_s_names_come_from_json(tmp_path: Path) -> None:
    """A name that a stack file has must lead to the sandbox; a broken file is said, not skipped."""
    file = tmp_path / "names.json"
    assert containers.hosts(None) == containers.hosts(file) == {}
    file.write_text('{"temporal.example.com": "10.0.0.1"}')
    assert containers.hosts(file) == {"temporal.example.com": "10.0.0.1"}
    file.write_text("[1]")
    with pytest.raises(UnsupportedError, match="no JSON object"):
        containers.hosts(file)


def test_a_log_line_keeps_its_time_and_its_spaces() -> None:
    """Docker's nanoseconds become CloudWatch's milliseconds; the text is untouched."""
    assert log_streams.parse("2026-01-02T03:04:05.678901234Z   two  words") == (1767323045678, "  two  words")
    assert log_streams.parse("no time")[1] == "no time"


def test_without_a_docker_engine_nothing_acts() -> None:
    """Plain moto then, which says so."""
    assert Settings.from_environment({}, "h") is None
    found = Settings.from_environment({"DOCKER_HOST": "unix:///x", "ANTGENT_ECS_SETTLE": "0.5"}, "h")
    assert found is not None
    assert (found.settle, found.interval) == (0.5, 0.3)


@pytest.mark.parametrize("text", ["soon", "-1"])
def test_a_setting_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    """With its name and what to do."""
    with pytest.raises(SandboxError, match="ANTGENT_ECS_BAKE"):
        Settings.from_environment({"DOCKER_HOST": "unix:///x", "ANTGENT_ECS_BAKE": text}, "h")


def test_the_readme_names_tests_that_exist() -> None:
    """A table of behaviours is worth as much as the tests that it points to."""
    rows = [line.split("|") for line in (CHECKOUT / "sandbox/ecs/README.md").read_text().splitlines()]
    files = [
        "engine/test_ecs_emulator",
        "unit/test_ecs_arithmetic",
        "unit/test_ecs_task_definitions",
        "unit/test_ecs_verdicts",
    ]
    text = "".join((CHECKOUT / f"tests/{one}.py").read_text() for one in files)
    named = [name for row in rows if len(row) == 5 for name in re.findall(r"`([a-z]\w*_\w+)", row[2])]
    assert len(named) > 20
    assert [name for name in named if f"def test_{name}" not in text] == []
