"""Every document that the program hands to AWS: IAM statements, and what a registry removes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from components import ecs_documents as ecs
from components import github_policies as github
from components import registry_policies as registry
from components.ecs_logs import FireLensArgs, routed, router
from components.errors import ArgumentError
from components.service import HealthArgs, ServerArgs, WorkerArgs
from sandbox.paths import CHECKOUT

REPOSITORY = "arn:aws:ecr:eu-west-1:111122223333:repository/antgent"
LOGS = "arn:aws:logs:eu-west-1:222233334444:log-group:antgent-logs-1a2b3c4"
SECRET = "arn:aws:secretsmanager:eu-west-1:222233334444:secret:antgent/staging/token"
PARAMETER = "arn:aws:ssm:eu-west-1:222233334444:parameter/antgent/key"
ELB = "arn:aws:elasticloadbalancing:eu-west-1:222233334444"

POLICIES: dict[str, dict[str, Any]] = {
    "read": registry.access_policy([REPOSITORY], registry.READ_ACTIONS),
    "push": registry.access_policy([REPOSITORY], registry.PUSH_ACTIONS),
    "pull from other accounts": registry.pull_policy(["222233334444", "333344445555"]),
    "execution": ecs.execution_policy(
        repository=REPOSITORY, log_group=LOGS, secrets=[ecs.secret_resource(SECRET), PARAMETER]
    ),
    "trust": ecs.assume_policy("222233334444"),
    "exec": ecs.exec_policy(LOGS),
    "shift": ecs.shift_policy(
        listeners=[f"{ELB}:listener/app/1", f"{ELB}:listener-rule/app/1"], targets=[f"{ELB}:targetgroup/1"]
    ),
}
WIDE_BECAUSE = {
    ("shift", "SeeLoadBalancers"): "blue-green only; AWS knows no resources for reading load balancers",
    ("read", "Login"): "a login is for the whole registry: AWS knows no resource for it",
    ("push", "Login"): "a login is for the whole registry: AWS knows no resource for it",
    ("execution", "Login"): "a login is for the whole registry: AWS knows no resource for it",
    (
        "exec",
        "ExecuteCommand",
    ): "off by default; AWS knows no resources for ssmmessages and DescribeLogGroups",
}
"""Every statement for all resources, with the reason why it cannot be narrower."""


def listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def statements() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, document in POLICIES.items():
        for one in document["Statement"]:
            yield name, one


def test_every_policy_of_the_program_is_looked_at() -> None:
    """A new document must come into this file, or into the other one that tests policies."""
    written = {
        name
        for module in (ecs, registry, github)
        for name, one in vars(module).items()
        if name.endswith("_policy") and one.__module__ == module.__name__
    }
    here = {
        "access_policy", "assume_policy", "exec_policy", "execution_policy", "pull_policy", "shift_policy",
    }  # fmt: skip
    assert written == here | {"deploy_policy", "preview_policy", "trust_policy"}
    tested = (CHECKOUT / "tests/unit/test_github_roles.py").read_text()
    assert all(name in tested for name in written - here)
    elsewhere = [
        file.name
        for file in (CHECKOUT / "components").glob("*.py")
        if '"Statement"' in file.read_text() and file.stem not in ("registry_policies", "ecs_documents")
    ]
    assert elsewhere == []


def test_only_named_statements_reach_every_resource() -> None:
    """A wildcard resource is a mistake until its reason stands in this file."""
    wide = {(name, one.get("Sid")) for name, one in statements() if "*" in listed(one.get("Resource"))}
    assert wide == WIDE_BECAUSE.keys()


def test_by_default_a_wildcard_is_for_the_login_alone() -> None:
    """What the program grants by default is this repository, this log group and these secrets."""
    for name, one in statements():
        if name not in ("exec", "shift") and "*" in listed(one.get("Resource")):
            assert one["Action"] == "ecr:GetAuthorizationToken"


def test_no_action_and_no_principal_has_a_wildcard() -> None:
    """`ecr:*` would grow with every feature AWS adds."""
    for name, one in statements():
        assert not [action for action in listed(one["Action"]) if "*" in action], name
        for principal in one.get("Principal", {}).values():
            assert not [who for who in listed(principal) if "*" in who], name


def test_a_resource_narrower_than_all_is_wide_below_one_name_only() -> None:
    """The streams of one workload, the unknown six characters of one secret; nothing else."""
    for _, one in statements():
        for resource in listed(one.get("Resource")):
            bare = resource.removesuffix("*").removesuffix("-??????")
            assert "*" not in bare
            assert "?" not in bare
            assert resource == "*" or len(resource.split(":")) >= 6


def test_a_role_is_taken_by_the_service_for_this_account_only() -> None:
    """Another account's tasks must not be able to use the role through the service."""
    (trust,) = POLICIES["trust"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "222233334444"}}


def test_execution_may_read_only_what_the_tasks_need() -> None:
    """Without secrets there is no permission to read any, and without ECR none to pull."""
    document = ecs.execution_policy(repository=None, log_group=LOGS, secrets=[])
    assert [one["Sid"] for one in document["Statement"]] == ["WriteLogs"]


@pytest.mark.parametrize(
    ("reference", "resource"),
    [
        (SECRET, f"{SECRET}-??????"),
        (f"{SECRET}-Ab12Cd", f"{SECRET}-Ab12Cd"),
        (f"{SECRET}-Ab12Cd:key::", f"{SECRET}-Ab12Cd"),
        (f"{SECRET}:key:AWSCURRENT:", f"{SECRET}-??????"),
        (PARAMETER, PARAMETER),
    ],
)
def test_a_secret_is_named_as_iam_knows_it(reference: str, resource: str) -> None:
    """A partial ARN, or one with a JSON key, would deny the read and the task would never start."""
    assert ecs.secret_resource(reference) == resource


@pytest.mark.parametrize(
    ("reference", "arn"),
    [
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/antgent@sha256:00", REPOSITORY),
        (
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/team/app:v1",
            "arn:aws-cn:ecr:cn-north-1:111122223333:repository/team/app",
        ),
        ("127.0.0.1:5000/antgent@sha256:00", None),
        ("docker.io/antgent@sha256:00", None),
    ],
)
def test_the_repository_of_an_image_is_known_from_its_host(reference: str, arn: str | None) -> None:
    """An image from anywhere but ECR needs no permission to pull."""
    assert ecs.repository_arn(reference) == arn


RELEASES = [f"v0.{minor}.{patch}" for minor in range(4) for patch in range(15)]
"""Tags as `antgent:imageTag` has them, the oldest first."""


def expired(policy: Mapping[str, Any], images: Sequence[tuple[str | None, int]]) -> list[str | None]:
    """What ECR removes: each image by the first rule that takes it.

    Args:
        images: tag (None for an untagged one) and age in days, the oldest first.
    """
    gone: list[str | None] = []
    for rule in policy["rules"]:
        selection = rule["selection"]
        chosen = [
            (tag, age)
            for tag, age in images
            if (tag is None and selection["tagStatus"] in ("untagged", "any"))
            or (tag is not None and registry.matches(tag, selection))
        ]
        if selection["countType"] == "sinceImagePushed":
            taken = [tag for tag, age in chosen if age > selection["countNumber"]]
        else:
            taken = [tag for tag, _ in chosen[: -selection["countNumber"]]]
        gone += [tag for tag in taken if tag is None or tag not in gone]
    return gone


def test_a_release_is_never_removed_for_its_age() -> None:
    """Production may run a release for years, and go back to the one before."""
    ten_years = [(tag, 3650) for tag in RELEASES[:50]]
    assert expired(registry.release_rules(50), ten_years) == []


def test_only_releases_beyond_the_count_are_removed() -> None:
    """The newest stay, the oldest go."""
    gone = expired(registry.release_rules(50), [(tag, 1) for tag in RELEASES])
    assert gone == RELEASES[:10]


def test_untagged_images_and_build_cache_expire_and_count_as_no_release() -> None:
    """They must not push a release out."""
    litter: list[tuple[str | None, int]] = [(None, 15), ("buildcache", 15), ("cache-main", 15), (None, 1)]
    gone = expired(registry.release_rules(50), [*litter, *[(tag, 100) for tag in RELEASES[:50]]])
    assert gone == [None, "buildcache", "cache-main"]


def test_a_tag_that_is_no_version_stays() -> None:
    """`antgent:imageTag` takes other names than v1.2.3; they are kept rather than lost."""
    images: list[tuple[str | None, int]] = [("hotfix-7", 3650), ("0.3.2", 3650)]
    assert expired(registry.release_rules(10), images) == []


def test_a_release_whose_tag_the_rules_would_remove_is_refused() -> None:
    """An image named like build cache would vanish under the environment that runs it."""
    with pytest.raises(ArgumentError, match=r"rule 2 .* removes cache-7 14 days after"):
        registry.check_release_tag("cache-7", registry.release_rules(50))
    with pytest.raises(ArgumentError, match="removes v1"):
        registry.check_release_tag("v1", registry.development_rules(14))
    registry.check_release_tag("v0.3.2", registry.release_rules(50))


def test_a_registry_that_keeps_too_few_releases_is_refused() -> None:
    """Three releases in a morning must not take yesterday's away."""
    with pytest.raises(ArgumentError, match="at least 10"):
        registry.release_rules(3)


def test_development_builds_expire() -> None:
    """Nobody goes back to a branch of last month."""
    assert expired(registry.development_rules(14), [("my-branch", 15), (None, 15), ("new", 1)]) == [
        "my-branch",
        None,
    ]


def server(**more: Any) -> dict[str, Any]:
    health = HealthArgs(command=("/app", "healthcheck"), interval=1, timeout=1, retries=2, start_period=600)
    return ecs.container(
        "server",
        ServerArgs(health=health, stop_grace=60),
        image="registry.example.com/antgent@sha256:00",
        environment={"B": "2", "A": "1"},
        secrets={"Z": SECRET, "Y": PARAMETER},
        logs={"awslogs-group": "logs"},
        **more,
    )


def test_a_container_is_confined() -> None:
    """Not root, nothing to write to but /tmp, no capabilities, and time to finish."""
    definition = server()
    assert (definition["user"], definition["readonlyRootFilesystem"]) == ("10001:10001", True)
    assert definition["linuxParameters"]["initProcessEnabled"]
    assert definition["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
    assert definition["stopTimeout"] == 60


def test_a_container_is_written_as_aws_gives_it_back() -> None:
    """Any other order or a missing empty list would show as a change at every preview."""
    definition = server()
    assert [one["name"] for one in definition["environment"]] == ["A", "B"]
    assert [one["name"] for one in definition["secrets"]] == ["Y", "Z"]
    assert definition["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert definition["systemControls"] == definition["volumesFrom"] == []
    assert definition["essential"] is True


def test_a_health_check_stays_within_the_bounds_of_ecs() -> None:
    """ECS refuses an interval below 5 seconds; other runtimes take one second."""
    check = server()["healthCheck"]
    assert (check["interval"], check["timeout"], check["retries"], check["startPeriod"]) == (5, 2, 2, 300)


def test_fluent_bit_takes_logs_elsewhere_and_keeps_its_own_in_the_group() -> None:
    """FireLens: keys of the destination are references, never options in plain text."""
    args = FireLensArgs(image="fluent-bit:1", options={"Name": "datadog"}, secrets={"apikey": SECRET})
    assert routed(args) == {
        "logDriver": "awsfirelens",
        "options": {"Name": "datadog"},
        "secretOptions": [{"name": "apikey", "valueFrom": SECRET}],
    }
    beside = router(args, {"awslogs-group": "logs"})
    assert beside["firelensConfiguration"]["type"] == "fluentbit"
    assert beside["logConfiguration"] == {"logDriver": "awslogs", "options": {"awslogs-group": "logs"}}
    # In the order in which AWS gives containers back.
    assert beside["name"] < "server"


def test_a_worker_listens_on_nothing() -> None:
    """It has no port, and without a probe no health check."""
    definition = ecs.container("worker", WorkerArgs(), image="x", environment={}, secrets={}, logs={})
    assert definition["portMappings"] == []
    assert "healthCheck" not in definition
    assert "secrets" not in definition
