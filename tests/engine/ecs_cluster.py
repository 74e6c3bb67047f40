"""An ECS cluster on a really started server: asked over boto3 and the Docker engine, never from within."""

import contextlib
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import docker
from docker.errors import ImageNotFound
from docker.models.containers import Container

from sandbox.aws import Aws
from sandbox.process import wait_until

ACCOUNT, REGION = "123456789012", "eu-central-1"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
HEALTHY = {"command": ["CMD", "/app", "healthcheck", "http://127.0.0.1:8080/version"], "interval": 1,
           "timeout": 2, "retries": 2}  # fmt: skip
ROLL_BACK = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Images:
    """Builds the small app's images and pushes them, once a mode and version, to where ECR's names lead."""

    def __init__(self, daemon: docker.DockerClient, registry: str, context: Path) -> None:
        self._daemon, self._registry, self._context = daemon, registry, context
        self._repository = f"ecs-{uuid.uuid4().hex[:8]}"
        self._made: dict[tuple[str, str], str] = {}

    def __call__(self, mode: str, version: str = "v1") -> str:
        """The image by ECR's name and its digest."""
        if (mode, version) not in self._made:
            name = f"{self._registry}/{self._repository}"
            tag = f"{mode}-{version}"
            arguments = {"MODE": mode, "ANTGENT_VERSION": version}
            self._daemon.images.build(
                path=str(self._context), tag=f"{name}:{tag}", buildargs=arguments, rm=True
            )
            pushed = self._daemon.api.push(name, tag=tag, stream=True, decode=True)
            digest = next(line["aux"]["Digest"] for line in pushed if "aux" in line)
            self._made[mode, version] = f"{ECR}/{self._repository}@{digest}"
        return self._made[mode, version]

    def missing(self) -> str:
        """An image that nobody has pushed."""
        return f"{ECR}/{self._repository}@sha256:{'0' * 64}"

    def remove(self) -> None:
        """Take their names off the engine; an image of the same content may be another test's."""
        for image in self._daemon.api.images():
            for name in [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]:
                if self._repository in name:
                    with contextlib.suppress(ImageNotFound):
                        self._daemon.images.remove(name)


class Cluster:
    """A cluster with a network, a log group, and what tests ask of it."""

    def __init__(self, aws: Aws, daemon: docker.DockerClient) -> None:
        self._aws, self.daemon = aws, daemon
        self.ecs, self.logs = self.client("ecs"), self.client("logs")
        self.name, self.group = f"c-{uuid.uuid4().hex[:6]}", f"/tests/{uuid.uuid4().hex[:6]}"
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = [f"{REGION}a", f"{REGION}b"]
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for n, zone in enumerate(zones)
        ]
        wanted = {"GroupName": self.name, "Description": "tests", "VpcId": self.vpc}
        self.security = ec2.create_security_group(**wanted)["GroupId"]
        self.network = {
            "awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": [self.security],
                                    "assignPublicIp": "DISABLED"}
        }  # fmt: skip
        self.ecs.create_cluster(clusterName=self.name)
        self.logs.create_log_group(logGroupName=self.group)

    def client(self, service: str) -> Any:
        """A boto3 client of the server."""
        env = self._aws.env
        return boto3.client(
            service, region_name=REGION, endpoint_url=self._aws.endpoint,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def define(self, image: str, *, family: str = "app", volumes: Any = (), **container: Any) -> str:
        """Register a task definition of one container; its ARN."""
        options = {"awslogs-group": self.group, "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
        definition = {
            "name": "app", "image": image, "essential": True, "command": ["server"], "stopTimeout": 2,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "logConfiguration": {"logDriver": "awslogs", "options": options}, **container,
        }  # fmt: skip
        answer = self.ecs.register_task_definition(
            family=f"{self.name}-{family}", containerDefinitions=[definition], networkMode="awsvpc", cpu="256",
            memory="64", requiresCompatibilities=["FARGATE"], volumes=list(volumes),
        )  # fmt: skip
        return answer["taskDefinition"]["taskDefinitionArn"]

    def create(self, name: str, definition: str, count: int = 1, **more: Any) -> None:
        """Create a service."""
        self.ecs.create_service(
            cluster=self.name, serviceName=name, taskDefinition=definition, desiredCount=count,
            launchType="FARGATE", networkConfiguration=self.network, **more,
        )  # fmt: skip

    def update(self, name: str, definition: str | None = None, **more: Any) -> None:
        """Update a service."""
        wanted = {"taskDefinition": definition} if definition else {}
        self.ecs.update_service(cluster=self.name, service=name, **wanted, **more)

    def service(self, name: str) -> dict[str, Any]:
        """What DescribeServices says."""
        (found,) = self.ecs.describe_services(cluster=self.name, services=[name])["services"]
        return found

    def primary(self, name: str) -> dict[str, Any]:
        """The PRIMARY deployment."""
        (found,) = [one for one in self.service(name)["deployments"] if one["status"] == "PRIMARY"]
        return found

    def tasks(self, name: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The service's tasks by their desired status, oldest first."""
        arns = self.ecs.list_tasks(cluster=self.name, serviceName=name, desiredStatus=status)["taskArns"]
        if not arns:
            return []
        found = self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]
        return sorted(found, key=lambda one: one["createdAt"])

    def task(self, arn: str) -> dict[str, Any]:
        """One task."""
        (found,) = self.ecs.describe_tasks(cluster=self.name, tasks=[arn])["tasks"]
        return found

    def codes(self, arn: str) -> dict[str, int | None]:
        """Container → exit code; none of those that run."""
        return {one["name"]: one.get("exitCode") for one in self.task(arn)["containers"]}

    def messages(self, name: str) -> list[str]:
        """The service's events, newest first."""
        return [one["message"] for one in self.service(name)["events"]]

    def lines(self, task: Mapping[str, Any]) -> list[str]:
        """What a task has written, from CloudWatch Logs."""
        stream = f"t/app/{task['taskArn'].rpartition('/')[2]}"
        found = self.logs.get_log_events(logGroupName=self.group, logStreamName=stream, startFromHead=True)
        return [one["message"] for one in found["events"]]

    def container(self, task: Mapping[str, Any]) -> Container:
        """The container of a running task, from Docker."""
        label = f"com.amazonaws.ecs.task-arn={task['taskArn']}"
        (found,) = self.daemon.containers.list(filters={"label": label})
        return found

    def steady(self, name: str, definition: str, seconds: float = 40) -> None:
        """Wait until a service runs `definition`, and nothing else."""
        self.until(
            lambda: (
                (now := self.primary(name))["rolloutState"] == "COMPLETED"
                and now["taskDefinition"] == definition
                and len(self.service(name)["deployments"]) == 1
            ),
            f"{name} steady on {definition}",
            seconds,
        )

    def until(self, ready: Callable[[], Any], what: str, seconds: float = 40) -> None:
        """Wait, and say what was seen when it does not come."""
        if not wait_until(lambda: bool(ready()), seconds=seconds, every=0.2):
            arns = self.ecs.list_services(cluster=self.name)["serviceArns"]
            found = self.ecs.describe_services(cluster=self.name, services=arns)["services"] if arns else []
            seen = [{key: one[key] for key in ("serviceName", "deployments", "events")} for one in found]
            raise AssertionError(f"not in {seconds:g} s: {what}\n{json.dumps(seen, indent=1, default=str)}")

    def stopped(self, arn: str, seconds: float = 30) -> dict[str, Any]:
        """A task once it has stopped."""
        self.until(lambda: self.task(arn)["lastStatus"] == "STOPPED", f"{arn} STOPPED", seconds)
        return self.task(arn)

    def run(self, definition: str, **more: Any) -> str:
        """RunTask; the task's ARN."""
        answer = self.ecs.run_task(
            cluster=self.name,
            taskDefinition=definition,
            launchType="FARGATE",
            networkConfiguration=self.network,
            **more,
        )
        return answer["tasks"][0]["taskArn"]

    def remove(self, *names: str) -> None:
        """Delete services and wait for their last task."""
        for name in names:
            with contextlib.suppress(self.ecs.exceptions.ServiceNotFoundException):
                self.ecs.delete_service(cluster=self.name, service=name, force=True)
        for name in names:
            self.until(lambda name=name: self.service(name)["status"] == "INACTIVE", f"{name} INACTIVE")
