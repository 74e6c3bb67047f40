"""Every rule of a stack's config, with a config that keeps it and one that breaks it."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

DROP = object()
BASE: dict[str, Any] = {
    "imageTag": "v0.3.2",
    "registry": {"kind": "external", "server": "registry.example.com"},
    "service": {"runtime": "docker"},
}
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:antgent/token"
ENCRYPTED = {"secure": "v1:abc"}
VPC, SUBNETS = "vpc-0a1b2c3d4e5f67890", ["subnet-0a1b2c3d4e5f67890", "subnet-0a1b2c3d4e5f67891"]
KMS = "arn:aws:kms:eu-west-1:111122223333:key/example"


def stack(changes: dict[str, Any]) -> dict[str, Any]:
    """A stack's config: a small valid one with `changes`, whose keys are dotted paths (DROP removes)."""
    config: dict[str, Any] = deepcopy(BASE)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = deepcopy(value)
        if value is DROP:
            del section[last]
    return {f"antgent:{key}": value for key, value in config.items()}


@dataclass(frozen=True)
class Case:
    """One rule.

    Args:
        rule: the rule as a sentence.
        good, bad: changes to the base config that keep and break it.
        key: where the problem is reported.
        says: words of the report.
    """

    rule: str
    bad: dict[str, Any]
    key: str
    says: str
    good: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.rule.replace(" ", "-")


SERVER, WORKER, HEALTH = "service.server", "service.worker", "service.server.health"
ECS, KUBERNETES = "service.ecs", "service.kubernetes"
ENVIRONMENT = "service.environment"
OVERRIDE = {"promoteFrom": "staging", "override": {"reason": "checkout is down", "by": "ana"}}
INGRESS = {"host": "antgent.example.com"}

KEYS = [
    Case("a misspelt section is named", {"imagetag": "v1"}, "imagetag", "did you mean 'imageTag'"),
    Case("a misspelt key is named", {f"{SERVER}.memroy": 512}, f"{SERVER}.memroy", "did you mean"),
    Case("a misspelt deep key is named", {f"{HEALTH}.pth": "/"}, f"{HEALTH}.pth", "server.health.path"),
    Case(
        "a misspelt key of a list is named",
        {"verify.http": [{"pth": "/"}]},
        "verify.http[0].pth",
        "http.0.path",
    ),
    Case(
        "a key in the wrong place is named",
        {"service.publish": 1},
        "service.publish",
        "service.docker.publish",
    ),
    Case("an unknown key is refused", {"colour": "red"}, "colour", "known are imageTag"),
    Case(
        "a key of another kind is refused", {"registry.keepReleases": 20}, "registry.keepReleases", "unknown"
    ),
    Case("a misspelt secrets section is named", {"secret": {"A": "x"}}, "secret", "did you mean 'secrets'"),
]
TYPES = [
    Case(
        "a count is a number",
        {f"{SERVER}.replicas": "2"},
        f"{SERVER}.replicas",
        "whole number",
        {f"{SERVER}.replicas": 2},
    ),
    Case(
        "a count is whole",
        {f"{SERVER}.memory": 512.5},
        f"{SERVER}.memory",
        "whole number",
        {f"{SERVER}.memory": 512},
    ),
    Case("a size is a number", {f"{SERVER}.cpu": "0.5"}, f"{SERVER}.cpu", "a number", {f"{SERVER}.cpu": 1}),
    Case(
        "a switch is a boolean", {f"{ECS}.exec": "yes"}, f"{ECS}.exec", "true or false", {f"{ECS}.exec": True}
    ),
    Case("a text is quoted", {"imageTag": 0.3}, "imageTag", "in quotes", {"imageTag": "0.3"}),
    Case(
        "a list is a list",
        {f"{SERVER}.command": "server"},
        f"{SERVER}.command",
        "a list",
        {f"{SERVER}.command": ["server"]},
    ),
    Case("a section is a section", {"build": "image"}, "build", "section of keys", {"build": {}}),
    Case(
        "an account is quoted",
        {"registry": {"kind": "ecr", "pullAccounts": [111122223333]}},
        "registry.pullAccounts[0]",
        "quotes",
        {"registry": {"kind": "ecr", "pullAccounts": ["111122223333"]}},
    ),
    Case(
        "a setting keeps its decimals",
        {f"{ENVIRONMENT}.A": 0.30},
        f"{ENVIRONMENT}.A",
        "in quotes",
        {f"{ENVIRONMENT}.A": "0.30"},
    ),
]
VALUES = [
    Case(
        "a release is not latest",
        {"imageTag": "latest"},
        "imageTag",
        "not 'latest'",
        {"imageTag": "v1_a-b.c"},
    ),
    Case("a tag follows OCI", {"imageTag": "v1 2"}, "imageTag", "at most 128", {"imageTag": "A" * 128}),
    Case("a tag has at most 128 characters", {"imageTag": "A" * 129}, "imageTag", "at most 128"),
    Case(
        "a repository follows OCI",
        {"registry.repository": "Antgent"},
        "registry.repository",
        "lower case",
        {"registry.repository": "a/b-c__d"},
    ),
    Case(
        "a server has no scheme",
        {"registry.server": "https://x"},
        "registry.server",
        "without scheme",
        {"registry.server": "127.0.0.1:5000"},
    ),
    Case("a kind is known", {"registry.kind": "ecrr"}, "registry.kind", "must be one of external, ecr"),
    Case("a kind is required", {"registry.kind": DROP}, "registry.kind", "is required"),
    Case("a runtime is known", {"service.runtime": "dokcer"}, "service.runtime", "docker, kubernetes, ecs"),
    Case("a runtime is required", {"service.runtime": DROP}, "service.runtime", "is required"),
    Case(
        "a restart policy is known",
        {"service.docker.restart": "never"},
        "service.docker.restart",
        "must be one of",
        {"service.docker.restart": "no"},
    ),
    Case(
        "memory has a lower bound",
        {f"{SERVER}.memory": 8},
        f"{SERVER}.memory",
        "at least 16",
        {f"{SERVER}.memory": 16},
    ),
    Case(
        "cpu has a lower bound",
        {f"{WORKER}.cpu": 0},
        f"{WORKER}.cpu",
        "at least 0.05",
        {f"{WORKER}.cpu": 0.05},
    ),
    Case(
        "a server has a copy",
        {f"{SERVER}.replicas": 0},
        f"{SERVER}.replicas",
        "at least 1",
        {f"{WORKER}.replicas": 0},
    ),
    Case(
        "a stop grace is short enough",
        {f"{WORKER}.stopGrace": 121},
        f"{WORKER}.stopGrace",
        "at most 120",
        {f"{WORKER}.stopGrace": 120},
    ),
    Case(
        "a stop grace is long enough",
        {f"{SERVER}.stopGrace": 1},
        f"{SERVER}.stopGrace",
        "at least 2",
        {f"{SERVER}.stopGrace": 2},
    ),
    Case(
        "a port needs no root",
        {f"{SERVER}.port": 80},
        f"{SERVER}.port",
        "at least 1024",
        {f"{SERVER}.port": 65535},
    ),
    Case(
        "a deadline is bounded",
        {"service.rollout.deadline": 5},
        "service.rollout.deadline",
        "at least 10",
        {"service.rollout.deadline": 10},
    ),
    Case(
        "a published address is an IP",
        {"service.docker.publish.address": "localhost"},
        "service.docker.publish.address",
        "IP address",
        {"service.docker.publish.address": "::1"},
    ),
    Case(
        "a Docker host is an address",
        {"service.docker.host": "/var/run/docker.sock"},
        "service.docker.host",
        "unix:///",
        {"service.docker.host": "tcp://10.0.0.1:2376"},
    ),
    Case(
        "a path starts with a slash",
        {f"{HEALTH}.path": "version"},
        f"{HEALTH}.path",
        "start with '/'",
        {f"{HEALTH}.path": "/version?a=b"},
    ),
    Case(
        "a variable is upper case",
        {f"{ENVIRONMENT}.log-level": "x"},
        f"{ENVIRONMENT}.log-level",
        "upper case",
        {f"{ENVIRONMENT}.LOG_LEVEL": "x"},
    ),
    Case(
        "a stack name has no blanks",
        {"promoteFrom": "my stack"},
        "promoteFrom",
        "name of a stack",
        {"promoteFrom": "org/antgent/staging"},
    ),
    Case(
        "a namespace is a DNS label",
        {f"{KUBERNETES}.namespace": "a.b"},
        f"{KUBERNETES}.namespace",
        "DNS label",
        {f"{KUBERNETES}.namespace": "a-b"},
    ),
    Case(
        "a region is a region",
        {"registry": {"kind": "ecr", "replicateTo": ["europe"]}},
        "registry.replicateTo[0]",
        "AWS region",
        {"registry": {"kind": "ecr", "replicateTo": ["us-gov-west-1"]}},
    ),
    Case(
        "a key is an ARN",
        {"registry": {"kind": "ecr", "kmsKey": "key"}},
        "registry.kmsKey",
        "an ARN",
        {"registry": {"kind": "ecr", "kmsKey": KMS}},
    ),
    Case(
        "an address block is sane",
        {f"{ECS}.network.cidr": "10.0.0.0/8"},
        f"{ECS}.network.cidr",
        "/16 to a /24",
        {f"{ECS}.network.cidr": "10.0.0.0/16"},
    ),
    Case(
        "logs are kept as CloudWatch offers",
        {f"{ECS}.logs.retention": 31},
        f"{ECS}.logs.retention",
        "must be one of",
        {f"{ECS}.logs.retention": 90},
    ),
    Case(
        "a Kubernetes label is short",
        {f"{KUBERNETES}.nodeSelector": {"a": "x" * 64}},
        f"{KUBERNETES}.nodeSelector.a",
        "at most 63",
        {f"{KUBERNETES}.nodeSelector": {"a": "x" * 63}},
    ),
]
STACK = [
    Case(
        "a stack does something",
        {"service": DROP, "registry": DROP, "imageTag": DROP},
        "service",
        "would do nothing",
    ),
    Case("a service names its release", {"imageTag": DROP}, "imageTag", "required by service"),
    Case("an empty release is none", {"imageTag": ""}, "imageTag", "required by service"),
    Case(
        "a build names its release",
        {"imageTag": DROP, "service": DROP, "build": {}},
        "imageTag",
        "required by build",
        {"service": DROP, "build": {}},
    ),
    Case(
        "promotion excludes building",
        {"promoteFrom": "staging", "build": {}},
        "build",
        "excludes promoteFrom",
        {"promoteFrom": "staging"},
    ),
    Case(
        "a build needs a registry",
        {"build": {}, "registry": DROP},
        "registry",
        "required by build",
        {"build": {}},
    ),
    Case(
        "a service needs an image",
        {"registry": DROP},
        "promoteFrom",
        "required by service",
        {"registry": DROP, "promoteFrom": "staging"},
    ),
    Case(
        "a stack does not promote itself",
        {"promoteFrom": "org/antgent/dev"},
        "promoteFrom",
        "another stack",
        {"promoteFrom": "staging"},
    ),
    Case(
        "an override needs a gate",
        {"override": OVERRIDE["override"]},
        "override",
        "needs promoteFrom",
        OVERRIDE,
    ),
    Case(
        "an override has a reason",
        OVERRIDE | {"override": {"by": "ana"}},
        "override.reason",
        "is required",
        OVERRIDE,
    ),
    Case(
        "a reason says something",
        OVERRIDE | {"override": {"by": "ana", "reason": "  hotfix    "}},
        "override.reason",
        "10 characters",
        OVERRIDE,
    ),
    Case(
        "an override has a name",
        OVERRIDE | {"override": {"reason": "checkout is down"}},
        "override.by",
        "is required",
        OVERRIDE,
    ),
    Case(
        "only what runs is verified",
        {"service": DROP, "verify": {"http": [{"path": "/"}]}},
        "verify",
        "needs service",
        {"verify": {"http": [{"path": "/"}]}},
    ),
    Case(
        "a verification has a check",
        {"verify": {"soak": 5}},
        "verify",
        "needs a check",
        {"verify": {"commands": ["true"]}},
    ),
    Case(
        "an expectation has a field",
        {"verify.http": [{"path": "/", "expect": "x"}]},
        "verify.http[0].field",
        "required by expect",
        {"verify.http": [{"path": "/", "field": "a", "expect": "x"}]},
    ),
    Case(
        "a worker check has an address",
        {"verify": {"worker": {"taskQueues": ["a"]}}},
        "verify.worker.address",
        "ANTGENT_TEMPORALIO__HOST",
        {f"{ENVIRONMENT}.ANTGENT_TEMPORALIO__HOST": "t:7233", "verify": {"worker": {"taskQueues": ["a"]}}},
    ),
    Case(
        "a worker check names a queue",
        {"verify": {"worker": {"address": "t:1", "taskQueues": []}}},
        "verify.worker.taskQueues",
        "at least 1",
        {"verify": {"worker": {"address": "t:1", "taskQueues": ["a"]}}},
    ),
    Case(
        "a registry user has a password",
        {"registry.username": "ci"},
        "registry.password",
        "required by username",
        {"registry.username": "ci", "registry.password": ENCRYPTED},
    ),
    Case(
        "a registry password has a user",
        {"registry.password": ENCRYPTED},
        "registry.username",
        "required by password",
    ),
]
SERVICE = [
    Case(
        "copies are counted once",
        {f"{SERVER}.replicas": 2, f"{SERVER}.autoscaling": {}},
        f"{SERVER}.replicas",
        "excludes autoscaling",
        {f"{SERVER}.autoscaling": {}},
    ),
    Case(
        "min is at most max",
        {f"{WORKER}.autoscaling": {"min": 3, "max": 2}},
        f"{WORKER}.autoscaling.max",
        "at least min",
        {f"{WORKER}.autoscaling": {"min": 2, "max": 2}},
    ),
    Case(
        "min is at most the default max",
        {f"{WORKER}.autoscaling": {"min": 9}},
        f"{WORKER}.autoscaling.max",
        "at least min",
    ),
    Case(
        "a probe ends before the next",
        {f"{HEALTH}.interval": 2},
        f"{HEALTH}.timeout",
        "at most interval",
        {f"{HEALTH}.interval": 2, f"{HEALTH}.timeout": 2},
    ),
    Case(
        "Kubernetes needs 64 MiB",
        {"service.runtime": "kubernetes", f"{SERVER}.memory": 32},
        f"{SERVER}.memory",
        "at least 64",
        {f"{SERVER}.memory": 32},
    ),
    Case(
        "Fargate offers the cpu",
        {"service.runtime": "ecs", f"{SERVER}.cpu": 0.3},
        f"{SERVER}.cpu",
        "Fargate's 0.25",
        {f"{SERVER}.cpu": 0.3},
    ),
    Case(
        "Fargate offers the memory",
        {"service.runtime": "ecs", f"{WORKER}.memory": 512},
        f"{WORKER}.memory",
        "Fargate offers for 0.5",
        {"service.runtime": "ecs", f"{WORKER}.memory": 2048},
    ),
    Case(
        "Fargate is asked in whole vCPU too",
        {"service.runtime": "ecs", f"{SERVER}.cpu": 1},
        f"{SERVER}.memory",
        "offers for 1",
        {"service.runtime": "ecs", f"{SERVER}.cpu": 1, f"{SERVER}.memory": 2048},
    ),
    Case(
        "there is one way in",
        {f"{KUBERNETES}.ingress": INGRESS, f"{KUBERNETES}.gateway": {"host": "a.b", "name": "c"}},
        f"{KUBERNETES}.gateway",
        "excludes ingress",
        {f"{KUBERNETES}.ingress": INGRESS},
    ),
    Case(
        "a certificate has a source",
        {f"{KUBERNETES}.ingress": INGRESS | {"tls": {}}},
        f"{KUBERNETES}.ingress.tls",
        "secretName or issuer",
        {f"{KUBERNETES}.ingress": INGRESS | {"tls": {"issuer": "a"}}},
    ),
    Case(
        "a certificate has one source",
        {f"{KUBERNETES}.ingress": INGRESS | {"tls": {"issuer": "a", "secretName": "b"}}},
        f"{KUBERNETES}.ingress.tls",
        "not both",
    ),
    Case(
        "an existing VPC names public subnets",
        {f"{ECS}.network": {"vpcId": VPC, "privateSubnets": SUBNETS}},
        f"{ECS}.network.publicSubnets",
        "at least 2",
        {f"{ECS}.network": {"vpcId": VPC, "privateSubnets": SUBNETS, "publicSubnets": SUBNETS}},
    ),
    Case(
        "an existing VPC names private subnets",
        {f"{ECS}.network": {"vpcId": VPC, "publicSubnets": SUBNETS}},
        f"{ECS}.network.privateSubnets",
        "at least 1",
    ),
    Case(
        "subnets have a VPC",
        {f"{ECS}.network": {"publicSubnets": SUBNETS}},
        f"{ECS}.network.vpcId",
        "required by publicSubnets",
    ),
    Case(
        "tasks reach their image",
        {f"{ECS}.network": {"nat": "none", "endpoints": False}},
        f"{ECS}.network.endpoints",
        "pull its image",
        {f"{ECS}.network": {"nat": "none"}},
    ),
    Case(
        "a domain has a certificate",
        {f"{ECS}.loadBalancer": {"domain": "a.b"}},
        f"{ECS}.loadBalancer.certificate",
        "required by domain",
        {f"{ECS}.loadBalancer": {"domain": "a.b", "certificate": KMS}},
    ),
    Case(
        "a record has a name",
        {f"{ECS}.loadBalancer": {"zoneId": "Z0123456789"}},
        f"{ECS}.loadBalancer.domain",
        "required by zoneId",
        {f"{ECS}.loadBalancer": {"zoneId": "Z0123456789", "domain": "a.b", "certificate": KMS}},
    ),
]
SECRETS = [
    Case(
        "a secret is not plain text",
        {"secrets.A": "hunter2"},
        "secrets.A",
        "never plain text",
        {"secrets.A": ENCRYPTED},
    ),
    Case(
        "a reference is whole",
        {"service.runtime": "ecs", "secrets.A": "arn:aws:s3:::bucket"},
        "secrets.A",
        "never plain text",
        {"service.runtime": "ecs", "secrets.A": ARN},
    ),
    Case(
        "Docker reads no reference",
        {"secrets.A": ARN},
        "secrets.A",
        "docker cannot read",
        {"service.runtime": "kubernetes", "secrets.A": ARN},
    ),
    Case(
        "ECS reads no Kubernetes Secret",
        {"service.runtime": "ecs", "secrets.A": "token/value"},
        "secrets.A",
        "ecs cannot read",
        {"service.runtime": "kubernetes", "secrets.A": "token/value"},
    ),
    Case(
        "a secret's name is upper case",
        {"secrets.token": ENCRYPTED},
        "secrets.token",
        "upper case",
        {"secrets.TOKEN": ENCRYPTED},
    ),
    Case(
        "secrets are encrypted one by one",
        {"secrets": ENCRYPTED},
        "secrets",
        "as a whole",
        {"secrets.A": ENCRYPTED},
    ),
    Case(
        "a setting is not secret",
        {f"{ENVIRONMENT}.ANTGENT_SERVER__TOKEN": "hunter2"},
        f"{ENVIRONMENT}.ANTGENT_SERVER__TOKEN",
        "looks like a secret",
        {f"{ENVIRONMENT}.ANTGENT_LLM__MAX_TOKENS": 5},
    ),
    Case(
        "a setting holds no password",
        {f"{ENVIRONMENT}.DB": "postgres://a:hunter2@db/x"},
        f"{ENVIRONMENT}.DB",
        "looks like a secret",
        {f"{ENVIRONMENT}.DB": "postgres://db/x"},
    ),
    Case(
        "a setting is not encrypted",
        {f"{ENVIRONMENT}.A": ENCRYPTED},
        f"{ENVIRONMENT}.A",
        "belongs under antgent:secrets",
        {f"{ENVIRONMENT}.A": "b"},
    ),
    Case("only secrets are encrypted", {"imageTag": ENCRYPTED}, "imageTag", "must not be encrypted"),
    Case(
        "a variable has one source",
        {f"{ENVIRONMENT}.A": "x", "secrets.A": ENCRYPTED},
        f"{ENVIRONMENT}.A",
        "one source",
        {f"{ENVIRONMENT}.A": "x", "secrets.B": ENCRYPTED},
    ),
    Case(
        "a build argument is not secret",
        {"build.args.PIP_PASSWORD": "hunter2"},
        "build.args.PIP_PASSWORD",
        "image's history",
        {"build.args.PIP_INDEX": "x"},
    ),
    Case(
        "a probe sends no token",
        {f"{HEALTH}.headers.Authorization": "Bearer hunter2"},
        f"{HEALTH}.headers.Authorization",
        "plain text",
        {f"{HEALTH}.headers.X-Probe": "yes"},
    ),
    Case(
        "a registry password is encrypted",
        {"registry.username": "ci", "registry.password": "hunter2"},
        "registry.password",
        "must be encrypted",
    ),
]
VARIABLES = [
    Case(
        "a variable is set",
        {f"{ENVIRONMENT}.A": "${NOWHERE}"},
        f"{ENVIRONMENT}.A",
        "not set",
        {f"{ENVIRONMENT}.A": "$${NOWHERE}"},
    ),
    Case(
        "a variable has a name",
        {f"{ENVIRONMENT}.A": "${NO-NAME}"},
        f"{ENVIRONMENT}.A",
        "names no variable",
        {f"{ENVIRONMENT}.A": "$${NO-NAME}"},
    ),
]
CASES = KEYS + TYPES + VALUES + STACK + SERVICE + SECRETS + VARIABLES
