"""A stack's AWS resources in the form of a Terraform plan, which linters read.

The official plugin is a bridge to Terraform's provider, so that each resource and property has a name
there: the type below, and the property's own in snake case. A block that may be there once is a list of
one in a plan; a list of blocks has a name in the singular.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOV = "checkov==3.3.30"
TYPES = {
    "appautoscaling/policy": "aws_appautoscaling_policy",
    "appautoscaling/target": "aws_appautoscaling_target",
    "cloudwatch/dashboard": "aws_cloudwatch_dashboard",
    "cloudwatch/logGroup": "aws_cloudwatch_log_group",
    "cloudwatch/metricAlarm": "aws_cloudwatch_metric_alarm",
    "ec2/eip": "aws_eip",
    "ec2/internetGateway": "aws_internet_gateway",
    "ec2/natGateway": "aws_nat_gateway",
    "ec2/route": "aws_route",
    "ec2/routeTable": "aws_route_table",
    "ec2/routeTableAssociation": "aws_route_table_association",
    "ec2/securityGroup": "aws_security_group",
    "ec2/subnet": "aws_subnet",
    "ec2/vpc": "aws_vpc",
    "ec2/vpcEndpoint": "aws_vpc_endpoint",
    "ecr/lifecyclePolicy": "aws_ecr_lifecycle_policy",
    "ecr/replicationConfiguration": "aws_ecr_replication_configuration",
    "ecr/repository": "aws_ecr_repository",
    "ecr/repositoryPolicy": "aws_ecr_repository_policy",
    "ecs/cluster": "aws_ecs_cluster",
    "ecs/clusterCapacityProviders": "aws_ecs_cluster_capacity_providers",
    "ecs/service": "aws_ecs_service",
    "ecs/taskDefinition": "aws_ecs_task_definition",
    "iam/openIdConnectProvider": "aws_iam_openid_connect_provider",
    "iam/role": "aws_iam_role",
    "iam/rolePolicy": "aws_iam_role_policy",
    "lb/listener": "aws_lb_listener",
    "lb/listenerRule": "aws_lb_listener_rule",
    "lb/loadBalancer": "aws_lb",
    "lb/targetGroup": "aws_lb_target_group",
    "route53/record": "aws_route53_record",
    "secretsmanager/secret": "aws_secretsmanager_secret",
    "secretsmanager/secretVersion": "aws_secretsmanager_secret_version",
    "sns/topic": "aws_sns_topic",
    "vpc/securityGroupEgressRule": "aws_vpc_security_group_egress_rule",
    "vpc/securityGroupIngressRule": "aws_vpc_security_group_ingress_rule",
    "wafv2/webAclAssociation": "aws_wafv2_web_acl_association",
}
MAPS = {"dimensions", "tags", "tags_all"}
"""Properties whose keys are ours, and no blocks."""
SINGULAR = {"aliases": "alias", "capacity_provider_strategies": "capacity_provider_strategy"}
SECRET = "4dabf18193072939515e22adb298388d"
"""The key by which the engine's JSON tells a secret from other objects."""


def plan(state: Mapping[str, Any]) -> dict[str, Any]:
    """The plan that would make a stack's AWS resources.

    Args:
        state: `pulumi stack export`.
    """
    found = [one for one in state["deployment"]["resources"] if one["type"].startswith("aws:")]
    addresses = {one["urn"]: _address(one) for one in found}
    resources, configured = [], []
    for one in found:
        kind, _, name = addresses[one["urn"]].partition(".")
        values = _values(one["inputs"])
        resources.append({"address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name,
                          "provider_name": "registry.terraform.io/hashicorp/aws", "values": values})  # fmt: skip
        configured.append({"address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name,
                           "expressions": _references(one, addresses)})  # fmt: skip
    changes = [
        {
            **one,
            "change": {"actions": ["create"], "before": None, "after": one["values"], "after_unknown": {}},
        }
        for one in resources
    ]
    return {
        "format_version": "1.2", "terraform_version": "1.9.0", "resource_changes": changes,
        "planned_values": {"root_module": {"resources": resources}},
        "configuration": {"root_module": {"resources": configured}},
    }  # fmt: skip


def checkov(plans: Sequence[Mapping[str, Any]], folder: Path) -> dict[str, Any]:
    """What checkov finds in plans: `failed` and `passed` checks (it is fetched into an environment of its own)."""
    for number, one in enumerate(plans):
        (folder / f"plan-{number}.json").write_text(json.dumps(one))
    tool = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [str(tool), "tool", "run", "--quiet", CHECKOV, "--directory", str(folder), "--framework", "terraform_plan",
         "--output", "json", "--quiet", "--compact", "--soft-fail", "--skip-download"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    return {"failed": answer["results"]["failed_checks"], "passed": answer["summary"]["passed"]}


def _address(resource: Mapping[str, Any]) -> str:
    token = resource["type"].removeprefix("aws:").rpartition(":")[0]
    name = re.sub(r"\W", "_", resource["urn"].rpartition("::")[2])
    return f"{TYPES[token]}.{name}"


def _references(resource: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    """Which property was taken from which other resource."""
    found = {}
    for name, urns in (resource.get("propertyDependencies") or {}).items():
        known = [addresses[urn] for urn in urns if urn in addresses]
        if known:
            paths = [path for one in known for path in (f"{one}.id", one)]
            found[_snake(name)] = {"references": paths}
    return found


def _values(properties: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in properties.items():
        if name.startswith("__"):
            continue
        plain = "(secret)" if isinstance(value, dict) and SECRET in value else value
        snake = _snake(name)
        if isinstance(plain, list) and plain and isinstance(plain[0], dict):
            found[_singular(snake)] = [_values(one) for one in plain]
        elif isinstance(plain, dict) and snake not in MAPS:
            found[snake] = [_values(plain)]
        else:
            found[snake] = plain
    return found


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def _singular(name: str) -> str:
    return SINGULAR.get(name, name.removesuffix("s"))
