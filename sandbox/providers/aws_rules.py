"""Rules of security groups as resources of their own."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

import zlib
from typing import ClassVar

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS
from sandbox.providers.aws_security import bare, permission_of, rule_of
from sandbox.providers.aws_tags import mapped
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.aws_vpc import Ec2Resource
from sandbox.providers.bridge import Block, same
from sandbox.providers.resource import Props


class SecurityGroupRule(Ec2Resource):
    """A rule in the older form; known here because recordings have it."""

    token = "aws:ec2/securityGroupRule:SecurityGroupRule"
    args = "pulumi_aws.ec2:SecurityGroupRuleArgs"
    label, tagging, meta, deleted_first = "Security Group Rule", "", '{"schema_version":"2"}', True
    block = Block(
        absent={
            **nothing("cidrBlocks description fromPort ipv6CidrBlocks prefixListIds protocol securityGroupId"),
            **nothing("toPort type"), **computed("securityGroupRuleId sourceSecurityGroupId region"), "self": False,
        },
        replaces=words(
            "cidrBlocks description fromPort ipv6CidrBlocks prefixListIds protocol securityGroupId self "
            "sourceSecurityGroupId toPort type region"
        ),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        group = inputs["securityGroupId"]
        call = getattr(aws.of("ec2"), f"authorize_security_group_{inputs['type']}")
        call(GroupId=group, IpPermissions=[permission_of(self._as_rule(inputs), group)])
        return f"sgrule-{zlib.crc32(repr(sorted(inputs.items())).encode())}"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        group = {"Name": "group-id", "Values": [inputs["securityGroupId"]]}
        rules = aws.of("ec2").describe_security_group_rules(Filters=[group])["SecurityGroupRules"]
        ids = [one["SecurityGroupRuleId"] for one in rules if self._is(one, inputs)]
        return {"securityGroupRuleId": ids[0] if len(ids) == 1 else None, "self": inputs.get("self", False)}

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        group = outputs["securityGroupId"]
        call = getattr(aws.of("ec2"), f"revoke_security_group_{outputs['type']}")
        call(GroupId=group, IpPermissions=[permission_of(self._as_rule(outputs), group)])

    @staticmethod
    def _as_rule(inputs: Props) -> Props:
        source = inputs.get("sourceSecurityGroupId")
        return rule_of({**inputs, "securityGroups": [source] if source else []})

    @staticmethod
    def _is(found: Props, inputs: Props) -> bool:
        return (
            found["IsEgress"] == (inputs["type"] == "egress")
            and found["IpProtocol"] == inputs["protocol"]
            and found.get("FromPort") == inputs["fromPort"]
            and (found.get("CidrIpv4") in (inputs.get("cidrBlocks") or [None]))
        )


_RULE_FACTS = Block(
    absent={
        **nothing("cidrIpv4 cidrIpv6 description fromPort ipProtocol prefixListId referencedSecurityGroupId"),
        **nothing("securityGroupId toPort"), **computed("arn securityGroupRuleId region"), **TAGS,
    },
    replaces=words("securityGroupId region"),
)  # fmt: skip
_RULE_NAMES = {
    "cidrIpv4": "CidrIpv4", "cidrIpv6": "CidrIpv6", "description": "Description", "fromPort": "FromPort",
    "toPort": "ToPort", "ipProtocol": "IpProtocol", "prefixListId": "PrefixListId",
}  # fmt: skip


class _GroupRule(Ec2Resource):
    """One rule of a group, with an id of its own."""

    meta, block = "", _RULE_FACTS
    direction: ClassVar[str]

    def make(self, aws: AwsClients, inputs: Props) -> str:
        permission = _single(inputs)
        call = getattr(aws.of("ec2"), f"authorize_security_group_{self.direction}")
        found = call(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[permission],
            TagSpecifications=self.tags("security-group-rule", inputs),
        )
        return found["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        names = {*_RULE_NAMES, "referencedSecurityGroupId"}
        # moto forgets the description of a rule on another group when it makes one.
        forgotten = not seen and inputs.get("description") and inputs.get("referencedSecurityGroupId")
        unchanged = not seen or all(same(seen.get(name), inputs.get(name)) for name in names)
        if unchanged and not forgotten:
            return
        rule = {theirs: inputs[ours] for ours, theirs in _RULE_NAMES.items() if ours in inputs}
        if inputs.get("referencedSecurityGroupId"):
            rule["ReferencedGroupId"] = inputs["referencedSecurityGroupId"]
        aws.of("ec2").modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": rule}],
        )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        rules = aws.of("ec2").describe_security_group_rules(SecurityGroupRuleIds=[id])["SecurityGroupRules"]
        if not rules:
            return None
        rule = rules[0]
        values = {ours: rule.get(theirs) for ours, theirs in _RULE_NAMES.items()}
        if rule["IpProtocol"] == "-1":
            values |= {"fromPort": inputs.get("fromPort"), "toPort": inputs.get("toPort")}
        return {
            **values,
            "arn": self.arn(aws, "security-group-rule", id, rule.get("GroupOwnerId", "")),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            "securityGroupId": rule["GroupId"],
            "securityGroupRuleId": id,
            "tagsAll": mapped(rule.get("Tags")),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        call = getattr(aws.of("ec2"), f"revoke_security_group_{self.direction}")
        call(GroupId=outputs["securityGroupId"], SecurityGroupRuleIds=[id])


def _single(inputs: Props) -> Props:
    """One rule in AWS's form of permissions."""
    lists = {"cidrBlocks": "cidrIpv4", "ipv6CidrBlocks": "cidrIpv6", "prefixListIds": "prefixListId"}
    rule = {ours: [inputs[name]] if inputs.get(name) else [] for ours, name in lists.items()}
    source = inputs.get("referencedSecurityGroupId")
    ports = {"fromPort": inputs.get("fromPort", -1), "toPort": inputs.get("toPort", -1)}
    whole = {**rule, **ports, "protocol": inputs["ipProtocol"], "description": inputs.get("description")}
    return bare(permission_of(rule_of({**whole, "securityGroups": [source] if source else []}), ""))


class SecurityGroupIngressRule(_GroupRule):
    """One rule for what may come in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    args = "pulumi_aws.vpc:SecurityGroupIngressRuleArgs"
    label, direction = "VPC Security Group Ingress Rule", "ingress"


class SecurityGroupEgressRule(_GroupRule):
    """One rule for what may go out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    args = "pulumi_aws.vpc:SecurityGroupEgressRuleArgs"
    label, direction = "VPC Security Group Egress Rule", "egress"
