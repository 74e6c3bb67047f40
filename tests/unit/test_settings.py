"""Stack config: what is wrong is said at once, with its fix, and nothing secret is ever said."""

import random
import string
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

import settings
from settings.catalogue import all_paths
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


def service(changes: dict[str, Any], **env: str) -> settings.Service:
    """The service section of the base stack with `changes`."""
    found = parse(changes, **env).service
    assert found is not None
    return found


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
        "    fix:   pulumi config rm --stack dev --path 'antgent:service.server.replicas'"
        " && pulumi config set --stack dev --path 'antgent:service.server.replicas' 2"
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
    {"service.environment.auth_header": SEEDED},
    {"service.environment.A": f"postgres://me:{SEEDED}@db/${{"},
    {"registry.servr": f"https://me:{SEEDED}@host"},
    {"registry.server": f"https://me:{SEEDED}@host"},
    {"verify.commands": f"curl https://me:{SEEDED}@host"},
    {"secret": {"A": SEEDED, "B": SEEDED}, "secrets.C": ENCRYPTED},
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


def test_every_key_is_described_with_its_default() -> None:
    """No key without a description, and each says what happens when it is left out."""
    for path, field in all_paths().items():
        assert field.description, path
        if len(path) > 1 and path[1] not in ("docker", "kubernetes", "ecs"):
            says_default = "Defaults to" in field.description or "No default" in field.description
            assert says_default, path


def test_defaults_are_what_the_descriptions_promise() -> None:
    """A stack with nothing but the necessary runs a sane, small service."""
    found = service({})

    assert (found.server.cpu, found.server.memory, found.server.replicas) == (0.5, 1024, 1)
    assert (found.server.port, found.server.health.path) == (8080, "/metrics")
    assert (found.docker.publish.address, found.docker.publish.port) == ("127.0.0.1", 8080)
    assert found.rollout.deadline == 300


def test_settings_cannot_be_changed() -> None:
    """What was checked is what is used."""
    with pytest.raises(ValidationError):
        parse({}).image_tag = "v2"  # ty: ignore[invalid-assignment]


def test_the_runtime_chooses_its_options() -> None:
    """A stack may carry several runtimes' options; only its own runtime's are used, all are checked."""
    both = {"service.docker.publish.port": 9000, "service.kubernetes.namespace": "blue"}

    docker, kubernetes = service(both), service(both | {"service.runtime": "kubernetes"})

    assert isinstance(docker, settings.DockerRuntime)
    assert docker.options.publish.port == 9000
    assert isinstance(kubernetes, settings.KubernetesRuntime)
    assert kubernetes.options.namespace == "blue"
    assert isinstance(service({"service.runtime": "ecs"}), settings.EcsRuntime)


def test_plain_settings_become_the_text_a_process_sees() -> None:
    """`pulumi config set` stores true and 5 as boolean and number; a variable is text."""
    values = {"service.environment.A": True, "service.environment.B": 5, "service.environment.C": "0.30"}

    assert service(values).environment == {"A": "true", "B": "5", "C": "0.30"}


def test_a_variable_of_the_environment_is_filled_in() -> None:
    """Addresses that only the machine knows stay out of the stack file; `$${` is a plain `${`."""
    changes = {"registry.server": "${HOST}:${PORT}", "service.environment.A": "$${HOST}"}

    assert parse(changes, HOST="h", PORT="1").repository == "h:1/antgent"
    assert service(changes, HOST="h", PORT="1").environment == {"A": "${HOST}"}


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
    empty = {"verify": None, "promoteFrom": "", "service.server": None, "service.worker": {"cpu": None}}

    assert (parse(empty).verify, parse(empty).promote_from) == (None, None)
    assert service(empty).server.memory == 1024


def test_a_misspelt_namespace_is_named() -> None:
    """A key that no program reads would be ignored in silence; keys of providers are none of our business."""
    config = stack({}) | {"antgnt:imageTag": "v2", "aws:region": "eu-west-1", "docker:host": "x"}
    found = settings.check(config, file=FILE, env={})

    assert [(problem.key, "antgent:imageTag" in problem.rule) for problem in found] == [
        ("antgnt:imageTag", True)
    ]


SCALARS = [
    *(None, True, 0, -1, 2**70, 10**5000, 0.5, float("nan"), float("inf"), "", "docker", "ecs", "external"),
    *("${", "${A}", "$${A}", "v1", ARN, "\x00\ud800", "x" * 500, "a/b", SecretStr("s"), ENCRYPTED, object()),
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
        choice = self.random.random()
        if depth < 6 and choice < 0.5:
            return {self.key(): self.value(depth + 1) for _ in range(self.random.randrange(4))}
        if depth < 6 and choice < 0.6:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return self.random.choice(SCALARS)

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


def test_the_base_of_these_tests_is_valid() -> None:
    """The cases change one thing; what they change must be right before."""
    assert problems({}) == []
    assert set(BASE) == {"imageTag", "registry", "service"}
