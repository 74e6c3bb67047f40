"""`aws:appautoscaling/*`: how many tasks, and by what measure."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_values import camel, computed, nothing, pascal, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_SERVICE = "application-autoscaling"
_KEYS = {
    "resourceId": "ResourceId",
    "scalableDimension": "ScalableDimension",
    "serviceNamespace": "ServiceNamespace",
}
_STEP = {
    "stepAdjustments": "StepAdjustments",
    "metricIntervalLowerBound": "MetricIntervalLowerBound",
    "metricIntervalUpperBound": "MetricIntervalUpperBound",
}
_PLURALS = {"metrics": "Metrics"}


def _named(values: Props) -> Props:
    return {theirs: values[ours] for ours, theirs in _KEYS.items()}


class Target(AwsResource):
    """The bounds between which a service is scaled."""

    token = "aws:appautoscaling/target:Target"
    args = "pulumi_aws.appautoscaling:TargetArgs"
    service, label, tagging, deleted_first = _SERVICE, "Application AutoScaling Target", _SERVICE, True
    block = Block(
        absent={
            **nothing("maxCapacity minCapacity resourceId scalableDimension serviceNamespace"),
            **computed("arn roleArn suspendedState region"), **TAGS,
        },
        replaces=words("resourceId scalableDimension serviceNamespace region"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self._register(aws, inputs, {"Tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {})
        return inputs["resourceId"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self._register(aws, inputs, {})

    @staticmethod
    def _register(aws: AwsClients, inputs: Props, extra: Props) -> None:
        role = {"RoleARN": inputs["roleArn"]} if inputs.get("roleArn") else {}
        state = {"SuspendedState": pascal(inputs["suspendedState"])} if inputs.get("suspendedState") else {}
        aws.of(_SERVICE).register_scalable_target(
            MinCapacity=inputs["minCapacity"],
            MaxCapacity=inputs["maxCapacity"],
            **_named(inputs), **role, **state, **extra,
        )  # fmt: skip

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of(_SERVICE).describe_scalable_targets(
            ServiceNamespace=inputs["serviceNamespace"],
            ResourceIds=[inputs["resourceId"]],
            ScalableDimension=inputs["scalableDimension"],
        )["ScalableTargets"]
        if not found:
            return None
        one = found[0]
        return {
            **{ours: one[theirs] for ours, theirs in _KEYS.items()},
            "arn": one.get("ScalableTargetARN") or "",
            "maxCapacity": one["MaxCapacity"],
            "minCapacity": one["MinCapacity"],
            "roleArn": one.get("RoleARN") or "",
            "suspendedState": camel(one["SuspendedState"]) if one.get("SuspendedState") else None,
        }

    def retag(self, aws: AwsClients, target: str, seen: Props, inputs: Props) -> None:
        """moto answers 500 to every question about the tags of a scalable target, so none is asked."""

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of(_SERVICE).deregister_scalable_target(**_named(outputs))


class Policy(AwsResource):
    """What a service is scaled by."""

    token = "aws:appautoscaling/policy:Policy"
    args = "pulumi_aws.appautoscaling:PolicyArgs"
    service, label, autoname = _SERVICE, "Application AutoScaling Scaling Policy", True
    block = Block(
        absent={
            **computed("alarmArns arn name region"), "policyType": "StepScaling",
            **nothing("predictiveScalingPolicyConfiguration resourceId scalableDimension serviceNamespace"),
            **nothing("stepScalingPolicyConfiguration targetTrackingScalingPolicyConfiguration"),
        },
        defaults={"policyType": "StepScaling"},
        replaces=words("name resourceId scalableDimension serviceNamespace region"),
        unsupported=words("predictiveScalingPolicyConfiguration"),
        blocks={
            "targetTrackingScalingPolicyConfiguration": Block(absent={}, defaults={"disableScaleIn": False}),
        },
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self._put(aws, inputs)
        return inputs["name"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        self._put(aws, inputs)
        # moto makes new alarms at every change and forgets the old ones; AWS keeps its own.
        kept = (self.find(aws, id, inputs) or {}).get("alarmArns", [])
        stale = [arn.partition(":alarm:")[2] for arn in seen.get("alarmArns") or [] if arn not in kept]
        if stale:
            aws.of("cloudwatch").delete_alarms(AlarmNames=stale)

    @staticmethod
    def _put(aws: AwsClients, inputs: Props) -> None:
        wanted: Props = {}
        if tracking := inputs.get("targetTrackingScalingPolicyConfiguration"):
            wanted["TargetTrackingScalingPolicyConfiguration"] = _tracking(tracking)
        if step := inputs.get("stepScalingPolicyConfiguration"):
            adjustments = [
                {
                    **one,
                    **{name: float(one[name]) for name in _STEP if name in one and name != "stepAdjustments"},
                }
                for one in step.get("stepAdjustments", [])
            ]
            wanted["StepScalingPolicyConfiguration"] = pascal({**step, "stepAdjustments": adjustments})
        aws.of(_SERVICE).put_scaling_policy(
            PolicyName=inputs["name"], PolicyType=inputs["policyType"], **_named(inputs), **wanted
        )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of(_SERVICE).describe_scaling_policies(
            PolicyNames=[id], ServiceNamespace=inputs["serviceNamespace"], ResourceId=inputs["resourceId"],
            ScalableDimension=inputs["scalableDimension"],
        )["ScalingPolicies"]  # fmt: skip
        # moto gives every policy of the target, whatever names are asked for.
        one = next((policy for policy in found if policy["PolicyName"] == id), None)
        if one is None:
            return None
        tracking = one.get("TargetTrackingScalingPolicyConfiguration")
        asked = inputs.get("targetTrackingScalingPolicyConfiguration")
        # What AWS holds is compared in AWS's form; in state it stays as it was written.
        same = tracking is not None and asked is not None and _tracking(asked) == tracking
        return {
            **{ours: one[theirs] for ours, theirs in _KEYS.items()},
            "alarmArns": sorted(alarm["AlarmARN"] for alarm in one.get("Alarms") or []),
            "arn": one["PolicyARN"],
            "name": one["PolicyName"],
            "policyType": one["PolicyType"],
            "targetTrackingScalingPolicyConfiguration": asked
            if same
            else camel(tracking)
            if tracking
            else None,
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of(_SERVICE).delete_scaling_policy(PolicyName=id, **_named(outputs))


def _tracking(inputs: Props) -> Props:
    """Target tracking in AWS's form."""
    wanted = pascal(inputs, _PLURALS)
    custom = wanted.get("CustomizedMetricSpecification")
    if custom and "Metrics" in custom:
        for query in custom["Metrics"]:
            stat = query.get("MetricStat") or {}
            for inner in (stat.get("Metric") or {},):
                if "Dimensions" in inner:
                    inner["Dimensions"] = sorted(inner["Dimensions"], key=repr)
    return wanted
