"""`aws:cloudwatch/*`: log groups, alarms and dashboards."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import camel, computed, document_problem, nothing, pascal, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class LogGroup(AwsResource):
    """Where a workload's lines go."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    args = "pulumi_aws.cloudwatch:LogGroupArgs"
    service, label, tagging, autoname, longest = "logs", "CloudWatch Logs Log Group", "logs", True, 512
    block = Block(
        absent={
            **computed("arn logGroupClass name namePrefix region deletionProtectionEnabled"),
            **nothing("kmsKeyId"), "retentionInDays": 0, "skipDestroy": False, **TAGS,
        },
        defaults={"retentionInDays": 0, "skipDestroy": False},
        replaces=words("name logGroupClass region"),
        unsupported=words("deletionProtectionEnabled"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        tags = {"tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {}
        key = {"kmsKeyId": inputs["kmsKeyId"]} if inputs.get("kmsKeyId") else {}
        kind = {"logGroupClass": inputs["logGroupClass"]} if inputs.get("logGroupClass") else {}
        aws.of("logs").create_log_group(logGroupName=inputs["name"], **tags, **key, **kind)
        return inputs["name"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        logs, days = aws.of("logs"), inputs["retentionInDays"]
        if days:
            logs.put_retention_policy(logGroupName=id, retentionInDays=days)
        elif seen.get("retentionInDays"):
            logs.delete_retention_policy(logGroupName=id)
        if inputs.get("kmsKeyId") and seen:
            logs.associate_kms_key(logGroupName=id, kmsKeyId=inputs["kmsKeyId"])
        elif seen.get("kmsKeyId"):
            logs.disassociate_kms_key(logGroupName=id)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        groups = aws.of("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
        found = next((one for one in groups if one["logGroupName"] == id), None)
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "arn": arn,
            "kmsKeyId": found.get("kmsKeyId") or "",
            "logGroupClass": found.get("logGroupClass") or "STANDARD",
            "name": id,
            "namePrefix": "",
            "retentionInDays": found.get("retentionInDays") or 0,
            "tagsAll": dict(aws.of("logs").list_tags_for_resource(resourceArn=arn)["tags"]),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        if not inputs.get("skipDestroy"):
            aws.of("logs").delete_log_group(logGroupName=id)


_ALARM = {
    "actionsEnabled": "ActionsEnabled", "alarmActions": "AlarmActions", "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator", "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods", "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions", "metricName": "MetricName",
    "namespace": "Namespace", "okActions": "OKActions", "period": "Period", "statistic": "Statistic",
    "threshold": "Threshold", "thresholdMetricId": "ThresholdMetricId",
    "treatMissingData": "TreatMissingData", "unit": "Unit",
}  # fmt: skip
_QUERY = {"metrics": "MetricStat", "stat": "Stat", "accountId": "AccountId"}


class MetricAlarm(AwsResource):
    """An alarm on a metric, or on an expression of several."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    args = "pulumi_aws.cloudwatch:MetricAlarmArgs"
    service, label, tagging, autoname = "cloudwatch", "CloudWatch Metric Alarm", "cloudwatch", True
    block = Block(
        absent={
            "actionsEnabled": True, "treatMissingData": "missing", **TAGS,
            **nothing("alarmActions insufficientDataActions okActions metricQueries", []),
            **nothing("alarmDescription comparisonOperator datapointsToAlarm dimensions evaluationPeriods"),
            **nothing("extendedStatistic metricName namespace period statistic threshold thresholdMetricId unit"),
            **computed("arn name evaluateLowSampleCountPercentiles region"),
            **nothing("evaluationCriteria evaluationInterval evaluationWindow warmUpConfiguration"),
        },
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        replaces=words("name region"),
        sets=words("alarmActions insufficientDataActions metricQueries okActions"),
        unsupported=words("evaluationCriteria evaluationInterval evaluationWindow warmUpConfiguration"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self._put(aws, inputs, Tags=pairs(inputs.get("tagsAll")))
        return inputs["name"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self._put(aws, inputs)

    @staticmethod
    def _put(aws: AwsClients, inputs: Props, **extra: Any) -> None:
        wanted = {theirs: inputs[ours] for ours, theirs in _ALARM.items() if ours in inputs}
        if dimensions := inputs.get("dimensions"):
            wanted["Dimensions"] = [
                {"Name": name, "Value": value} for name, value in sorted(dimensions.items())
            ]
        if queries := inputs.get("metricQueries"):
            wanted["Metrics"] = [_query(one) for one in queries]
        aws.of("cloudwatch").put_metric_alarm(AlarmName=inputs["name"], **wanted, **extra)

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of("cloudwatch").describe_alarms(AlarmNames=[id])["MetricAlarms"]
        if not found:
            return None
        alarm = found[0]
        values = {ours: alarm[theirs] for ours, theirs in _ALARM.items() if alarm.get(theirs) is not None}
        for name in ("alarmActions", "okActions", "insufficientDataActions"):
            values[name] = sorted(values.get(name) or [])
        tags = aws.of("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        return {
            **values,
            "arn": alarm["AlarmArn"],
            "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []},
            "metricQueries": _queries(alarm.get("Metrics") or [], inputs.get("metricQueries") or []),
            "name": id,
            "tagsAll": mapped(tags),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("cloudwatch").delete_alarms(AlarmNames=[id])


def _query(one: Props) -> Props:
    """A metric query in AWS's form."""
    query = {name[0].upper() + name[1:]: value for name, value in one.items() if name != "metric"}
    if metric := one.get("metric"):
        named = [{"Name": name, "Value": value} for name, value in (metric.get("dimensions") or {}).items()]
        query["MetricStat"] = {
            "Metric": {
                "Namespace": metric.get("namespace"),
                "MetricName": metric["metricName"],
                "Dimensions": named,
            },
            "Period": metric["period"],
            "Stat": metric["stat"],
            **({"Unit": metric["unit"]} if metric.get("unit") else {}),
        }
    return query


def _queries(found: list[Props], wanted: list[Props]) -> list[Props]:
    """What was found in the form of inputs; as the inputs have it where they say the same."""
    same = sorted(map(repr, (pascal(_query(one)) for one in wanted))) == sorted(
        repr(pascal({name: value for name, value in one.items() if value not in (None, [])})) for one in found
    )
    return wanted if same or len(found) == len(wanted) else [camel(one) for one in found]


class Dashboard(AwsResource):
    """A page of graphs."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    args = "pulumi_aws.cloudwatch:DashboardArgs"
    service, label, documents = "cloudwatch", "CloudWatch Dashboard", words("dashboardBody")
    block = Block(
        absent={**nothing("dashboardBody dashboardName"), **computed("dashboardArn region")},
        replaces=words("dashboardName region"),
    )

    def problems(self, inputs: Props) -> dict[str, str]:
        return document_problem(inputs, "dashboardBody")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self.settle(aws, inputs["dashboardName"], inputs, inputs)
        return inputs["dashboardName"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            aws.of("cloudwatch").put_dashboard(DashboardName=id, DashboardBody=inputs["dashboardBody"])

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("cloudwatch").get_dashboard(DashboardName=id)
        return {
            "dashboardArn": found["DashboardArn"],
            "dashboardBody": found["DashboardBody"],
            "dashboardName": id,
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("cloudwatch").delete_dashboards(DashboardNames=[id])
