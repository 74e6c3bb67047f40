"""The AWS stacks through the real engine: release, staging and prod from nothing, asked over AWS's API.

What stands here was read with boto3, never from a stack's outputs: those say what was asked for.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from sandbox.assembly import Sandbox
from sandbox.pulumi_cli import Outcome, PulumiError
from tests.engine.aws_cloud import (
    DOMAIN,
    MANIFEST,
    AwsStack,
    Cloud,
    address,
    empty,
    environment_config,
    release_config,
)
from tests.engine.aws_plan import checkov, plan

pytestmark = pytest.mark.timeout(900)
SECRET_VALUE = "llm-key-that-nobody-may-read"
TAG, NEXT_TAG = "v1.0.0", "v1.1.0"
EXCEPTIONS = Path(__file__).parent / "aws_exceptions.yaml"
RELEASE_TAGS = {"release", "git-revision"}
RUNS_A_RELEASE = {"aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"}
T = TypeVar("T")


@pytest.fixture(scope="module")
def cloud(aws_sandbox: Sandbox) -> Cloud:
    """AWS's API."""
    return Cloud({**aws_sandbox.env, "TEST_LLM_KEY": SECRET_VALUE})


@dataclass
class Stacks:
    """The three stacks and their first `up`s.

    Args:
        token: ARN of a secret that both environments name.
        before: what was in AWS before them.
    """

    token: str
    before: dict[str, list[Any]]
    release: AwsStack
    staging: AwsStack
    prod: AwsStack
    first: dict[str, Outcome]

    @property
    def all(self) -> list[AwsStack]:
        return [self.release, self.staging, self.prod]


@pytest.fixture(scope="module")
def stacks(cloud: Cloud, app_context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """Release, staging and prod, brought up in that order from nothing."""
    folder = tmp_path_factory.mktemp("project")
    balancer = {"domain": DOMAIN, "certificate": cloud.certificate(), "zoneId": cloud.zone()}
    prod = balancer | {"deletionProtection": True}
    balancer |= {"domain": f"staging.{DOMAIN}"}
    network = {"cidr": "10.30.0.0/16", "zones": 3, "nat": "each-zone"}
    token = cloud.secret("app/token")
    made = Stacks(
        token,
        cloud.leftovers(),
        AwsStack(folder, "t-release", cloud.env, release_config(app_context, TAG)),
        AwsStack(
            folder,
            "t-staging",
            cloud.env,
            environment_config("t-release", TAG, token, loadBalancer=balancer, requestsPerTarget=500),
        ),
        AwsStack(
            folder,
            "t-prod",
            cloud.env,
            environment_config("t-staging", TAG, token, loadBalancer=prod, network=network),
        ),
        {},
    )
    try:
        for stack in made.all:
            made.first[stack.name] = stack.pulumi.up()
        yield made
    finally:
        together(made.all, lambda stack: remove(cloud, stack))


def remove(cloud: Cloud, stack: AwsStack) -> None:
    """Destroy a stack with what it protects, also one half done."""
    if stack.config.get("registry"):
        empty(cloud.env["SANDBOX_ECR"], stack.config["registry"]["repository"])
    if stack.config.get("service", {}).get("ecs", {}).get("loadBalancer", {}).get("deletionProtection"):
        cloud.unprotect(stack.name)
        stack.pulumi.run("state", "unprotect", "--all", "--yes")
    try:
        stack.pulumi.destroy()
    except PulumiError:
        stack.pulumi.cancel()
        stack.pulumi.destroy()


def together(stacks: Iterable[AwsStack], action: Callable[[AwsStack], T]) -> list[T]:
    """One thing with each of them, at the same time: an engine's program leaves a processor idle."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(action, stacks))


@pytest.fixture(scope="module")
def server(cloud: Cloud, stacks: Stacks) -> dict[str, Any]:
    """Staging's server, as ECS describes it."""
    return cloud.services(stacks.staging.name)["server"]


@pytest.fixture(scope="module")
def balancer(cloud: Cloud, server: Mapping[str, Any]) -> dict[str, Any]:
    """Staging's load balancer, by way of the service that it serves."""
    (target,) = targets(cloud, server)
    (arn,) = target["LoadBalancerArns"]
    found = cloud.client("elbv2").describe_load_balancers(LoadBalancerArns=[arn])
    return found["LoadBalancers"][0]


def targets(cloud: Cloud, service: Mapping[str, Any]) -> list[dict[str, Any]]:
    arns = [one["targetGroupArn"] for one in service["loadBalancers"]]
    return cloud.client("elbv2").describe_target_groups(TargetGroupArns=arns)["TargetGroups"]


def attributes(answer: Mapping[str, Any]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in answer["Attributes"]}


def digest(cloud: Cloud, repository: str, tag: str) -> str:
    """What the registry itself says the tag is."""
    where = f"{address(cloud.env['SANDBOX_ECR'], repository)}/manifests/{tag}"
    return httpx.head(where, headers={"accept": MANIFEST}).raise_for_status().headers["docker-content-digest"]


@pytest.mark.usefixtures("stacks")
def test_the_release_repository_keeps_its_tags_and_its_images(cloud: Cloud, app_context: Path) -> None:
    """A release is what it was, and nobody empties the repository with its stack."""
    found = {one["repositoryName"]: one for one in cloud.all("ecr", "describe_repositories", "repositories")}
    release, development = found[f"app-{app_context.name}"], found[f"app-{app_context.name}-dev"]
    assert (release["imageTagMutability"], development["imageTagMutability"]) == ("IMMUTABLE", "MUTABLE")
    for repository in (release, development):
        assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
        assert repository["encryptionConfiguration"]["encryptionType"] == "AES256"
    ecr = cloud.client("ecr")
    policy = ecr.get_repository_policy(repositoryName=release["repositoryName"])
    (statement,) = json.loads(policy["policyText"])["Statement"]
    assert statement["Principal"]["AWS"] == [
        "arn:aws:iam::222233334444:root",
        "arn:aws:iam::333344445555:root",
    ]
    lifecycle = ecr.get_lifecycle_policy(repositoryName=release["repositoryName"])
    rules = json.loads(lifecycle["lifecyclePolicyText"])["rules"]
    assert [rule["selection"]["countType"] for rule in rules][-1] == "imageCountMoreThan"
    (rule,) = ecr.describe_registry()["replicationConfiguration"]["rules"]
    assert [one["region"] for one in rule["destinations"]] == ["eu-west-1"]


def test_every_environment_runs_the_one_pushed_image(cloud: Cloud, stacks: Stacks, app_context: Path) -> None:
    """Both workloads of both environments, by digest, and the digest is the registry's."""
    wanted = f"{cloud.env['SANDBOX_ECR']}/app-{app_context.name}@"
    wanted += digest(cloud, f"app-{app_context.name}", TAG)
    for stack in (stacks.staging, stacks.prod):
        services = cloud.services(stack.name)
        assert services.keys() == {"server", "worker"}
        for service in services.values():
            (container,) = cloud.task(service)["containerDefinitions"]
            assert container["image"] == wanted


def test_an_environment_holds_no_image_resource(stacks: Stacks) -> None:
    """It cannot build."""
    for stack in (stacks.staging, stacks.prod):
        resources = stack.pulumi.export()["deployment"]["resources"]
        assert not [one["urn"] for one in resources if one["type"].startswith("docker:")]


def test_a_task_is_confined(cloud: Cloud, server: Mapping[str, Any]) -> None:
    """Not root, read-only, with an init process, logs and time to stop."""
    task = cloud.task(server)
    (container,) = task["containerDefinitions"]
    assert (container["user"], container["readonlyRootFilesystem"]) == ("10001:10001", True)
    assert container["linuxParameters"]["initProcessEnabled"]
    assert container["stopTimeout"] == 20
    assert container["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert container["logConfiguration"]["logDriver"] == "awslogs"
    assert (task["networkMode"], task["requiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    assert (task["cpu"], task["memory"]) == ("256", "512")
    group = container["logConfiguration"]["options"]["awslogs-group"]
    (logs,) = cloud.all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=group)
    assert logs["retentionInDays"] == 30


def test_secrets_are_references(cloud: Cloud, stacks: Stacks, server: Mapping[str, Any]) -> None:
    """The value is in Secrets Manager, and neither in the task definition nor in plain state."""
    (container,) = cloud.task(server)["containerDefinitions"]
    given = {one["name"]: one["valueFrom"] for one in container["secrets"]}
    assert given["ANTGENT_SERVER__TOKEN"] == stacks.token
    arn, _, version = given["ANTGENT_LLM__KEY"].partition(":::")
    stored = cloud.client("secretsmanager").get_secret_value(SecretId=arn, VersionId=version)
    assert stored["SecretString"] == SECRET_VALUE
    assert SECRET_VALUE not in json.dumps(stacks.staging.pulumi.export())
    assert SECRET_VALUE not in json.dumps(container)


def test_services_run_in_private_subnets_and_take_bad_releases_back(cloud: Cloud, stacks: Stacks) -> None:
    """No public address, tags that say what runs, and a deployment that never has too few copies."""
    for role, service in cloud.services(stacks.staging.name).items():
        network = service["networkConfiguration"]["awsvpcConfiguration"]
        assert network["assignPublicIp"] == "DISABLED"
        subnets = cloud.client("ec2").describe_subnets(SubnetIds=network["subnets"])["Subnets"]
        assert len({one["AvailabilityZone"] for one in subnets}) == 2
        assert service["launchType"] == "FARGATE"
        tags = {one["key"]: one["value"] for one in service["tags"]}
        assert tags["release"] == TAG
        assert {"project", "stack", "owner", "git-revision"} <= tags.keys()
        assert service["desiredCount"] == 2, role
        deployment = service["deploymentConfiguration"]
        assert deployment["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert (deployment["minimumHealthyPercent"], deployment["maximumPercent"]) == (100, 200)
        assert service["availabilityZoneRebalancing"] == "ENABLED"
        assert not service["enableExecuteCommand"]


def test_alarms_and_time_to_start_are_the_server_s(cloud: Cloud, server: Mapping[str, Any]) -> None:
    """A release that makes alarms fire is taken back; one that still starts is not killed for it."""
    alarms = server["deploymentConfiguration"]["alarms"]
    names = {one["AlarmName"] for one in cloud.all("cloudwatch", "describe_alarms", "MetricAlarms")}
    assert alarms["enable"]
    assert alarms["rollback"]
    assert len(alarms["alarmNames"]) == 3
    assert set(alarms["alarmNames"]) <= names
    assert server["healthCheckGracePeriodSeconds"] == 60


@pytest.mark.usefixtures("stacks")
def test_the_load_balancer_speaks_tls_and_lets_tasks_finish(
    cloud: Cloud, server: Mapping[str, Any], balancer: Mapping[str, Any]
) -> None:
    """HTTPS with a current policy, HTTP only redirects, and draining as long as the stop timeout."""
    elb = cloud.client("elbv2")
    arn = balancer["LoadBalancerArn"]
    listeners = {
        one["Port"]: one for one in cloud.all("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    }
    assert listeners[443]["Protocol"] == "HTTPS"
    assert listeners[443]["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    (redirect,) = listeners[80]["DefaultActions"]
    assert (redirect["Type"], redirect["RedirectConfig"]["Protocol"]) == ("redirect", "HTTPS")
    set_ = attributes(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
    assert set_["routing.http.drop_invalid_header_fields.enabled"] == "true"
    (target,) = targets(cloud, server)
    assert (target["TargetType"], target["HealthCheckPath"]) == ("ip", "/version")
    assert target["Matcher"]["HttpCode"] == "200-399"
    delays = attributes(elb.describe_target_group_attributes(TargetGroupArn=target["TargetGroupArn"]))
    assert delays["deregistration_delay.timeout_seconds"] == "20"
    assert server["loadBalancers"][0]["containerPort"] == 8080


def test_only_prod_is_protected_from_deletion(cloud: Cloud, stacks: Stacks) -> None:
    """Prod mirrors staging and differs in what must differ."""
    elb = cloud.client("elbv2")
    protected = {}
    for stack in (stacks.staging, stacks.prod):
        (target,) = targets(cloud, cloud.services(stack.name)["server"])
        (arn,) = target["LoadBalancerArns"]
        set_ = attributes(elb.describe_load_balancer_attributes(LoadBalancerArn=arn))
        protected[stack.name] = set_["deletion_protection.enabled"]
    assert protected == {"t-staging": "false", "t-prod": "true"}


def test_only_the_load_balancer_reaches_the_server_and_nobody_the_worker(
    cloud: Cloud, stacks: Stacks, balancer: Mapping[str, Any]
) -> None:
    """A task is not on the internet."""
    services, ec2 = cloud.services(stacks.staging.name), cloud.client("ec2")

    def ingress(role: str) -> list[dict[str, Any]]:
        groups = services[role]["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"]
        return ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"][0]["IpPermissions"]

    (rule,) = ingress("server")
    assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (8080, 8080, [])
    assert [one["GroupId"] for one in rule["UserIdGroupPairs"]] == balancer["SecurityGroups"]
    assert ingress("worker") == []


@pytest.mark.usefixtures("stacks")
def test_alarms_watch_what_clients_notice(cloud: Cloud, balancer: Mapping[str, Any]) -> None:
    """5xx, unhealthy tasks and latency of this load balancer, each telling a topic."""
    suffix = balancer["LoadBalancerArn"].partition("loadbalancer/")[2]
    mine = [
        one
        for one in cloud.all("cloudwatch", "describe_alarms", "MetricAlarms")
        if {"Name": "LoadBalancer", "Value": suffix} in one["Dimensions"]
    ]
    assert {one["MetricName"] for one in mine} == {
        "HTTPCode_Target_5XX_Count",
        "UnHealthyHostCount",
        "TargetResponseTime",
    }
    topics = {one["TopicArn"] for one in cloud.all("sns", "list_topics", "Topics")}
    assert all(set(one["AlarmActions"]) <= topics and one["AlarmActions"] for one in mine)
    boards = {one["DashboardName"] for one in cloud.all("cloudwatch", "list_dashboards", "DashboardEntries")}
    assert {"antgent-t-staging", "antgent-t-prod"} <= boards


@pytest.mark.usefixtures("stacks")
def test_the_server_scales_by_cpu_and_requests(cloud: Cloud, server: Mapping[str, Any]) -> None:
    """Between its bounds; the worker has a fixed number."""
    wanted = "/".join(server["serviceArn"].split("/")[-2:])
    found = cloud.all(
        "application-autoscaling", "describe_scalable_targets", "ScalableTargets", ServiceNamespace="ecs"
    )
    (target,) = [one for one in found if one["ResourceId"] == f"service/{wanted}"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    policies = cloud.all(
        "application-autoscaling", "describe_scaling_policies", "ScalingPolicies", ServiceNamespace="ecs"
    )
    metrics = {
        one["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"][
            "PredefinedMetricType"
        ]
        for one in policies
        if one["ResourceId"] == target["ResourceId"]
    }
    assert metrics == {"ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"}


@pytest.mark.usefixtures("stacks")
def test_no_role_in_the_account_may_reach_everything(cloud: Cloud) -> None:
    """Every inline policy of every role, as IAM has it; managed ones are not used at all."""
    iam, seen = cloud.client("iam"), 0
    for role in cloud.all("iam", "list_roles", "Roles"):
        name = role["RoleName"]
        assert not cloud.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        for policy in cloud.all("iam", "list_role_policies", "PolicyNames", RoleName=name):
            document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                seen += 1
                actions, resources = statement["Action"], statement["Resource"]
                assert resources != "*" or actions == "ecr:GetAuthorizationToken", f"{name}: {actions}"
    assert seen >= 6


def test_checkov_finds_nothing_but_named_exceptions(stacks: Stacks, tmp_path: Path) -> None:
    """A linter's view of release and prod; what it finds and we keep has its reason in a file."""
    exceptions = yaml.safe_load(EXCEPTIONS.read_text())
    assert all(len(reason.split()) >= 5 for reason in exceptions.values())
    plans = [plan(stack.pulumi.export()) for stack in (stacks.release, stacks.prod)]
    found = checkov(plans, tmp_path)
    assert found["passed"] > 100, "checkov has looked at the resources"
    unknown = [one for one in found["failed"] if one["check_id"] not in exceptions]
    assert not unknown, [(one["check_id"], one["check_name"], one["resource"]) for one in unknown]


@pytest.mark.usefixtures("stacks")
def test_tasks_reach_aws_without_nat(cloud: Cloud) -> None:
    """Endpoints for what a task needs before it runs, in each VPC; prod has a NAT gateway a zone."""
    endpoints = cloud.all("ec2", "describe_vpc_endpoints", "VpcEndpoints")
    by_vpc: dict[str, set[str]] = {}
    for one in endpoints:
        by_vpc.setdefault(one["VpcId"], set()).add(one["ServiceName"].partition("eu-central-1.")[2])
    assert list(by_vpc.values()) == [{"s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager"}] * 2
    gateways = cloud.all("ec2", "describe_nat_gateways", "NatGateways")
    assert sorted([one["VpcId"] for one in gateways].count(vpc) for vpc in by_vpc) == [1, 3]


def test_everything_says_whose_it_is(cloud: Cloud, stacks: Stacks) -> None:
    """What takes tags has project, stack and owner; what one release runs has its tag and git revision too."""
    told = {
        one["ResourceARN"]: {tag["Key"] for tag in one["Tags"]}
        for one in cloud.all("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList")
    }
    untagged, asked_aws = [], 0
    for stack in stacks.all:
        for one in stack.pulumi.export()["deployment"]["resources"]:
            outputs = one.get("outputs", {})
            if (recorded := outputs.get("tagsAll")) is None:
                continue
            asked_aws += outputs.get("arn") in told
            wanted = {"project", "stack", "owner"} | (
                RELEASE_TAGS if one["type"] in RUNS_A_RELEASE else set()
            )
            if not wanted <= recorded.keys() & told.get(outputs.get("arn"), recorded.keys()):
                untagged.append(one["urn"])
    assert not untagged
    assert asked_aws > 30
    for vpc in cloud.all("ec2", "describe_vpcs", "Vpcs"):
        tags = {one["Key"] for one in vpc.get("Tags", [])}
        assert vpc["IsDefault"] or {"project", "stack", "owner"} <= tags


def test_a_second_up_changes_nothing(stacks: Stacks) -> None:
    """On every stack: whatever AWS gives back in another form is sent in that form."""
    for again in together(stacks.all, lambda stack: stack.pulumi.up()):
        assert not [step for step in again.steps if step.op != "same"]


def test_prod_refuses_what_staging_does_not_run_also_in_preview(stacks: Stacks) -> None:
    """Before anything is registered, with what it runs and the way to ship it."""
    stacks.prod.change(imageTag=NEXT_TAG)
    try:
        with pytest.raises(PulumiError, match=f"{NEXT_TAG} may not run here: t-staging runs {TAG}"):
            stacks.prod.pulumi.preview()
    finally:
        stacks.prod.change(imageTag=TAG)


def test_a_release_that_was_never_built_is_refused(stacks: Stacks) -> None:
    """Staging cannot build it either."""
    stacks.staging.change(imageTag="v9.9.9")
    try:
        with pytest.raises(PulumiError, match=r"holds no v9\.9\.9: it was never built"):
            stacks.staging.pulumi.preview()
    finally:
        stacks.staging.change(imageTag=TAG)


def test_a_wrong_certificate_fails_in_aws_words_and_the_next_up_repairs(
    cloud: Cloud, stacks: Stacks, balancer: Mapping[str, Any]
) -> None:
    """What AWS refuses is told with its code; nothing has to be mended by hand."""
    config, right = stacks.staging.config, stacks.staging.config["service"]["ecs"]["loadBalancer"]
    wrong = right | {"certificate": right["certificate"][:-4] + "0000"}
    changed = config["service"] | {"ecs": config["service"]["ecs"] | {"loadBalancer": wrong}}
    try:
        stacks.staging.change(service=changed)
        with pytest.raises(PulumiError, match="CertificateNotFound"):
            stacks.staging.pulumi.up()
    finally:
        stacks.staging.configure(config)
    stacks.staging.pulumi.up()
    (listener,) = [
        one
        for one in cloud.all(
            "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer["LoadBalancerArn"]
        )
        if one["Port"] == 443
    ]
    assert [one["CertificateArn"] for one in listener["Certificates"]] == [right["certificate"]]


@pytest.fixture(scope="module")
def next_release(stacks: Stacks) -> None:
    """The next release in the registry; no environment runs it."""
    build = stacks.release.config["build"] | {"args": {"MODE": "slow-start"}}
    stacks.release.change(imageTag=NEXT_TAG, build=build)
    stacks.release.pulumi.up()


@pytest.mark.usefixtures("next_release")
def test_an_override_lets_an_untried_release_through_loudly(stacks: Stacks) -> None:
    """With a warning, and in the stack's outputs for everybody to see."""
    stacks.prod.change(
        imageTag=NEXT_TAG, promoteFrom="t-staging", override={"reason": "staging is down", "by": "tests"}
    )
    if stacks.staging.pulumi.outputs()["tag"] == NEXT_TAG:
        stacks.staging.change(imageTag=TAG)
        stacks.staging.pulumi.up()
    shipped = stacks.prod.pulumi.up()
    assert "OVERRIDE: v1.1.0 runs here although t-staging does not run it" in shipped.output
    assert stacks.prod.pulumi.outputs()["override"]["by"] == "tests"


@pytest.mark.usefixtures("next_release")
def test_a_new_tag_changes_two_task_definitions_and_two_services(cloud: Cloud, stacks: Stacks) -> None:
    """Nothing else: not the network, not the load balancer, not the roles."""
    stacks.staging.change(imageTag=NEXT_TAG)
    shipped = stacks.staging.pulumi.up()
    changed = {(step.type, step.name) for step in shipped.steps if step.op != "same"}
    wanted = {("aws:ecs/taskDefinition:TaskDefinition", f"antgent-{role}") for role in ("server", "worker")}
    wanted |= {("aws:ecs/service:Service", f"antgent-{role}") for role in ("server", "worker")}
    # Components, and the verdict on the rollout, which is nothing in AWS.
    ours = {one for one in changed if one[0].startswith(("antgent:", "pulumi:", "pulumi-python:"))}
    assert changed - ours == wanted
    images = {
        cloud.task(service)["containerDefinitions"][0]["image"]
        for service in cloud.services(stacks.staging.name).values()
    }
    assert len(images) == 1


def test_a_protected_load_balancer_refuses_to_go(cloud: Cloud, stacks: Stacks) -> None:
    """`destroy` stops before it has taken anything away."""
    before = cloud.services(stacks.prod.name).keys()
    with pytest.raises(PulumiError, match="protected"):
        stacks.prod.pulumi.destroy()
    assert cloud.services(stacks.prod.name).keys() == before


def test_destroy_leaves_nothing_in_aws(cloud: Cloud, stacks: Stacks) -> None:
    """Last of all, because nothing is left for a test after it."""
    together(stacks.all, lambda stack: remove(cloud, stack))
    assert cloud.leftovers() == stacks.before
