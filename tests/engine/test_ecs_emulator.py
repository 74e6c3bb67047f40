"""The ECS emulator, driven as AWS is: over boto3 on a really started server, with real containers."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from sandbox import aws
from sandbox.aws import Aws
from sandbox.paths import Home
from sandbox.process import wait_until
from tests.engine.ecs_cluster import HEALTHY, REGION, ROLL_BACK, Cluster, Images

QUICK = {"ANTGENT_ECS_INTERVAL": "0.2", "ANTGENT_ECS_SETTLE": "1", "ANTGENT_ECS_BAKE": "2"}


@pytest.fixture(scope="module")
def settings(
    docker_host: str, registry_address: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the server is told."""
    names = tmp_path_factory.mktemp("names") / "names.json"
    names.write_text('{"temporal.staging.example.com": "192.0.2.7"}')
    found = {"DOCKER_HOST": docker_host, "SANDBOX_REGISTRY": registry_address, "SANDBOX_NAMES": str(names)}
    return {**found, **QUICK}


@pytest.fixture(scope="module")
def daemon(docker_host: str) -> docker.DockerClient:
    return docker.DockerClient(base_url=docker_host)


@pytest.fixture(scope="module")
def image(daemon: docker.DockerClient, registry_address: str, app_context: Path) -> Iterator[Images]:
    """Gives the small app's images: mode, version → name with digest."""
    made = Images(daemon, registry_address, app_context)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def server(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An AWS API of this module's own that runs tasks."""
    home = Home(tmp_path_factory.mktemp("ecs"))
    try:
        yield aws.ensure_aws(home, settings)
    finally:
        aws.stop_aws(home)


@pytest.fixture(scope="module")
def cluster(server: Aws, daemon: docker.DockerClient) -> Cluster:
    return Cluster(server, daemon)


@pytest.fixture(scope="module")
def good(cluster: Cluster, image: Images) -> str:
    """The task definition of a version that works."""
    return cluster.define(image("good"), healthCheck=HEALTHY)


def test_a_service_keeps_the_whole_request(cluster: Cluster, good: str) -> None:
    """What a deployment is judged by must be what was asked for; plain moto forgets it."""
    wanted = {**ROLL_BACK, "maximumPercent": 150, "minimumHealthyPercent": 50,
              "alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}  # fmt: skip
    cluster.create("kept", good, 0, deploymentConfiguration=wanted, healthCheckGracePeriodSeconds=7,
                   availabilityZoneRebalancing="ENABLED", enableECSManagedTags=True, propagateTags="SERVICE")  # fmt: skip
    cluster.update("kept", deploymentConfiguration={"maximumPercent": 120})
    found = cluster.service("kept")
    assert {name: found["deploymentConfiguration"][name] for name in wanted} == wanted | {
        "maximumPercent": 120
    }
    assert (found["healthCheckGracePeriodSeconds"], found["availabilityZoneRebalancing"]) == (7, "ENABLED")
    assert (found["propagateTags"], found["enableECSManagedTags"]) == ("SERVICE", True)
    assert len(found["deployments"]) == 1, "a changed percentage starts no deployment"
    cluster.remove("kept")


def test_a_task_is_a_container_as_its_definition_says(cluster: Cluster, image: Images) -> None:
    """Limits, user, file systems and environment decide whether the real thing starts."""
    definition = cluster.define(
        image("good"), family="confined", user="10001:10001", readonlyRootFilesystem=True, stopTimeout=3,
        environment=[{"name": "GREETING", "value": "hello"}],
        linuxParameters={"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True,
                         "tmpfs": [{"containerPath": "/run", "size": 8}]},
        mountPoints=[{"sourceVolume": "tmp", "containerPath": "/tmp"}], volumes=[{"name": "tmp"}],
    )  # fmt: skip
    arn = cluster.run(definition)
    cluster.until(lambda: cluster.task(arn)["lastStatus"] == "RUNNING", "the task runs")
    task = cluster.task(arn)
    seen = cluster.container(task).attrs
    host, config = seen["HostConfig"], seen["Config"]
    assert image("good").rpartition("@")[2] == task["containers"][0]["imageDigest"]
    assert (host["Memory"], host["NanoCpus"]) == (64 * 1024 * 1024, 250_000_000)
    assert (host["ReadonlyRootfs"], host["Init"], host["CapDrop"]) == (True, True, ["ALL"])
    assert (config["User"], host["Tmpfs"]) == ("10001:10001", {"/run": "size=8m"})
    assert [one["Destination"] for one in seen["Mounts"]] == ["/tmp"]
    assert host["Binds"] is None, "nothing of the host is in it"
    assert {"GREETING=hello", "AWS_EXECUTION_ENV=AWS_ECS_FARGATE"} <= set(config["Env"])
    assert host["ExtraHosts"] == ["temporal.staging.example.com:192.0.2.7"]
    details = {one["name"]: one["value"] for one in task["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == seen["NetworkSettings"]["IPAddress"]
    answer = httpx.get(f"http://{details['privateIPv4Address']}:8080/version", timeout=5)
    assert answer.json()["version"] == "v1"
    cluster.ecs.stop_task(cluster=cluster.name, task=arn, reason="enough")
    stopped = cluster.stopped(arn)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
    assert stopped["containers"][0]["exitCode"] == 0
    assert not cluster.daemon.volumes.list(filters={"name": f"ecs-{arn.rpartition('/')[2][:12]}"})


def test_a_release_replaces_the_last_one_task_by_task(cluster: Cluster, image: Images, good: str) -> None:
    """Never fewer healthy tasks and never more tasks than the percentages allow, seen on Docker itself."""
    cluster.create("rolling", good, 2, deploymentConfiguration=ROLL_BACK | {"maximumPercent": 150})
    cluster.steady("rolling", good)
    first = {one["taskArn"] for one in cluster.tasks("rolling")}
    slow = cluster.define(image("slow-start", "v2"), healthCheck={**HEALTHY, "startPeriod": 20})
    cluster.update("rolling", slow)
    most, least = 0, 2
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and cluster.primary("rolling")["rolloutState"] != "COMPLETED":
        tasks = cluster.tasks("rolling")
        most = max(most, len(tasks))
        least = min(least, sum(one["healthStatus"] == "HEALTHY" for one in tasks))
        time.sleep(0.2)
    assert (most, least) == (3, 2)
    cluster.steady("rolling", slow)
    now = {one["taskArn"] for one in cluster.tasks("rolling")}
    assert len(now) == 2
    assert not now & first
    ended = cluster.tasks("rolling", "STOPPED")
    assert {one["stopCode"] for one in ended} == {"ServiceSchedulerInitiated"}
    assert all("Scaling activity initiated by (deployment ecs-svc/" in one["stoppedReason"] for one in ended)
    text = "\n".join(cluster.messages("rolling"))
    assert text.startswith("(service rolling) has reached a steady state.")
    assert "deployment completed." in text
    assert "has stopped 1 running tasks: (task " in text
    assert "serving version v2, mode slow-start" in cluster.lines(cluster.tasks("rolling")[0])
    cluster.remove("rolling")


def test_containers_of_a_task_share_its_address(cluster: Cluster, image: Images) -> None:
    """A sidecar is reached on loopback; one that ends and is not essential leaves the task alone."""
    one = {"image": image("good"), "memory": 32, "stopTimeout": 2}
    second = {
        "name": "side",
        "essential": False,
        "environment": [{"name": "ANTGENT_SERVER__PORT", "value": "8081"}],
    }
    third = {"name": "once", "essential": False, "command": ["worker-alive"]}
    definition = cluster.ecs.register_task_definition(
        family=f"{cluster.name}-pair", networkMode="awsvpc", cpu="256", memory="128",
        requiresCompatibilities=["FARGATE"],
        containerDefinitions=[{"name": "main", **one}, {**one, **second}, {**one, **third}],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    arn = cluster.run(definition)
    cluster.until(lambda: cluster.codes(arn) == {"main": None, "side": None, "once": 0}, "two of three run")
    assert cluster.task(arn)["lastStatus"] == "RUNNING"
    address = cluster.task(arn)["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    for port in (8080, 8081):
        assert httpx.get(f"http://{address}:{port}/version", timeout=5).json()["version"] == "v1"
    cluster.ecs.stop_task(cluster=cluster.name, task=arn)
    cluster.stopped(arn)
    assert cluster.codes(arn) == {"main": 0, "side": 0, "once": 0}


@pytest.mark.parametrize(
    ("mode", "code", "reason"),
    [
        ("crash", "EssentialContainerExited", "Essential container in task exited"),
        ("never-ready", "ServiceSchedulerInitiated", "Task failed container health checks"),
        ("missing", "TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried"),
    ],
)
def test_a_bad_release_is_rolled_back(
    cluster: Cluster, image: Images, good: str, mode: str, code: str, reason: str
) -> None:
    """The circuit breaker opens after three tasks, the old ones serve all along, and every cause is told."""
    name = f"bad-{mode}"
    cluster.create(name, good, 2, deploymentConfiguration=ROLL_BACK, healthCheckGracePeriodSeconds=4)
    cluster.steady(name, good)
    first = [one["taskArn"] for one in cluster.tasks(name)]
    what = image.missing() if mode == "missing" else image(mode, "v2")
    bad = cluster.define(what, family="bad", healthCheck=HEALTHY)
    cluster.update(name, bad)
    cluster.until(lambda: cluster.service(name)["taskDefinition"] == good, "rolled back")
    told = [one for one in cluster.service(name)["deployments"] if one["taskDefinition"] == bad]
    assert [one["rolloutState"] for one in told] in (["FAILED"], [])
    cluster.steady(name, good)
    assert [one["taskArn"] for one in cluster.tasks(name)] == first
    ended = cluster.tasks(name, "STOPPED")
    assert len(ended) >= 3
    assert {one["stopCode"] for one in ended if one["stoppedReason"].startswith(reason)} == {code}
    if mode == "never-ready":
        lived = [
            (one["stoppingAt"] - one["startedAt"]).total_seconds()
            for one in ended
            if one["stoppedReason"] == reason
        ]
        assert min(lived) >= 4, "the check fails after 2 s, and counts after the grace period only"
    if mode == "crash":
        stopped = cluster.stopped(ended[0]["taskArn"])
        assert stopped["containers"][0]["exitCode"] == 3
        assert cluster.lines(stopped) == ["fatal: the database password is missing"]
    messages = "\n".join(cluster.messages(name))
    assert "deployment failed: tasks failed to start." in messages
    assert "rolling back to deployment ecs-svc/" in messages
    (brief, _) = cluster.ecs.list_service_deployments(cluster=cluster.name, service=name)[
        "serviceDeployments"
    ]
    assert brief["status"] == "ROLLBACK_SUCCESSFUL"
    arns = [brief["serviceDeploymentArn"]]
    (whole,) = cluster.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    assert (whole["deploymentCircuitBreaker"]["status"], whole["deploymentCircuitBreaker"]["threshold"]) == (
        "TRIGGERED", 3)  # fmt: skip
    cluster.remove(name)


def test_a_first_release_that_fails_is_not_retried_for_ever_and_is_repaired(
    cluster: Cluster, image: Images, good: str
) -> None:
    """Nothing to roll back to: the deployment is FAILED, starts no more tasks, and the next one works."""
    bad = cluster.define(image("crash", "v2"), family="bad")
    cluster.create("first", bad, 1, deploymentConfiguration=ROLL_BACK)
    cluster.until(lambda: cluster.primary("first")["rolloutState"] == "FAILED", "FAILED")
    assert cluster.primary("first")["rolloutStateReason"] == (
        "ECS deployment circuit breaker: tasks failed to start."
    )
    failed = len(cluster.tasks("first", "STOPPED"))
    time.sleep(2)
    assert len(cluster.tasks("first", "STOPPED")) == failed == 3
    cluster.update("first", good)
    cluster.steady("first", good)
    cluster.remove("first")


def test_an_alarm_takes_a_release_back(cluster: Cluster, image: Images, good: str) -> None:
    """A release may be healthy and still be wrong; one that rings before the release proves nothing."""
    cloudwatch = cluster.client("cloudwatch")
    for name in ("errors", "old-trouble"):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="Tests", MetricName=name, Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    watched = {"alarms": {"alarmNames": ["errors", "old-trouble"], "enable": True, "rollback": True}}
    cluster.create("alarmed", good, 1, deploymentConfiguration=watched)
    cluster.steady("alarmed", good)
    cloudwatch.set_alarm_state(AlarmName="old-trouble", StateValue="ALARM", StateReason="before")
    other = cluster.define(image("good", "v2"), family="alarmed", healthCheck=HEALTHY)
    cluster.update("alarmed", other)
    cluster.until(
        lambda: any(one["taskDefinitionArn"] == other for one in cluster.tasks("alarmed")), "new task"
    )
    cloudwatch.put_metric_data(Namespace="Tests", MetricData=[{"MetricName": "errors", "Value": 9}])
    cluster.until(lambda: cluster.service("alarmed")["taskDefinition"] == good, "rolled back")
    cluster.steady("alarmed", good)
    assert "deployment failed: alarm detected." in "\n".join(cluster.messages("alarmed"))
    brief = cluster.ecs.list_service_deployments(cluster=cluster.name, service="alarmed")[
        "serviceDeployments"
    ][0]
    (whole,) = cluster.ecs.describe_service_deployments(
        serviceDeploymentArns=[brief["serviceDeploymentArn"]]
    )["serviceDeployments"]
    assert (whole["status"], whole["alarms"]["triggeredAlarmNames"]) == ("ROLLBACK_SUCCESSFUL", ["errors"])
    cluster.remove("alarmed")


def test_secrets_are_read_where_the_task_definition_points(cluster: Cluster, image: Images) -> None:
    """Whole secrets, single keys and parameters reach the process; a missing one stops the task at start."""
    store, parameters = cluster.client("secretsmanager"), cluster.client("ssm")
    made = store.create_secret(Name=cluster.name, SecretString='{"token": "t-1", "port": 7}')["ARN"]
    parameters.put_parameter(Name=f"/{cluster.name}/key", Value="p-1", Type="SecureString")
    ssm = f"arn:aws:ssm:{REGION}:123456789012:parameter/{cluster.name}/key"
    values = {"WHOLE": made, "TOKEN": f"{made}:token::", "PORT": f"{made}:port:AWSCURRENT:", "PARAMETER": ssm}
    wanted = [{"name": name, "valueFrom": value} for name, value in values.items()]
    arn = cluster.run(cluster.define(image("good"), family="secret", secrets=wanted))
    cluster.until(lambda: cluster.task(arn)["lastStatus"] == "RUNNING", "the task runs")
    env = cluster.container(cluster.task(arn)).attrs["Config"]["Env"]
    assert {'WHOLE={"token": "t-1", "port": 7}', "TOKEN=t-1", "PORT=7", "PARAMETER=p-1"} <= set(env)
    cluster.ecs.stop_task(cluster=cluster.name, task=arn)
    for gone, words in (
        (f"{made}:password::", "did not contain json key password"),
        (made.replace(cluster.name, "nobodys"), "Secrets Manager can't find the specified secret."),
        (f"{ssm}-gone", "unable to retrieve secrets from ssm"),
    ):
        secret = [{"name": "GONE", "valueFrom": gone}]
        stopped = cluster.stopped(cluster.run(cluster.define(image("good"), family="gone", secrets=secret)))
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets")
        assert words in stopped["stoppedReason"]
        assert "t-1" not in stopped["stoppedReason"]


def test_a_task_without_its_log_group_does_not_start(cluster: Cluster, image: Images) -> None:
    """A wrong name in the log options is found here, not in production."""
    options = {"awslogs-group": "/not/there", "awslogs-region": REGION, "awslogs-stream-prefix": "t"}
    logs = {"logDriver": "awslogs", "options": options}
    stopped = cluster.stopped(
        cluster.run(cluster.define(image("good"), family="mute", logConfiguration=logs))
    )
    assert "The specified log group does not exist." in stopped["stoppedReason"]


def test_a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(
    cluster: Cluster, image: Images
) -> None:
    """A worker that hangs must not hold a rollout up: SIGTERM, then SIGKILL."""
    arn = cluster.run(cluster.define(image("ignores-sigterm"), family="stubborn", stopTimeout=2))
    cluster.until(lambda: cluster.task(arn)["lastStatus"] == "RUNNING", "the task runs")
    cluster.until(lambda: cluster.lines(cluster.task(arn)), "it serves")
    cluster.ecs.stop_task(cluster=cluster.name, task=arn)
    stopped = cluster.stopped(arn)
    assert stopped["containers"][0]["exitCode"] == 137
    took = (stopped["executionStoppedAt"] - stopped["stoppingAt"]).total_seconds()
    assert 1.5 <= took < 6


def test_what_a_task_cannot_have_here_is_said(cluster: Cluster, image: Images) -> None:
    """An emulator that leaves out what it does not know would prove what is not true."""
    volume = {"name": "shared", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}
    stopped = cluster.stopped(cluster.run(cluster.define(image("good"), family="efs", volumes=[volume])))
    assert "the sandbox's ECS does not do volumes with efsVolumeConfiguration" in stopped["stoppedReason"]
    with pytest.raises(cluster.ecs.exceptions.InvalidParameterException, match="does not do strategy"):
        cluster.create(
            "blue", cluster.define(image("good")), deploymentConfiguration={"strategy": "BLUE_GREEN"}
        )


def test_autoscaling_moves_the_count_within_its_bounds(cluster: Cluster, image: Images) -> None:
    """A metric moves the desired count up to the maximum and back; an update without a number keeps it."""
    definition = cluster.define(image("good"), family="scaled", healthCheck=HEALTHY)
    cluster.create("scaled", definition, 1)
    scaling, resource = cluster.client("application-autoscaling"), f"service/{cluster.name}/scaled"
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": resource,
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    body = {"TargetValue": 50.0, "ScaleOutCooldown": 0, "ScaleInCooldown": 0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}  # fmt: skip
    scaling.put_scaling_policy(**target, PolicyName="cpu", PolicyType="TargetTrackingScaling",
                               TargetTrackingScalingPolicyConfiguration=body)  # fmt: skip
    cluster.steady("scaled", definition)
    _publish(cluster, "scaled", 95.0)
    cluster.until(lambda: cluster.service("scaled")["desiredCount"] == 2, "two are wanted")
    cluster.until(lambda: cluster.service("scaled")["runningCount"] == 2, "two run")
    _publish(cluster, "scaled", 1000.0)
    cluster.until(lambda: cluster.service("scaled")["runningCount"] == 3, "the maximum runs")
    cluster.update("scaled", healthCheckGracePeriodSeconds=1)
    assert cluster.service("scaled")["desiredCount"] == 3
    time.sleep(60 - datetime.now(UTC).second if datetime.now(UTC).second > 55 else 0)
    _publish(cluster, "scaled", 0.0, clear=True)
    cluster.until(lambda: cluster.service("scaled")["runningCount"] == 1, "the minimum runs", 90)
    cluster.remove("scaled")


def _publish(cluster: Cluster, service: str, percent: float, *, clear: bool = False) -> None:
    """Publish the service's CPU; with `clear` so many values that the minute's average is theirs."""
    names = {"ClusterName": cluster.name, "ServiceName": service}
    point = {"MetricName": "CPUUtilization", "Unit": "Percent",
             "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()]}  # fmt: skip
    values: dict[str, Any] = {"Values": [percent], "Counts": [100.0]} if clear else {"Value": percent}
    cluster.client("cloudwatch").put_metric_data(Namespace="AWS/ECS", MetricData=[point | values])


def test_a_target_is_the_task_s_own_address_and_its_health_decides(
    cluster: Cluster, image: Images, good: str
) -> None:
    """The load balancer's verdict replaces tasks after the grace period, and rolls a release back."""
    elb = cluster.client("elbv2")
    balancer = elb.create_load_balancer(Name=cluster.name, Subnets=cluster.subnets)["LoadBalancers"][0]
    group = elb.create_target_group(
        Name=cluster.name, Port=8080, Protocol="HTTP", VpcId=cluster.vpc, TargetType="ip",
        HealthCheckPath="/version", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2, UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]
    )
    behind = [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]
    with pytest.raises(cluster.ecs.exceptions.InvalidParameterException, match="associated load balancer"):
        cluster.create("early", good, loadBalancers=behind)
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=80, Protocol="HTTP",
                        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])  # fmt: skip
    plain = cluster.define(image("good"), family="behind")
    cluster.create("behind", plain, 3, loadBalancers=behind, deploymentConfiguration=ROLL_BACK)
    cluster.steady("behind", plain)
    running = [
        cluster.container(one).attrs["NetworkSettings"]["IPAddress"] for one in cluster.tasks("behind")
    ]
    health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    seen = {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in health}
    assert seen == dict.fromkeys(running, "healthy")
    bad = cluster.define(image("never-ready", "v2"), family="behind")
    cluster.update("behind", bad)
    cluster.until(lambda: cluster.service("behind")["taskDefinition"] == plain, "rolled back", 90)
    cluster.steady("behind", plain)
    reasons = {one["stoppedReason"] for one in cluster.tasks("behind", "STOPPED")}
    assert f"Task failed ELB health checks in (target-group {group})" in reasons
    messages = "\n".join(cluster.messages("behind"))
    assert f"targets in (target-group {group})" in messages
    assert f"(port 8080) is unhealthy in (target-group {group}) due to (reason" in messages
    cluster.remove("behind")
    left = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert not [one for one in left if one["TargetHealth"]["State"] != "draining"]


def test_a_service_replaces_a_dead_task_until_it_is_deleted(cluster: Cluster, good: str) -> None:
    """A task that dies is replaced; then DRAINING until the last container is gone, then INACTIVE."""
    cluster.create("leaving", good, 1)
    cluster.steady("leaving", good)
    (first,) = cluster.tasks("leaving")
    cluster.container(first).kill()
    cluster.until(
        lambda: [one["taskArn"] for one in cluster.tasks("leaving")] != [first["taskArn"]], "replaced"
    )
    cluster.until(
        lambda: [one["lastStatus"] for one in cluster.tasks("leaving")] == ["RUNNING"], "one runs again"
    )
    assert cluster.task(first["taskArn"])["containers"][0]["exitCode"] == 137
    assert cluster.primary("leaving")["rolloutState"] == "COMPLETED", "a task that dies is no failed release"
    container = cluster.container(cluster.tasks("leaving")[0])
    with pytest.raises(cluster.ecs.exceptions.InvalidParameterException, match="scaled above 0"):
        cluster.ecs.delete_service(cluster=cluster.name, service="leaving")
    cluster.ecs.delete_service(cluster=cluster.name, service="leaving", force=True)
    assert cluster.service("leaving")["status"] == "DRAINING"
    with pytest.raises(cluster.ecs.exceptions.ClusterContainsServicesException):
        cluster.ecs.delete_cluster(cluster=cluster.name)
    cluster.until(lambda: cluster.service("leaving")["status"] == "INACTIVE", "INACTIVE")
    known = [one["Id"] for one in cluster.daemon.api.containers(all=True)]
    assert str(container.id) not in known


def test_a_server_leaves_no_container_also_when_it_was_killed(
    settings: dict[str, str], daemon: docker.DockerClient, image: Images, tmp_path: Path
) -> None:
    """A stopped server ends its tasks; what a killed one left is gone after the next start."""
    home = Home(tmp_path)
    mine = {"label": f"antgent.sandbox={home.id}"}
    try:
        _run_one(Cluster(aws.ensure_aws(home, settings), daemon), image)
        assert len(daemon.containers.list(filters=mine)) == 1
        found = aws.find_aws(home)
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        assert wait_until(lambda: aws.find_aws(home) is None, seconds=10)
        assert len(daemon.containers.list(filters=mine)) == 1
        again = Cluster(aws.ensure_aws(home, settings), daemon)
        assert daemon.containers.list(all=True, filters=mine) == []
        _run_one(again, image)
    finally:
        aws.stop_aws(home)
    assert daemon.containers.list(all=True, filters=mine) == []
    assert daemon.volumes.list(filters=mine) == []


def _run_one(cluster: Cluster, image: Images) -> None:
    volume = {"volumes": [{"name": "v"}], "mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}
    arn = cluster.run(cluster.define(image("good"), family="left", **volume))
    cluster.until(lambda: cluster.task(arn)["lastStatus"] == "RUNNING", "the task runs")
