"""What the AWS stand-in does to AWS, and how it fails; test_aws_conformance.py compares it with the official one.

What a test says about AWS's state it asks AWS itself, over boto3: a stand-in's own output proves nothing.
"""

import json

import httpx
import pytest

from sandbox.aws import REGION
from tests.engine.aws_client import Client, RpcError
from tests.engine.aws_examples import TAGS, Examples
from tests.engine.aws_faults import faults

REPOSITORY = "aws:ecr/repository:Repository"
# Types of which AWS has one a registry or cluster, or that go with what they belong to: no end of their own.
ENDLESS = {"replication", "scanning", "capacity", "text"}


@pytest.fixture(scope="module")
def examples(aws_endpoint: str, standin_port: int) -> Examples:
    """One of each type that the product uses."""
    examples = Examples(Client(standin_port, aws_endpoint))
    examples.create_all()
    return examples


@pytest.fixture
def client(aws_endpoint: str, standin_port: int) -> Client:
    """An engine's connection to the stand-in."""
    return Client(standin_port, aws_endpoint)


def test_a_second_up_shows_no_change(examples: Examples) -> None:
    """`pulumi up` twice, `pulumi refresh` in between: nothing changed, nothing to do, for any type."""
    client = examples.client
    changes = {}
    for key, made in list(examples.made.items()):
        read = client.read(made)
        assert read is not None, key
        examples.made[key] = client.update(made, examples.inputs[key])
        for state in (made, read, examples.made[key]):
            changes |= {
                f"{key}.{path}": kind for path, kind in client.diff(state, examples.inputs[key]).items()
            }
    assert changes == {}


def test_every_tag_reaches_aws(examples: Examples) -> None:
    """Costs and ownership are read from AWS's tags, not from Pulumi's state."""
    made, boto = examples.made, examples.client.boto
    lists = [
        boto("ecr").list_tags_for_resource(resourceArn=made["repository"]["arn"])["tags"],
        boto("iam").list_role_tags(RoleName=made["role"].id)["Tags"],
        boto("elbv2").describe_tags(ResourceArns=[made["rule"].id])["TagDescriptions"][0]["Tags"],
        boto("sns").list_tags_for_resource(ResourceArn=made["topic"].id)["Tags"],
        boto("cloudwatch").list_tags_for_resource(ResourceARN=made["alarm"]["arn"])["Tags"],
        boto("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [made["nat"].id]}])["Tags"],
    ]
    assert [{one["Key"]: one["Value"] for one in tags} for tags in lists] == [TAGS] * len(lists)
    task = boto("ecs").list_tags_for_resource(resourceArn=made["task"]["arn"])["tags"]
    assert {one["key"]: one["value"] for one in task} == TAGS


def test_a_new_image_replaces_the_task_definition_and_updates_the_service(examples: Examples) -> None:
    """A release is a new revision beside the old one, and the same service on it."""
    client, made = examples.client, examples.made
    task = examples.task("r/app@sha256:2")
    assert client.diff(made["task"], task) == {"containerDefinitions": "UPDATE_REPLACE"}
    new = client.create("aws:ecs/taskDefinition:TaskDefinition", task)
    service = examples.service(made["cluster"]["arn"], new["arn"])
    assert client.diff(made["service"], service) == {"taskDefinition": "UPDATE"}
    client.update(made["service"], service)
    ecs = client.boto("ecs")
    found = ecs.describe_services(cluster=made["cluster"]["arn"], services=[made["service"].id])["services"][
        0
    ]
    assert found["taskDefinition"] == new["arn"]
    client.update(made["service"], examples.service(made["cluster"]["arn"], made["task"]["arn"]))
    client.delete(new)


def test_a_name_that_another_stack_has_is_not_taken_over(examples: Examples) -> None:
    """Two environments on one name would send one's traffic to the other."""
    with pytest.raises(RpcError) as taken:
        examples.client.create("aws:route53/record:Record", examples.inputs["record"])
    assert "InvalidChangeBatch" in taken.value.details()
    assert "but it already exists" in taken.value.details()


def test_a_number_that_autoscaling_set_is_left_alone(examples: Examples) -> None:
    """A release must not shrink a service that traffic has grown."""
    client, made, ecs = examples.client, examples.made, examples.client.boto("ecs")
    where = {"cluster": made["cluster"]["arn"]}
    ecs.update_service(**where, service=made["service"].id, desiredCount=5)
    client.update(made["service"], examples.inputs["service"])
    assert ecs.describe_services(**where, services=[made["service"].id])["services"][0]["desiredCount"] == 5


def test_a_balancer_is_set_up_as_asked(examples: Examples) -> None:
    """Attributes are a second call at AWS; forgetting it would leave invalid headers in."""
    elb = examples.client.boto("elbv2")
    found = elb.describe_load_balancer_attributes(LoadBalancerArn=examples.made["balancer"].id)["Attributes"]
    attributes = {one["Key"]: one["Value"] for one in found}
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["idle_timeout.timeout_seconds"] == "30"
    assert attributes["access_logs.s3.enabled"] == "true"


def test_a_group_without_declared_egress_lets_nothing_out(examples: Examples) -> None:
    """The official plugin takes AWS's own allow-all rule back; so must the stand-in."""
    ec2 = examples.client.boto("ec2")
    bare = examples.client.create("aws:ec2/securityGroup:SecurityGroup", {"vpcId": examples.made["vpc"].id})
    group = ec2.describe_security_groups(GroupIds=[bare.id])["SecurityGroups"][0]
    examples.client.delete(bare)
    assert group["IpPermissionsEgress"] == []


def test_default_tags_lie_under_a_resources_own(aws_endpoint: str, standin_port: int) -> None:
    """The provider's tags are on everything, and a resource may say otherwise."""
    tags = json.dumps({"tags": {"project": "antgent", "owner": "all"}})
    client = Client(standin_port, aws_endpoint, {"defaultTags": tags})
    made = client.create(REPOSITORY, {"tags": {"owner": "one"}})
    found = client.boto("ecr").list_tags_for_resource(resourceArn=made["arn"])["tags"]
    assert {one["Key"]: one["Value"] for one in found} == {"project": "antgent", "owner": "one"}
    assert (made["tags"], made["tagsAll"]) == ({"owner": "one"}, {"project": "antgent", "owner": "one"})
    read = client.read(made)
    assert read is not None
    assert read["tags"] == {"owner": "one"}
    client.delete(made)


def test_a_wrong_name_or_type_is_refused_as_by_the_official_plugin(client: Client) -> None:
    """What the stand-in lets through would fail only where real money is spent."""
    assert client.problems(REPOSITORY, {"imageTagMutable": "MUTABLE"}).keys() == {"imageTagMutable"}
    assert client.problems("aws:lb/targetGroup:TargetGroup", {"port": "eighty"}).keys() == {"port"}
    with pytest.raises(RpcError) as refused:
        client.create("aws:s3/bucket:Bucket", {})
    assert "aws:s3/bucket:Bucket is not a resource type of the aws stand-in" in refused.value.details()


def test_a_container_with_an_unknown_property_is_refused(client: Client, examples: Examples) -> None:
    """Inside the JSON no SDK looks; AWS's own description of the call does."""
    task = examples.task("r/app@sha256:1") | {"containerDefinitions": '[{"name": "x", "imageName": "y"}]'}
    assert 'Unknown parameter in [0]: "imageName"' in client.problems(
        "aws:ecs/taskDefinition:TaskDefinition", task
    )["containerDefinitions"]  # fmt: skip


def test_errors_carry_aws_code_and_message(client: Client) -> None:
    """A person searches the web for the code, not for our words."""
    inputs = {"vpcId": "vpc-00000000", "cidrBlock": "10.0.0.0/24"}
    with pytest.raises(RpcError) as failed:
        client.create("aws:ec2/subnet:Subnet", inputs)
    assert "creating EC2 Subnet: operation error ec2: CreateSubnet" in failed.value.details()
    assert "InvalidVpcID.NotFound: VpcID vpc-00000000 does not exist" in failed.value.details()


def test_a_denied_action_is_named(aws_endpoint: str, standin_port: int, client: Client) -> None:
    """Whoever has to widen a policy needs to know the action."""
    iam = client.boto("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    config = {"accessKey": key["AccessKeyId"], "secretKey": key["SecretAccessKey"]}
    httpx.post(f"{aws_endpoint}/moto-api/reset-auth", content="0").raise_for_status()
    try:
        with pytest.raises(RpcError) as denied:
            Client(standin_port, aws_endpoint, config).create(REPOSITORY, {"name": "denied"})
    finally:
        httpx.post(f"{aws_endpoint}/moto-api/reset-auth", content="inf").raise_for_status()
    assert "AccessDenied" in denied.value.details()
    assert "fix: allow ecr:CreateRepository" in denied.value.details()


def test_throttling_is_retried(aws_endpoint: str, standin_port: int) -> None:
    """An account that others use too is throttled now and then; that is no failed deployment."""
    with faults(aws_endpoint) as way:
        client = Client(standin_port, way.endpoint)
        way.throttled = 2
        made = client.create(REPOSITORY, {"name": "throttled"})
        assert way.throttled == 0
        client.delete(made)


def test_an_api_that_is_down_is_said_and_the_next_try_mends_it(aws_endpoint: str, standin_port: int) -> None:
    """A broken connection in the middle leaves state as it was; the same command again succeeds."""
    with faults(aws_endpoint) as way:
        client = Client(standin_port, way.endpoint, {"maxRetries": 2})
        made = client.create(REPOSITORY, {"name": "down"})
        way.down = True
        with pytest.raises(RpcError) as failed:
            client.update(made, {"name": "down", "imageTagMutability": "IMMUTABLE"})
        assert "updating ECR Repository (down)" in failed.value.details()
        way.down = False
        mended = client.update(made, {"name": "down", "imageTagMutability": "IMMUTABLE"})
        found = client.boto("ecr").describe_repositories(repositoryNames=["down"])["repositories"][0]
        assert found["imageTagMutability"] == "IMMUTABLE"
        client.delete(mended)


def test_what_is_only_half_created_is_finished_by_the_next_up(aws_endpoint: str, standin_port: int) -> None:
    """AWS made it and went away: state keeps it, and does not take what it was to be for what it is."""
    vpc = Client(standin_port, aws_endpoint).boto("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    gateway = {"vpcId": vpc}
    with faults(aws_endpoint) as way:
        client = Client(standin_port, way.endpoint, {"maxRetries": 1})
        way.denied = {"AttachInternetGateway"}
        half = client.half_created("aws:ec2/internetGateway:InternetGateway", gateway)
        way.heal()
        made = client.update(half, gateway)
        assert made.id == half.id
        ec2 = client.boto("ec2")
        (found,) = ec2.describe_internet_gateways(InternetGatewayIds=[made.id])["InternetGateways"]
        assert [one["VpcId"] for one in found["Attachments"]] == [vpc]
        assert made["vpcId"] == vpc
        assert client.diff(made, gateway) == {}
        client.delete(made)
        ec2.delete_vpc(VpcId=vpc)


def test_functions_answer_what_aws_says(client: Client) -> None:
    """Zones, account and region are read at preview, before anything is made."""
    zones = client.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"] == [f"{REGION}a", f"{REGION}b", f"{REGION}c"]
    assert client.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
    assert client.invoke("aws:index/getRegion:getRegion", {})["region"] == REGION
    assert client.invoke("aws:index/getPartition:getPartition", {})["dnsSuffix"] == "amazonaws.com"
    assert client.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken", {})["userName"] == "AWS"


def test_a_policy_document_is_written_without_asking_anyone(client: Client) -> None:
    """Lists of one come unpacked and longer ones in reverse order, as the official plugin writes them."""
    statement = {"actions": ["ecr:BatchGetImage", "ecr:ListImages"], "resources": ["*"], "principals": [
        {"type": "AWS", "identifiers": ["1"]}], "conditions": [
        {"test": "StringEquals", "variable": "aws:x", "values": ["y"]}]}  # fmt: skip
    found = client.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(found["json"]) == {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["ecr:ListImages", "ecr:BatchGetImage"], "Resource": "*",
        "Principal": {"AWS": "1"}, "Condition": {"StringEquals": {"aws:x": "y"}}}]}  # fmt: skip


def test_destroy_leaves_nothing_in_aws(examples: Examples) -> None:
    """Deleted in the order of dependencies, everything is gone; a second delete is quiet."""
    client, left = examples.client, []
    for key, made in examples.backwards():
        client.delete(made)
        client.delete(made)
        if key not in ENDLESS and client.read(made) is not None:
            left.append(key)
    assert left == []
    boto, mark = client.boto, examples.mark
    clusters = boto("ecs").describe_clusters(clusters=boto("ecs").list_clusters()["clusterArns"])["clusters"]
    # AWS goes on to list a deleted cluster for a while.
    active = [one["clusterName"] for one in clusters if one["status"] == "ACTIVE"]
    assert mark not in json.dumps([
        boto("ecr").describe_repositories()["repositories"], active,
        boto("ecs").list_task_definitions()["taskDefinitionArns"], boto("iam").list_roles()["Roles"],
        boto("elbv2").describe_load_balancers()["LoadBalancers"], boto("logs").describe_log_groups()["logGroups"],
        boto("sns").list_topics()["Topics"], boto("cloudwatch").describe_alarms()["MetricAlarms"],
    ], default=str)  # fmt: skip
    assert [one for one in boto("ec2").describe_vpcs()["Vpcs"] if not one["IsDefault"]] == []
