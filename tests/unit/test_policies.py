"""Policy as code: each rule passes what is right and catches what is not."""

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from policies import RULES, UNKNOWN, Resource, violations
from policies.preview import resources as preview_of
from sandbox.paths import CHECKOUT

DIGEST = "registry.example.com/antgent@sha256:" + "ab" * 32
TRUST = {
    "Effect": "Allow",
    "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:o/r:environment:production",
        }
    },
}
ALLOW = {"Sid": "Pull", "Effect": "Allow", "Action": ["ecr:BatchGetImage"], "Resource": "arn:aws:ecr:::x"}
CONTAINER = {
    "name": "server",
    "image": DIGEST,
    "user": "10001:10001",
    "readonlyRootFilesystem": True,
    "linuxParameters": {"capabilities": {"drop": ["ALL"]}},
    "healthCheck": {"command": ["CMD", "/app"]},
    "environment": [{"name": "ANTGENT_APP__ENV", "value": "prod"}],
}
POD = {
    "securityContext": {"runAsNonRoot": True},
    "containers": [
        {
            "name": "server",
            "image": DIGEST,
            "ports": [{"containerPort": 8080}],
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
            "readinessProbe": {},
            "livenessProbe": {"exec": {}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "env": [{"name": "ANTGENT_APP__ENV", "value": "prod"}],
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}
POD["containers"][0]["readinessProbe"] = {"httpGet": {}}

GOOD: dict[str, dict[str, Any]] = {
    "aws:ecr/repository:Repository": {
        "imageTagMutability": "IMMUTABLE",
        "forceDelete": False,
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [{"encryptionType": "AES256"}],
    },
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": {
        "policy": {"rules": [{"rulePriority": 1, "selection": {"countType": "imageCountMoreThan"}}]}
    },
    "aws:ecr/repositoryPolicy:RepositoryPolicy": {
        "policy": {
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": ["a:b"]}]
        }
    },
    "aws:iam/role:Role": {"assumeRolePolicy": {"Statement": [TRUST]}},
    "aws:iam/rolePolicy:RolePolicy": {"policy": {"Statement": [ALLOW]}},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {"policyArn": "arn:aws:iam::1:policy/own"},
    "aws:ecs/taskDefinition:TaskDefinition": {
        "cpu": "512",
        "memory": "1024",
        "containerDefinitions": [CONTAINER],
    },
    "aws:ecs/service:Service": {
        "networkConfiguration": {"assignPublicIp": False},
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    },
    "aws:cloudwatch/logGroup:LogGroup": {"retentionInDays": 30},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
        "cidrIpv4": "0.0.0.0/0",
        "fromPort": 443,
        "toPort": 443,
    },
    "aws:lb/listener:Listener": {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
    "pulumi:providers:aws": {"defaultTags": {"tags": {"project": "antgent", "stack": "prod", "owner": "us"}}},
    "kubernetes:apps/v1:Deployment": {"spec": {"template": {"spec": POD}}},
    "kubernetes:core/v1:ConfigMap": {"data": {"ANTGENT_APP__ENV": "prod"}},
    "kubernetes:core/v1:Service": {"spec": {"type": "ClusterIP"}},
    "docker:index/image:Image": {
        "imageName": "127.0.0.1:5000/antgent:v0.3.2",
        "build": {"args": {"MODE": "good"}},
    },
    "docker:index/container:Container": {
        "image": DIGEST,
        "user": "10001:10001",
        "readOnly": True,
        "capabilities": {"drops": ["CAP_ALL"]},
        "memory": 512,
    },
}
DOCUMENTS = {"policy", "assumeRolePolicy", "containerDefinitions", "defaultTags"}
POD_PATH = "spec.template.spec"

SEEDED: list[tuple[str, str, str, Any]] = [
    ("ecr-immutable-tags", "aws:ecr/repository:Repository", "imageTagMutability", "MUTABLE"),
    ("ecr-releases-are-kept", "aws:ecr/repository:Repository", "forceDelete", True),
    ("ecr-scan-on-push", "aws:ecr/repository:Repository", "imageScanningConfiguration.scanOnPush", False),
    ("ecr-encryption", "aws:ecr/repository:Repository", "encryptionConfigurations", None),
    (
        "ecr-releases-expire-by-count",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "policy.rules.0.selection",
        {"countType": "sinceImagePushed", "tagPatternList": ["v*"]},
    ),
    ("ecs-image-by-digest", "aws:ecs/taskDefinition:TaskDefinition", "containerDefinitions.0.image", "a:v1"),
    ("ecs-limits", "aws:ecs/taskDefinition:TaskDefinition", "memory", None),
    ("ecs-health-check", "aws:ecs/taskDefinition:TaskDefinition", "containerDefinitions.0.healthCheck", None),
    ("ecs-non-root", "aws:ecs/taskDefinition:TaskDefinition", "containerDefinitions.0.user", "root"),
    (
        "ecs-read-only-root",
        "aws:ecs/taskDefinition:TaskDefinition",
        "containerDefinitions.0.readonlyRootFilesystem",
        False,
    ),
    (
        "ecs-no-plain-secret",
        "aws:ecs/taskDefinition:TaskDefinition",
        "containerDefinitions.0.environment.0.name",
        "ANTGENT_SERVER__TOKEN",
    ),
    ("ecs-no-public-task", "aws:ecs/service:Service", "networkConfiguration.assignPublicIp", True),
    ("ecs-circuit-breaker", "aws:ecs/service:Service", "deploymentCircuitBreaker.rollback", False),
    ("logs-expire", "aws:cloudwatch/logGroup:LogGroup", "retentionInDays", 0),
    ("iam-no-wildcard-action", "aws:iam/rolePolicy:RolePolicy", "policy.Statement.0.Action", "ecr:*"),
    (
        "iam-no-wildcard-resource",
        "aws:iam/rolePolicy:RolePolicy",
        "policy.Statement.0",
        {"Effect": "Allow", "Action": "ecs:UpdateService", "Resource": "*"},
    ),
    (
        "iam-no-open-principal",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "policy.Statement.0.Principal",
        {"AWS": "*"},
    ),
    (
        "iam-ci-tokens-are-bound",
        "aws:iam/role:Role",
        "assumeRolePolicy.Statement.0.Condition",
        {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:o/*"}},
    ),
    (
        "iam-no-administrator",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "policyArn",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    ),
    (
        "network-only-web-is-open",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "toPort",
        8080,
    ),
    ("network-modern-tls", "aws:lb/listener:Listener", "sslPolicy", "ELBSecurityPolicy-2016-08"),
    ("required-tags", "pulumi:providers:aws", "defaultTags.tags.owner", None),
    (
        "kubernetes-image-by-digest",
        "kubernetes:apps/v1:Deployment",
        f"{POD_PATH}.containers.0.image",
        "antgent:latest",
    ),
    (
        "kubernetes-limits",
        "kubernetes:apps/v1:Deployment",
        f"{POD_PATH}.containers.0.resources.limits",
        None,
    ),
    (
        "kubernetes-probes",
        "kubernetes:apps/v1:Deployment",
        f"{POD_PATH}.containers.0.readinessProbe",
        None,
    ),
    ("kubernetes-non-root", "kubernetes:apps/v1:Deployment", f"{POD_PATH}.securityContext", {}),
    (
        "kubernetes-read-only-root",
        "kubernetes:apps/v1:Deployment",
        f"{POD_PATH}.containers.0.securityContext.readOnlyRootFilesystem",
        False,
    ),
    ("kubernetes-no-host-access", "kubernetes:apps/v1:Deployment", f"{POD_PATH}.hostNetwork", True),
    (
        "kubernetes-no-plain-secret",
        "kubernetes:apps/v1:Deployment",
        f"{POD_PATH}.containers.0.env.0.name",
        "ANTGENT_LLM__API_KEY",
    ),
    (
        "kubernetes-no-secret-in-config-map",
        "kubernetes:core/v1:ConfigMap",
        "data",
        {"DB_PASSWORD": "guessed"},
    ),
    ("kubernetes-no-public-service", "kubernetes:core/v1:Service", "spec.type", "LoadBalancer"),
    ("image-has-a-release-tag", "docker:index/image:Image", "imageName", "127.0.0.1:5000/antgent:latest"),
    (
        "image-no-secret-in-arguments",
        "docker:index/image:Image",
        "build.args",
        {"PIP_TOKEN": "guessed"},
    ),
    ("docker-image-by-digest", "docker:index/container:Container", "image", "antgent:v0.3.2"),
    ("docker-confined", "docker:index/container:Container", "user", "0"),
]


def written(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as the engine has them: documents are text."""
    return {key: json.dumps(value) if key in DOCUMENTS else value for key, value in inputs.items()}


def good(kind: str) -> Resource:
    return Resource(kind, "thing", written(GOOD[kind]))


def bad(kind: str, path: str, value: Any) -> Resource:
    """A good resource with one argument changed."""
    inputs = copy.deepcopy(GOOD[kind])
    holder: Any = inputs
    *parents, last = path.split(".")
    for key in parents:
        holder = holder[int(key) if key.isdigit() else key]
    holder[int(last) if last.isdigit() else last] = value
    return Resource(kind, "thing", written(inputs))


def test_every_rule_has_a_seeded_violation_and_a_good_resource() -> None:
    """A rule that nothing tests may as well not be there."""
    assert {rule for rule, *_ in SEEDED} == {rule.name for rule in RULES}
    assert len(SEEDED) >= 20
    for rule in RULES:
        assert any(kind in GOOD for kind in rule.types), rule.name


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_right_breaks_no_rule(kind: str) -> None:
    """A rule that cries at what is right is soon switched off."""
    assert violations([good(kind)]) == []


@pytest.mark.parametrize(("rule", "kind", "path", "value"), SEEDED, ids=[one[0] for one in SEEDED])
def test_a_seeded_violation_breaks_its_rule_and_no_other(rule: str, kind: str, path: str, value: Any) -> None:
    """One mistake is one message, which says what is wrong and what mends it."""
    found = violations([bad(kind, path, value)])
    assert {one.rule for one in found} == {rule}
    assert all(one.problem and one.fix and one.name == "thing" for one in found)


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_not_known_yet_breaks_no_rule(kind: str) -> None:
    """A first preview knows no ARN, so a document with one in it is judged at the next."""
    unknown = {key: UNKNOWN for key in GOOD[kind] if key in DOCUMENTS or key == "imageTagMutability"}
    assert violations([Resource(kind, "thing", written(GOOD[kind]) | unknown)]) == []


def test_an_image_of_the_local_engine_may_be_named_by_its_id() -> None:
    """An id is a digest as well; it cannot change what it means."""
    assert violations([bad("docker:index/container:Container", "image", "sha256:" + "ab" * 32)]) == []


def judge(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "policies", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd=CHECKOUT, timeout=60)


def preview(*resources: Resource) -> str:
    """What `pulumi preview --json` prints of resources."""
    steps = [
        {"op": "create", "newState": {"type": one.type, "urn": f"urn::{one.name}", "inputs": one.inputs}}
        for one in resources
    ]
    return json.dumps({"steps": steps, "changeSummary": {"create": len(steps)}})


def test_the_command_says_every_violation_and_fails() -> None:
    """A gate that only logs is no gate."""
    broken = bad("aws:ecs/service:Service", "networkConfiguration.assignPublicIp", True)
    done = judge(preview(broken, good("aws:iam/role:Role")))
    assert done.returncode == 1
    assert "ecs-no-public-task: thing (aws:ecs/service:Service)" in done.stdout
    assert "fix: assign_public_ip=False" in done.stdout
    assert "2 resources" in done.stdout
    assert judge(preview(good("aws:iam/role:Role"))).returncode == 0


def test_the_command_reads_a_stacks_state_as_well() -> None:
    """What runs is judged like what is planned."""
    broken = bad("aws:cloudwatch/logGroup:LogGroup", "retentionInDays", 0)
    state = {"type": broken.type, "urn": "urn::logs", "inputs": broken.inputs}
    done = judge(json.dumps({"version": 3, "deployment": {"resources": [state]}}), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["-"][0]["rule"] == "logs-expire"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "this is no JSON"),
        ("[]", "neither `pulumi preview --json` nor `pulumi stack export`"),
        (
            json.dumps(
                {"steps": [], "diagnostics": [{"severity": "error", "message": "no stack named 'x'"}]}
            ),
            "the preview failed, so that there is nothing to judge:\nno stack named 'x'",
        ),
    ],
)
def test_nothing_to_judge_is_no_success(text: str, said: str) -> None:
    """An empty answer must not pass as a clean one; exit code 2 tells it from a violation."""
    done = judge(text)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


SHIPPED = ["dev", "local", "prod", "prod kubernetes", "release", "staging"]


@pytest.fixture(scope="module")
def shipped() -> dict[str, list[Resource]]:
    """Stack (and runtime) → what the program asks for, every document known."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.shipped_inputs", *name.split()],
            cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in SHIPPED
    }  # fmt: skip
    found = {}
    for name, process in started.items():
        said, complaints = process.communicate(timeout=300)
        assert process.returncode == 0, f"{name}: {complaints[-2000:]}"
        found[name] = preview_of(said)
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_stack_keeps_every_rule(name: str, shipped: dict[str, list[Resource]]) -> None:
    """The rules are for others only if they hold here."""
    assert violations(shipped[name]) == []


def test_the_shipped_stacks_hold_what_the_rules_are_about(shipped: dict[str, list[Resource]]) -> None:
    """A stack of which the rules see nothing keeps them all."""
    types = {one.type for resources in shipped.values() for one in resources}
    judged = {kind for rule in RULES for kind in rule.types}
    assert len(types & judged) >= 14, sorted(types & judged)
    documents = [one.get("policy") for one in shipped["prod"] if one.type == "aws:iam/rolePolicy:RolePolicy"]
    assert documents
    assert all("Statement" in document for document in documents)
