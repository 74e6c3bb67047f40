"""What goes wrong with AWS, through the real engine: refused, throttled, denied, gone in the middle.

One stack, in a VPC and a cluster that were there before it, behind a proxy that makes things go wrong.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.pulumi_cli import PulumiError
from tests.conftest import app_config
from tests.engine.aws_cloud import REGION, AwsStack, Cloud, release_config
from tests.engine.aws_faults import Faults, faults

pytestmark = pytest.mark.timeout(600)
TAG = "v1.0.0"
NOWHERE = "subnet-0123456789abcdef0"


@dataclass
class World:
    """What an account had before us."""

    vpc: str
    public: list[str]
    private: list[str]
    cluster: str

    @property
    def options(self) -> dict[str, Any]:
        """The ECS runtime in it, as small as it can be."""
        network = {"vpcId": self.vpc, "publicSubnets": self.public, "privateSubnets": self.private}
        return {"cluster": self.cluster, "network": network, "alarms": {"enabled": False}, "dashboard": False}


@pytest.fixture(scope="module")
def cloud(aws_sandbox: Sandbox) -> Cloud:
    return Cloud(aws_sandbox.env)


@pytest.fixture(scope="module")
def world(cloud: Cloud) -> Iterator[World]:
    """A VPC of two zones, and a cluster."""
    ec2, ecs = cloud.client("ec2"), cloud.client("ecs")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("abab")
    ]
    subnets = [one["Subnet"]["SubnetId"] for one in made]
    cluster = f"theirs-{uuid.uuid4().hex[:8]}"
    ecs.create_cluster(clusterName=cluster)
    yield World(vpc, subnets[:2], subnets[2:], cluster)
    ecs.delete_cluster(cluster=cluster)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


@pytest.fixture(scope="module")
def trouble(cloud: Cloud) -> Iterator[Faults]:
    """The way to AWS, on which nothing goes wrong at first."""
    with faults(cloud.env["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@dataclass
class Broken:
    """A stack whose first `up` lost AWS in the middle.

    Args:
        error: what that `up` said.
        names: of the load balancers and roles that it had made by then.
    """

    stack: AwsStack
    error: PulumiError
    before: set[str]


@pytest.fixture(scope="module")
def broken(
    cloud: Cloud,
    world: World,
    trouble: Faults,
    app_context: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Broken]:
    """AWS goes away during the first `up` and comes back for the second, throttling at first."""
    config = app_config(app_context, f"failures-{app_context.name}", "good", TAG)
    size = {"cpu": 0.25, "memory": 512}
    service = config["service"]
    service |= {"runtime": "ecs", "ecs": world.options}
    service["server"] |= size
    service["worker"] |= size
    name = f"f-{uuid.uuid4().hex[:6]}"
    stack = AwsStack(tmp_path_factory.mktemp("project"), name, cloud.env, config, trouble.endpoint)
    try:
        trouble.lives = 40
        with pytest.raises(PulumiError) as lost:
            stack.pulumi.up()
        trouble.heal()
        before = owned(cloud, name)
        trouble.throttled = 5
        stack.pulumi.up()
        yield Broken(stack, lost.value, before)
    finally:
        trouble.heal()
        stack.pulumi.destroy()


@pytest.fixture
def stack(broken: Broken, trouble: Faults) -> Iterator[AwsStack]:
    """The stack, up and right; whatever a test did to its config or to AWS is taken back after it."""
    config = broken.stack.config
    yield broken.stack
    trouble.heal()
    if broken.stack.config != config:
        broken.stack.configure(config)
        broken.stack.pulumi.up()


def owned(cloud: Cloud, stack: str) -> set[str]:
    """Everything in AWS that carries the stack's tag, by its ARN."""
    wanted = [{"Key": "stack", "Values": [stack]}]
    found = cloud.all(
        "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=wanted
    )
    roles = cloud.all("iam", "list_roles", "Roles")
    tagged = {one["ResourceARN"] for one in found}
    iam = cloud.client("iam")
    for role in roles:
        tags = {one["Key"]: one["Value"] for one in iam.list_role_tags(RoleName=role["RoleName"])["Tags"]}
        tagged |= {role["Arn"]} if tags.get("stack") == stack else set()
    return tagged


def changed(stack: AwsStack, **ecs: Any) -> None:
    """Set options of the ECS runtime."""
    service = stack.config["service"]
    stack.change(service=service | {"ecs": service["ecs"] | ecs})


def test_after_aws_was_gone_the_next_up_goes_on(cloud: Cloud, broken: Broken) -> None:
    """What had been made is kept and used: nothing is there twice, and nothing is left to do."""
    assert broken.before, "AWS went away before anything was made"
    assert "connect" in str(broken.error).lower() or "closed" in str(broken.error).lower()
    now = owned(cloud, broken.stack.name)
    assert broken.before < now
    kinds = [arn.split(":")[2] + arn.split(":", 5)[5].partition("/")[0] for arn in now]
    assert kinds.count("elasticloadbalancingloadbalancer") == 1
    assert kinds.count("iamrole") == 3
    assert broken.stack.pulumi.up().changes.total == 0


def test_throttling_was_waited_out(broken: Broken, trouble: Faults) -> None:
    """The second `up` met it and went on: nobody had to do anything."""
    assert broken.stack.pulumi.outputs()["url"]
    assert trouble.throttled == 0


def test_it_runs_in_the_vpc_and_the_cluster_that_were_there(
    cloud: Cloud, broken: Broken, world: World
) -> None:
    """No network of its own, and its tasks and its load balancer in the given subnets."""
    services = cloud.services(broken.stack.name)
    assert {one["clusterArn"].rpartition("/")[2] for one in services.values()} == {world.cluster}
    for service in services.values():
        assert service["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == world.private
    types = {one["type"] for one in broken.stack.pulumi.export()["deployment"]["resources"]}
    assert not {"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ecs/cluster:Cluster"} & types


def test_a_missing_permission_is_named_in_the_query_protocol(stack: AwsStack, trouble: Faults) -> None:
    """AWS's code, and the action to allow."""
    trouble.denied = {"CreateLoadBalancer"}
    changed(stack, loadBalancer={"internal": True})
    denied(stack, "elasticloadbalancing:CreateLoadBalancer", "AccessDenied:")


def test_a_missing_permission_is_named_in_the_json_protocol(stack: AwsStack, trouble: Faults) -> None:
    """AWS's code, and the action to allow."""
    trouble.denied = {"RegisterTaskDefinition"}
    stack.change(service=stack.config["service"] | {"environment": {"ANTGENT_APP__ENV": "other"}})
    denied(stack, "ecs:RegisterTaskDefinition", "AccessDeniedException:")


def denied(stack: AwsStack, action: str, code: str) -> None:
    """`up` fails, says so in AWS's words, and names what to allow."""
    with pytest.raises(PulumiError) as refused:
        stack.pulumi.up()
    assert f"fix: allow {action} to the role or user" in str(refused.value)
    assert code in str(refused.value)


def test_a_subnet_that_is_not_there_is_told_in_aws_words(stack: AwsStack, world: World) -> None:
    """AWS's code and the subnet."""
    network: Mapping[str, Any] = world.options["network"]
    changed(stack, network={**network, "publicSubnets": [world.public[0], NOWHERE]})
    with pytest.raises(PulumiError, match=f"SubnetNotFound|InvalidSubnet(.|\n)*{NOWHERE}"):
        stack.pulumi.up()


def test_a_tag_with_other_content_is_refused_before_anything_changes(stack: AwsStack) -> None:
    """In preview too: a release is what it was."""
    config = stack.config
    stack.change(build=config["build"] | {"args": {"MODE": "never-ready"}})
    try:
        for operation in (stack.pulumi.preview, stack.pulumi.up):
            with pytest.raises(PulumiError, match=f"{TAG} is in the registry with other content"):
                operation()
    finally:
        stack.configure(config)


def test_a_tag_that_the_registry_would_remove_is_refused(
    cloud: Cloud, app_context: Path, tmp_path: Path
) -> None:
    """A lifecycle rule must not take an image from under an environment that runs it."""
    config = release_config(app_context, "cache-7")
    release = AwsStack(tmp_path, f"f-{uuid.uuid4().hex[:6]}", cloud.env, config)
    with pytest.raises(PulumiError, match="removes cache-7 14 days after its push"):
        release.pulumi.preview()
    release.change(imageTag=TAG, registry=config["registry"] | {"keepReleases": 3})
    with pytest.raises(PulumiError, match="keepReleases"):
        release.pulumi.preview()
    release.pulumi.stack_remove()
