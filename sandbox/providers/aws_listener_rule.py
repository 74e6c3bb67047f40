"""`aws:lb/listenerRule`: what a listener does with some of its requests."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_actions import ACTIONS, from_actions, to_actions
from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import camel, computed, nothing, pascal, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_CONDITIONS = {
    "hostHeader": ("host-header", "HostHeaderConfig"), "httpHeader": ("http-header", "HttpHeaderConfig"),
    "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
    "pathPattern": ("path-pattern", "PathPatternConfig"), "queryStrings": ("query-string", "QueryStringConfig"),
    "sourceIp": ("source-ip", "SourceIpConfig"),
}  # fmt: skip


class ListenerRule(AwsResource):
    """What a listener does with some of its requests."""

    token = "aws:lb/listenerRule:ListenerRule"
    args = "pulumi_aws.lb:ListenerRuleArgs"
    service, label, tagging = "elbv2", "ELBv2 Listener Rule", "elbv2"
    block = Block(
        absent={
            **computed("arn priority region"), **nothing("actions conditions listenerArn"), "transforms": [], **TAGS,
        },
        replaces=words("listenerArn region"),
        sets=words("conditions"),
        blocks={"actions": ACTIONS},
        unsupported=words("transforms"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        elb = aws.of("elbv2")
        priority = inputs.get("priority") or self._next(elb, inputs["listenerArn"])
        found = elb.create_rule(
            ListenerArn=inputs["listenerArn"],
            Priority=priority,
            Actions=to_actions(inputs["actions"]),
            Conditions=_conditions(inputs["conditions"]),
            **({"Tags": pairs(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )
        return found["Rules"][0]["RuleArn"]

    @staticmethod
    def _next(elb: Any, listener: str) -> int:
        rules = elb.describe_rules(ListenerArn=listener)["Rules"]
        return max([int(one["Priority"]) for one in rules if one["Priority"].isdigit()], default=0) + 1

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        elb = aws.of("elbv2")
        if inputs.get("priority") and inputs["priority"] != seen.get("priority"):
            elb.set_rule_priorities(RulePriorities=[{"RuleArn": id, "Priority": inputs["priority"]}])
        actions, conditions = to_actions(inputs["actions"]), _conditions(inputs["conditions"])
        elb.modify_rule(RuleArn=id, Actions=actions, Conditions=conditions)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        elb = aws.of("elbv2")
        found = elb.describe_rules(RuleArns=[id])["Rules"]
        if not found:
            return None
        return {
            "actions": from_actions(found[0]["Actions"], inputs.get("actions") or []),
            "arn": id,
            "conditions": sorted((_condition(one) for one in found[0]["Conditions"]), key=repr),
            "listenerArn": id.replace(":listener-rule/", ":listener/").rpartition("/")[0],
            "priority": int(found[0]["Priority"]),
            "tagsAll": mapped(elb.describe_tags(ResourceArns=[id])["TagDescriptions"][0]["Tags"]),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("elbv2").delete_rule(RuleArn=id)


def _conditions(inputs: list[Props]) -> list[Props]:
    """Conditions in AWS's form; each has one kind."""
    wanted = []
    for one in inputs:
        for name, given in one.items():
            field, config = _CONDITIONS[name]
            values = {"values": given} if name == "queryStrings" else given
            wanted.append({"Field": field, config: pascal(values)})
    return wanted


def _condition(found: Props) -> Props:
    """One condition as an output; the older form of a condition has its values on top."""
    ours, config = {field: (ours, config) for ours, (field, config) in _CONDITIONS.items()}[found["Field"]]
    inner = camel(found.get(config) or {"Values": found.get("Values", [])})
    return {ours: inner["values"] if ours == "queryStrings" else inner}
