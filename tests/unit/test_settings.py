"""Stack config: what is wrong is said at once, with its fix, and nothing secret is ever said."""

import json
import random
import re
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config
from pydantic import SecretStr, ValidationError

import settings
from settings import __main__ as command
from settings.catalogue import all_paths
from settings.reference import project_config
from settings.schema import schema
from settings.stackfile import StackFileError, read
from tests.unit.settings_cases import ARN, BASE, CASES, ENCRYPTED, Case, stack

ROOT = Path(__file__).parents[2]
STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))
FILE = "Pulumi.dev.yaml"


def parse(changes: dict[str, Any], **env: str) -> settings.Settings:
    """The settings of the base stack with `changes`."""
    return settings.parse(stack(changes), file=FILE, env=env)


def problems(changes: dict[str, Any], **env: str) -> list[settings.Problem]:
    """What is wrong with the base stack with `changes`."""
    return settings.check(stack(changes), file=FILE, env=env, require_env=True)


def refused(changes: dict[str, Any], **env: str) -> str:
    """The report on the base stack with `changes`."""
    with pytest.raises(settings.SettingsError) as error:
        parse(changes, **env)
    return str(error.value)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_config_that_keeps_the_rule_is_accepted(case: Case) -> None:
    """Protects from rules that refuse what is right."""
    assert problems(case.good) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_config_that_breaks_the_rule_is_reported_once(case: Case) -> None:
    """Protects the report: the right key, the rule in words, a fix, and no second complaint about the same."""
    found = problems(case.bad)
    at_key = [problem for problem in found if problem.key == f"antgent:{case.key}"]

    assert len(at_key) == 1, found
    assert case.says in at_key[0].rule
    assert at_key[0].fix
    assert at_key[0].file == FILE


def test_all_problems_come_in_one_report() -> None:
    """Nobody has to run `up` once for each mistake: every case's problem is there when all are made together."""
    wrong = {
        "imageTag": "latest",
        "imagetag": "v1",
        "build": {"contxt": "x"},
        "promoteFrom": "dev",
        "service.runtime": "dokcer",
        "service.server": {"replicas": "2", "memory": 1, "autoscaling": {"min": 5, "max": "x"}},
        "service.worker.memroy": 512,
        "service.environment": {"lower": "x", "A": "${NOWHERE}"},
        "secrets": {"TOKEN": "hunter2"},
        "override": {"reason": "x"},
    }
    keys = {problem.key.removeprefix("antgent:") for problem in problems(wrong)}

    assert keys == {
        "imageTag",
        "imagetag",
        "build",
        "build.contxt",
        "promoteFrom",
        "service.runtime",
        "service.server.replicas",
        "service.server.memory",
        "service.server.autoscaling.max",
        "service.worker.memroy",
        "service.environment.lower",
        "service.environment.A",
        "secrets.TOKEN",
        "override.reason",
        "override.by",
    }


def test_the_report_names_file_key_rule_value_and_fix() -> None:
    """The report's form: what a person needs to mend the file without looking anything up."""
    assert refused({"service.server.memory": 8, "service.server.replicas": "2"}) == (
        "2 problems in Pulumi.dev.yaml; nothing was changed.\n"
        "\n"
        "Pulumi.dev.yaml: antgent:service.server.memory\n"
        "    rule:  must be at least 16\n"
        "    value: 8\n"
        "    fix:   pulumi config set --stack dev --path 'antgent:service.server.memory' 16\n"
        "\n"
        "Pulumi.dev.yaml: antgent:service.server.replicas\n"
        "    rule:  must be a whole number, without quotes\n"
        '    value: "2"\n'
        "    fix:   pulumi config set --stack dev --path 'antgent:service.server.replicas' 2"
    )


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"imageTag": 0.3}, "pulumi config set --stack dev 'antgent:imageTag' 0.3"),
        ({"service.server.cpu": "0.5"}, "--type float 0.5"),
        ({"service.docker.host": 5}, "pulumi config rm --stack dev --path 'antgent:service.docker.host'"),
        ({"service.environment.a": "5"}, "'antgent:service.environment.A' --type string 5"),
        ({"service.environment.A": 1.0}, "'antgent:service.environment.A' 1.0"),
        (
            {"service.server.memroy": 512},
            "rm --stack dev --path 'antgent:service.server.memroy' && pulumi config set",
        ),
        ({"secrets.A": "x"}, "pulumi config set --secret --stack dev --path 'antgent:secrets.A'"),
        ({"service.environment.X_KEY": "x"}, "--secret --stack dev --path 'antgent:secrets.X_KEY'"),
        ({"service.environment.A": "${SANDBOX_A} ${B}"}, 'eval "$(make -s env)" && export B=…'),
        ({"service.kubernetes.imagePullSecret": "A"}, "--plaintext antgent"),
        ({'service.environment.a"b': "x"}, """'antgent:service.environment["a\\"b"]'"""),
        ({"service.environment.it's": "x"}, """'antgent:service.environment["it'"'"'s"]'"""),
    ],
)
def test_the_fix_is_a_command_to_paste(changes: dict[str, Any], fix: str) -> None:
    """The command has the type, the quoting and the flags that `pulumi config set` needs."""
    assert fix in problems(changes)[0].fix


SEEDED = "hunter2-Zx9"
SEEDS = [
    {"secrets.ANTGENT_SERVER__TOKEN": SEEDED},
    {"secrets": SEEDED},
    {"secrets": [SEEDED]},
    {"secrets.lower": SEEDED},
    {"secrets.A": {"deep": SEEDED}},
    {"secrets.A": SecretStr(SEEDED), "imageTag": "latest"},
    {"secrets.A": f"{SEEDED}${{B}}"},
    {"secrets.A": f"{SEEDED}${{"},
    {"secret": {"A": SEEDED}},
    {"secretss": SEEDED},
    {"Secrets.A": SEEDED},
    {"whatever": SEEDED},
    {"imageTag": SecretStr(SEEDED)},
    {"service.environment.ANTGENT_SERVER__TOKEN": SEEDED},
    {"service.environment.antgent_api_key": SEEDED},
    {"service.environment.DB": f"postgres://me:{SEEDED}@db"},
    {"service.environment.db": f"postgres://me:{SEEDED}@db"},
    {"service.environment.A": SecretStr(SEEDED)},
    {"service.environment.A_KEY": [SEEDED]},
    {"service.enviroment": {"A_KEY": SEEDED}},
    {"service.enviroment.token": SEEDED},
    {"service.token": SEEDED},
    {"service.tokens.x": SEEDED},
    {"service.server.health.headers.Authorization": SEEDED},
    {"service.server.health.headers": {"X-Api-Key": [SEEDED]}},
    {"registry.username": "x", "registry.password": SEEDED},
    {"registry.pasword": SEEDED},
    {"build.args.TOKEN": SEEDED},
    {"build.args": {"TOKEN": [SEEDED]}},
    {"imageTag": "${TOKEN} x"},
]


@pytest.mark.parametrize("changes", SEEDS, ids=lambda changes: "-".join(changes))
def test_a_secret_is_never_in_the_report(changes: dict[str, Any]) -> None:
    """However wrong the file, a secret stays out of the report and so out of logs."""
    assert SEEDED not in refused(changes, TOKEN=SEEDED)


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    """Printing the settings while looking for a bug shows no secret."""
    found = parse(
        {"secrets.A": SecretStr(SEEDED), "registry.username": "x", "registry.password": "${P}"}, P=SEEDED
    )

    assert SEEDED not in repr(found) + str(found) + found.model_dump_json(fallback=str)


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


def test_every_key_is_described_with_its_default() -> None:
    """No key without a description, and each says what happens when it is left out."""
    for path, field in all_paths().items():
        assert field.description, path
        if len(path) > 1 and path[1] not in ("docker", "kubernetes", "ecs"):
            says_default = "Defaults to" in field.description or "No default" in field.description
            assert says_default, path


def test_defaults_are_what_the_descriptions_promise() -> None:
    """A stack with nothing but the necessary runs a sane, small service."""
    service = parse({}).service

    assert service is not None
    assert (service.server.cpu, service.server.memory, service.server.replicas) == (0.5, 1024, 1)
    assert (service.server.port, service.server.health.path) == (8080, "/metrics")
    assert (service.docker.publish.address, service.docker.publish.port) == ("127.0.0.1", 8080)
    assert service.rollout.deadline == 300


def test_settings_cannot_be_changed() -> None:
    """What was checked is what is used."""
    with pytest.raises(ValidationError):
        parse({}).image_tag = "v2"  # ty: ignore[invalid-assignment]


def test_the_runtime_chooses_its_options() -> None:
    """A stack may carry several runtimes' options; only its own runtime's are used, all are checked."""
    both = {"service.docker.publish.port": 9000, "service.kubernetes.namespace": "blue"}

    assert parse(both).service.options.publish.port == 9000
    assert parse(both | {"service.runtime": "kubernetes"}).service.options.namespace == "blue"
    assert parse({"service.runtime": "ecs"}).service.options.capacity == "fargate"


def test_plain_settings_become_the_text_a_process_sees() -> None:
    """`pulumi config set` stores true and 5 as boolean and number; a variable is text."""
    values = {"service.environment.A": True, "service.environment.B": 5, "service.environment.C": "0.30"}

    assert parse(values).service.environment == {"A": "true", "B": "5", "C": "0.30"}


def test_a_variable_of_the_environment_is_filled_in() -> None:
    """Addresses that only the machine knows stay out of the stack file; `$${` is a plain `${`."""
    found = parse(
        {"registry.server": "${HOST}:${PORT}", "service.environment.A": "$${HOST}"}, HOST="h", PORT="1"
    )

    assert found.repository == "h:1/antgent"
    assert found.service.environment == {"A": "${HOST}"}


def test_a_secret_may_come_from_the_environment() -> None:
    """CI hands a secret over without a file that holds it."""
    secret = parse({"secrets.A": "${TOKEN}"}, TOKEN="t").secrets["A"]

    assert secret.kind == "value"
    assert secret.value == SecretStr("t")


def test_the_kinds_of_secrets_are_told_apart() -> None:
    """A component must know whether it holds a value or where to find one."""
    found = parse(
        {"service.runtime": "kubernetes", "secrets": {"A": ARN, "B": "name/key", "C": ENCRYPTED}}
    ).secrets

    assert [secret.kind for secret in found.values()] == ["aws", "kubernetes", "value"]
    assert found["A"].reference == ARN


@pytest.mark.parametrize(
    ("env", "changes", "host"),
    [
        ({}, {}, "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": "tcp://a:1"}, {}, "tcp://a:1"),
        ({"DOCKER_HOST": "tcp://a:1"}, {"service.docker.host": "tcp://b:2"}, "tcp://b:2"),
        ({"DOCKER_HOST": "tcp://a:1"}, {"service": None, "build": {}}, "tcp://a:1"),
    ],
)
def test_the_docker_engine_is_the_configured_one_else_the_environments(
    env: dict, changes: dict, host: str
) -> None:
    """Builds and containers use one engine, also in a stack that only builds."""
    assert parse(changes, **env).docker_host == host


def test_an_empty_key_counts_as_absent() -> None:
    """A section whose lines are all commented out is not an error."""
    found = parse(
        {"verify": None, "promoteFrom": "", "service.server": None, "service.worker": {"cpu": None}}
    )

    assert (found.verify, found.promote_from) == (None, None)
    assert found.service.server.memory == 1024


def test_a_misspelt_namespace_is_named() -> None:
    """A key that no program reads would be ignored in silence; keys of providers are none of our business."""
    config = stack({}) | {"antgnt:imageTag": "v2", "aws:region": "eu-west-1", "docker:host": "x"}
    found = settings.check(config, file=FILE, env={})

    assert [(problem.key, "antgent:imageTag" in problem.rule) for problem in found] == [
        ("antgnt:imageTag", True)
    ]


class Anything:
    """Random values as JSON and YAML know them, biased to what config holds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys = [str(path[-1]) for path in all_paths()] + [
            "runtime",
            "kind",
            "secure",
            "A",
            "a b",
            "",
            '"',
            "0",
        ]

    def value(self, depth: int = 0) -> Any:
        """Any value, at most six levels deep."""
        scalars = [
            None,
            True,
            0,
            -1,
            2**70,
            10**5000,
            0.5,
            float("nan"),
            float("inf"),
            "",
            "docker",
            "ecs",
            "external",
        ]
        texts = [
            "${",
            "${A}",
            "$${A}",
            "v1",
            ARN,
            "\x00\ud800",
            "x" * 500,
            "a/b",
            SecretStr("s"),
            ENCRYPTED,
            object(),
        ]
        choice = self.random.random()
        if depth < 6 and choice < 0.5:
            return {self.key(): self.value(depth + 1) for _ in range(self.random.randrange(4))}
        if depth < 6 and choice < 0.6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return self.random.choice(scalars + texts)

    def key(self) -> Any:
        """A known key, or any other, or one of another type."""
        choices = [self.random.choice(self.keys)] * 8 + [
            "".join(self.random.choices(string.printable, k=5)),
            7,
            None,
        ]
        return self.random.choice(choices)

    def config(self) -> dict[Any, Any]:
        """A whole config, its sections often in the right place."""
        sections = {f"antgent:{path[0]}": self.value() for path in all_paths() if self.random.random() < 0.4}
        if self.random.random() < 0.5:
            sections["antgent:service"] = {"runtime": self.random.choice(["docker", "kubernetes", "ecs"])} | {
                str(path[1]): self.value(1)
                for path in all_paths()
                if path[0] == "service" and path[1:] and self.random.random() < 0.1
            }
        return sections | {self.key(): self.value()}


def test_no_input_makes_anything_but_a_report() -> None:
    """A strange file ends in a report, never in a traceback."""
    anything = Anything(seed=20261122)
    for _ in range(150):
        config = anything.config()
        report = [str(problem) for problem in settings.check(config, file=FILE, env={"A": "value"})]
        assert all(report)


def test_deep_nesting_is_a_problem_not_a_crash() -> None:
    """A file made to exhaust the stack is refused like any other."""
    deep: Any = "x"
    for _ in range(5000):
        deep = {"a": deep}

    with pytest.raises(settings.SettingsError, match="nested deeper"):
        settings.parse(stack({}) | {"antgent:verify": deep}, file=FILE, env={})


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
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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


def test_the_program_reads_what_the_engine_hands_over(program) -> None:
    """Sections arrive as JSON text, and a tag that looks like a number stays a text."""
    found = program(stack({"imageTag": "0.3", "service.server.replicas": 2}), [])

    assert found.image_tag == "0.3"
    assert found.service.server.replicas == 2


def test_the_program_stops_with_the_whole_report(program) -> None:
    """A RunError is what the engine shows without a traceback."""
    with pytest.raises(pulumi.RunError, match="2 problems in"):
        program(stack({"imageTag": "latest", "service.server.memory": 1}), [])


def test_the_engines_decrypted_values_are_sealed(program) -> None:
    """The engine hands plain values over; the stack file says which were encrypted."""
    file = stack({"service.runtime": "kubernetes", "secrets": {"A": ENCRYPTED, "B": "name/key", "C": ARN}})
    handed = stack({"service.runtime": "kubernetes", "secrets": {"A": SEEDED, "B": "name/key", "C": ARN}})
    found = program(handed, ["antgent:secrets"], file)

    assert [secret.kind for secret in found.secrets.values()] == ["value", "kubernetes", "aws"]
    assert found.secrets["A"].value.get_secret_value() == SEEDED


def test_without_a_stack_file_everything_in_a_secret_section_is_sealed(program) -> None:
    """With `--config-file` or an ESC environment nobody says which part is encrypted; an ARN is known to be none."""
    found = program(
        stack({"service.runtime": "ecs", "secrets": {"A": SEEDED, "B": ARN}}), ["antgent:secrets"]
    )

    assert [secret.kind for secret in found.secrets.values()] == ["value", "aws"]


def test_a_plain_secret_is_refused_by_the_program(program) -> None:
    """A value set without --secret stands in the file for all to read, so the program does not take it."""
    with pytest.raises(pulumi.RunError, match="never plain text") as error:
        program(stack({"secrets.A": SEEDED}), [], stack({"secrets.A": SEEDED}))
    assert SEEDED not in str(error.value)


def test_a_number_that_lost_its_zeros_is_refused_by_the_program(program) -> None:
    """YAML reads 0.30 as 0.3, another release; the engine would hand over a text that looks right."""
    with pytest.raises(pulumi.RunError, match="put a number in quotes"):
        program(stack({"imageTag": "0.3"}), [], stack({"imageTag": 0.30}))


def test_a_secret_is_handed_on_as_a_pulumi_secret() -> None:
    """Only a secret Output keeps the value encrypted in state."""
    value = parse({"secrets.A": SecretStr(SEEDED)}).secrets["A"].output()
    reference = parse({"service.runtime": "ecs", "secrets.A": ARN}).secrets["A"].output()

    assert pulumi.runtime.sync_await is not None
    assert _await(value.is_secret()) is True
    assert _await(value.future()) == SEEDED
    assert _await(reference.is_secret()) is False


def _await(awaitable: Any) -> Any:
    import asyncio

    return asyncio.get_event_loop().run_until_complete(awaitable)


def test_checking_imports_no_pulumi() -> None:
    """The check before a commit is quick: no engine, no SDK."""
    code = "import sys, settings.__main__; sys.exit('pulumi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_no_shipped_file_names_this_machine() -> None:
    """Stack files hold example values only."""
    for path in [*STACKS, ROOT / "Pulumi.yaml"]:
        assert not re.search(r"/work/|/root|/home/", path.read_text()), path


def test_the_base_of_these_tests_is_valid() -> None:
    """The cases change one thing; what they change must be right before."""
    assert problems({}) == []
    assert set(BASE) == {"imageTag", "registry", "service"}
