"""The AWS stacks in tests: project, config, and what AWS's own API says of them."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import httpx
import yaml

from sandbox.aws import SERVICES
from sandbox.paths import CHECKOUT
from sandbox.pulumi_cli import Pulumi

REGION = "eu-central-1"
DOMAIN = "antgent.example.com"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Cloud:
    """AWS's API in the sandbox, asked without the program and its stand-in.

    Args:
        env: names its endpoint and keys.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )

    def all(self, service: str, operation: str, key: str, **wanted: Any) -> list[Any]:
        """Every item of a listing."""
        client = self.client(service)
        if not client.can_paginate(operation):
            return getattr(client, operation)(**wanted)[key]
        return [item for page in client.get_paginator(operation).paginate(**wanted) for item in page[key]]

    def certificate(self) -> str:
        """A certificate for the tests' domain."""
        return self.client("acm").request_certificate(
            DomainName=DOMAIN, SubjectAlternativeNames=[f"*.{DOMAIN}"]
        )["CertificateArn"]

    def secret(self, name: str) -> str:
        """The ARN of a secret, made when it is missing."""
        client = self.client("secretsmanager")
        try:
            return client.describe_secret(SecretId=name)["ARN"]
        except client.exceptions.ResourceNotFoundException:
            return client.create_secret(Name=name, SecretString=uuid.uuid4().hex)["ARN"]

    def zone(self) -> str:
        """The id of a Route 53 zone; AWS's begin with Z, which moto's do by chance only."""
        route53 = self.client("route53")
        for number in count():
            made = route53.create_hosted_zone(Name="example.com", CallerReference=str(number))
            found = made["HostedZone"]["Id"].rpartition("/")[2]
            if found.startswith("Z"):
                return found
            route53.delete_hosted_zone(Id=found)
        raise AssertionError

    def clusters(self) -> list[dict[str, Any]]:
        """The clusters that there are; AWS remembers deleted ones for a while."""
        known = self.all("ecs", "list_clusters", "clusterArns")
        found = self.client("ecs").describe_clusters(clusters=known)["clusters"]
        return [one for one in found if one["status"] != "INACTIVE"]

    def services(self, stack: str) -> dict[str, dict[str, Any]]:
        """Workload → ECS service of a stack."""
        found = {}
        for cluster in [one["clusterArn"] for one in self.clusters()]:
            for arn in self.all("ecs", "list_services", "serviceArns", cluster=cluster):
                described = self.client("ecs").describe_services(
                    cluster=cluster, services=[arn], include=["TAGS"]
                )
                (service,) = described["services"]
                family = service["taskDefinition"].rpartition("/")[2].partition(":")[0]
                owner, _, role = family.rpartition("-")
                if owner == f"antgent-{stack}":
                    found[role] = service
        return found

    def unprotect(self, stack: str) -> None:
        """Let the load balancers of a stack be deleted."""
        elb = self.client("elbv2")
        for balancer in self.all("elbv2", "describe_load_balancers", "LoadBalancers"):
            arn = balancer["LoadBalancerArn"]
            (described,) = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"]
            if {"Key": "stack", "Value": stack} in described["Tags"]:
                off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
                elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)

    def task(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """The task definition that a service runs."""
        arn = service["taskDefinition"]
        return self.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]

    def leftovers(self) -> dict[str, list[Any]]:
        """What is still there, by kind; kinds with nothing left are left out."""
        return {kind: items for kind, items in self._kinds() if items}

    def _kinds(self) -> Iterator[tuple[str, list[Any]]]:
        plain: list[tuple[str, str, str, Callable[[Any], bool]]] = [
            ("ec2", "describe_vpcs", "Vpcs", lambda one: not one["IsDefault"]),
            ("ec2", "describe_subnets", "Subnets", lambda one: not one["DefaultForAz"]),
            ("ec2", "describe_security_groups", "SecurityGroups", lambda one: one["GroupName"] != "default"),
            ("ec2", "describe_nat_gateways", "NatGateways", lambda one: one["State"] != "deleted"),
            ("ec2", "describe_addresses", "Addresses", bool),
            ("ec2", "describe_vpc_endpoints", "VpcEndpoints", lambda one: one["State"].lower() != "deleted"),
            ("ec2", "describe_internet_gateways", "InternetGateways", bool),
            ("ecr", "describe_repositories", "repositories", bool),
            ("ecs", "list_task_definitions", "taskDefinitionArns", bool),
            ("iam", "list_roles", "Roles", lambda one: "/aws-service-role/" not in one["Path"]),
            ("elbv2", "describe_load_balancers", "LoadBalancers", bool),
            ("elbv2", "describe_target_groups", "TargetGroups", bool),
            ("logs", "describe_log_groups", "logGroups", bool),
            ("cloudwatch", "describe_alarms", "MetricAlarms", bool),
            ("cloudwatch", "list_dashboards", "DashboardEntries", bool),
            ("sns", "list_topics", "Topics", bool),
            ("secretsmanager", "list_secrets", "SecretList", bool),
        ]
        for service, operation, key, counts in plain:
            yield operation, [one for one in self.all(service, operation, key) if counts(one)]
        yield "clusters", self.clusters()
        yield (
            "scalable targets",
            self.all(
                "application-autoscaling",
                "describe_scalable_targets",
                "ScalableTargets",
                ServiceNamespace="ecs",
            ),
        )


class AwsStack:
    """A stack of the unchanged program; stacks of one folder may promote from each other.

    Args:
        endpoint: where it finds AWS. Defaults to the sandbox's own address.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        env: Mapping[str, str],
        config: Mapping[str, Any],
        endpoint: str | None = None,
    ) -> None:
        self.file, self.name = folder / f"Pulumi.{name}.yaml", name
        self.aws: dict[str, Any] = {"aws:region": REGION}
        if endpoint:
            self.aws["aws:endpoints"] = [dict.fromkeys(SERVICES, endpoint)]
        project = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
        project["runtime"]["options"]["virtualenv"] = str(CHECKOUT / ".venv")
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project | {"main": str(CHECKOUT)}))
        self.configure(config)
        self.pulumi = Pulumi(folder, name, env)
        self.pulumi.stack_init()

    def configure(self, config: Mapping[str, Any]) -> None:
        """Replace the stack's whole config."""
        self.config = dict(config)
        namespaced = {f"antgent:{key}": value for key, value in config.items()}
        self.file.write_text(yaml.safe_dump({"config": {**self.aws, **namespaced}}))

    def change(self, **keys: Any) -> None:
        """Set top-level keys of the config."""
        self.configure(self.config | keys)


def release_config(context: Path, tag: str) -> dict[str, Any]:
    """The stack that owns the repositories and builds the small app."""
    return {
        "imageTag": tag,
        "registry": {
            "kind": "ecr",
            "repository": f"app-{context.name}",
            "developmentRepository": f"app-{context.name}-dev",
            "pullAccounts": ["222233334444", "333344445555"],
            "replicateTo": ["eu-west-1"],
        },
        "build": {
            "context": str(context),
            "dockerfile": str(context / "Dockerfile"),
            "args": {"MODE": "good"},
        },
        "owner": "tests",
    }


def environment_config(source: str, tag: str, token: str, **ecs: Any) -> dict[str, Any]:
    """A stack that runs a release on ECS.

    Args:
        token: ARN of a secret.
        ecs: options of the runtime.
    """
    size = {"cpu": 0.25, "memory": 512}
    health = {"path": "/version", "command": ["/app", "healthcheck", "http://127.0.0.1:8080/version"]}
    return {
        "imageTag": tag,
        "promoteFrom": source,
        "service": {
            "runtime": "ecs",
            "environment": {"ANTGENT_APP__ENV": "prod"},
            "server": {**size, "stopGrace": 20, "health": health, "autoscaling": {"min": 2, "max": 4}},
            "worker": {**size, "stopGrace": 40, "replicas": 2, "healthCommand": ["/app", "worker-alive"]},
            "ecs": ecs,
        },
        "secrets": {
            "ANTGENT_SERVER__TOKEN": token,
            "ANTGENT_LLM__KEY": "${TEST_LLM_KEY}",
        },
        "owner": "tests",
    }


def address(registry: str, repository: str) -> str:
    """Where the registry itself answers for an ECR repository."""
    host, _, folder = registry.partition("/")
    return f"http://{host}/v2/{folder}/{repository}"


def empty(registry: str, repository: str) -> None:
    """Delete a repository's images, which a release repository does not do by itself."""
    tags = httpx.get(f"{address(registry, repository)}/tags/list").json().get("tags") or []
    for tag in tags:
        manifests, accept = f"{address(registry, repository)}/manifests", {"accept": MANIFEST}
        found = httpx.head(f"{manifests}/{tag}", headers=accept).headers["docker-content-digest"]
        httpx.delete(f"{manifests}/{found}").raise_for_status()
