"""`aws:ec2/securityGroup`, with rules inside the group (aws_rules.py has those of their own)."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS
from sandbox.providers.aws_tags import mapped
from sandbox.providers.aws_values import computed, words
from sandbox.providers.aws_vpc import Ec2Resource
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_RULE = Block(absent={}, defaults={"description": "", "self": False})


class SecurityGroup(Ec2Resource):
    """Who may talk to whom. Without declared egress nothing goes out, as on the official plugin."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    args = "pulumi_aws.ec2:SecurityGroupArgs"
    label, meta, autoname = "EC2 Security Group", '{"schema_version":"1"}', True
    block = Block(
        absent={
            **computed("arn egress ingress name namePrefix ownerId vpcId region"),
            "description": "Managed by Pulumi", "revokeRulesOnDelete": False, **TAGS,
        },
        defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
        replaces=words("description name vpcId region"),
        sets=words("egress ingress"),
        blocks={"egress": _RULE, "ingress": _RULE},
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        vpc = {"VpcId": inputs["vpcId"]} if inputs.get("vpcId") else {}
        id = aws.of("ec2").create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            TagSpecifications=self.tags("security-group", inputs),
            **vpc,
        )["GroupId"]
        # AWS lets everything out of a new group; the official plugin takes that back.
        found = aws.of("ec2").describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
        if found["IpPermissionsEgress"]:
            aws.of("ec2").revoke_security_group_egress(
                GroupId=id, IpPermissions=[bare(one) for one in found["IpPermissionsEgress"]]
            )
        return id

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        for direction in ("ingress", "egress"):
            if direction not in inputs:
                continue
            before = (self.find(aws, id, inputs) or {})[direction]
            after = [rule_of(one) for one in inputs[direction]]
            gone = [permission_of(one, id) for one in before if one not in after]
            come = [permission_of(one, id) for one in after if one not in before]
            ec2 = aws.of("ec2")
            if gone:
                getattr(ec2, f"revoke_security_group_{direction}")(GroupId=id, IpPermissions=gone)
            if come:
                getattr(ec2, f"authorize_security_group_{direction}")(GroupId=id, IpPermissions=come)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("ec2").describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
        owner = found.get("OwnerId") or aws.account
        rules = {"ingress": found["IpPermissions"], "egress": found["IpPermissionsEgress"]}
        shown = {
            name: _like(inputs.get(name), [rule for one in permissions for rule in _rules(one, id)])
            for name, permissions in rules.items()
        }
        return {
            **shown,
            "arn": self.arn(aws, "security-group", id, owner),
            "description": found["Description"],
            "name": found["GroupName"],
            "namePrefix": "",
            "ownerId": owner,
            "tagsAll": mapped(found.get("Tags")),
            "vpcId": found.get("VpcId", ""),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ec2").delete_security_group(GroupId=id)

    def _changes(self, name: str, before: Any, old: Any, wanted: Props) -> dict[str, str]:
        rules = [rule_of(one) if isinstance(one, dict) else one for one in wanted.get(name) or []]
        full = {**wanted, name: rules} if name in ("ingress", "egress") and name in wanted else wanted
        return super()._changes(name, before, old, full)


def rule_of(one: Props) -> Props:
    """A rule with every property, its lists in order."""
    lists = ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups")
    kept = {name: one.get(name) for name in ("fromPort", "protocol", "toPort")}
    return {
        **kept,
        **{name: _ordered(one.get(name)) for name in lists},
        "description": one.get("description") or "",
        "self": one.get("self") or False,
    }


def _ordered(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else (value or [])


def _rules(permission: Props, group: str) -> list[Props]:
    """AWS's permission as rules, one a description, as the official plugin groups them."""
    names = {
        "cidrBlocks": ("IpRanges", "CidrIp"), "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListIds": ("PrefixListIds", "PrefixListId"), "securityGroups": ("UserIdGroupPairs", "GroupId"),
    }  # fmt: skip
    by_description: dict[str, Props] = {}
    anyone = permission["IpProtocol"] == "-1"
    for ours, (theirs, key) in names.items():
        for item in permission.get(theirs) or []:
            text = item.get("Description") or ""
            rule = by_description.setdefault(text, rule_of({
                "protocol": permission["IpProtocol"], "description": text,
                "fromPort": 0 if anyone else permission.get("FromPort", 0),
                "toPort": 0 if anyone else permission.get("ToPort", 0),
            }))  # fmt: skip
            if item[key] == group:
                rule["self"] = True
            else:
                rule[ours] = sorted([*rule[ours], item[key]])
    return list(by_description.values())


def _like(inputs: list[Props] | None, found: list[Props]) -> list[Props]:
    """What was found, grouped as the inputs group it: AWS joins rules that differ only in their sources."""
    wanted = [rule_of(one) for one in inputs or []]
    if _sources(wanted) == _sources(found):
        return sorted(wanted, key=repr)
    return sorted(found, key=repr)


def _sources(rules: list[Props]) -> list[str]:
    lists = ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups")
    flat = []
    for rule in rules:
        port = tuple(rule[name] for name in ("fromPort", "toPort", "protocol", "description"))
        flat += [repr((*port, name, item)) for name in lists for item in rule[name]]
        flat += [repr((*port, "self"))] if rule["self"] else []
    return sorted(flat)


def permission_of(rule: Props, group: str) -> Props:
    """A rule in AWS's form."""
    text = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*rule["securityGroups"], *([group] if rule["self"] else [])]
    permission: Props = {"IpProtocol": rule["protocol"]}
    if rule["protocol"] != "-1":
        permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    return permission | {
        "IpRanges": [{"CidrIp": one, **text} for one in rule["cidrBlocks"]],
        "Ipv6Ranges": [{"CidrIpv6": one, **text} for one in rule["ipv6CidrBlocks"]],
        "PrefixListIds": [{"PrefixListId": one, **text} for one in rule["prefixListIds"]],
        "UserIdGroupPairs": [{"GroupId": one, **text} for one in groups],
    }


def bare(permission: Props) -> Props:
    return {name: value for name, value in permission.items() if value}
