"""`aws:sns/*`: where alarms are said aloud."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import compact, computed, document_problem, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_FEEDBACK = [
    f"{protocol}{what}"
    for protocol in ("application", "firehose", "http", "lambda", "sqs")
    for what in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
]
_ATTRIBUTES = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId", "policy": "Policy"}


class Topic(AwsResource):
    """A topic."""

    token = "aws:sns/topic:Topic"
    args = "pulumi_aws.sns:TopicArgs"
    service, label, tagging, autoname, longest = "sns", "SNS Topic", "sns", True, 256
    documents = words("policy deliveryPolicy")
    block = Block(
        absent={
            **computed("arn beginningArchiveTime name namePrefix owner policy region signatureVersion"),
            **computed("tracingConfig fifoThroughputScope maximumMessageSize"), **nothing(" ".join(_FEEDBACK)),
            **nothing("archivePolicy deliveryPolicy displayName kmsMasterKeyId"),
            "contentBasedDeduplication": False, "fifoTopic": False, **TAGS,
        },
        defaults={"contentBasedDeduplication": False, "fifoTopic": False},
        replaces=words("fifoTopic name region"),
        unsupported=words(f"archivePolicy deliveryPolicy fifoThroughputScope maximumMessageSize {' '.join(_FEEDBACK)}"),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        if inputs.get("fifoTopic"):
            return {"fifoTopic": "is not supported by the stand-in"}
        return document_problem(inputs, "policy")

    def make(self, aws: AwsClients, inputs: Props) -> str:
        attributes = {theirs: inputs[ours] for ours, theirs in _ATTRIBUTES.items() if inputs.get(ours)}
        tags = pairs(inputs.get("tagsAll"))
        return aws.of("sns").create_topic(Name=inputs["name"], Attributes=attributes, Tags=tags)["TopicArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        for ours, theirs in _ATTRIBUTES.items():
            if ours in inputs or (seen.get(ours) and ours != "policy"):
                aws.of("sns").set_topic_attributes(
                    TopicArn=id, AttributeName=theirs, AttributeValue=inputs.get(ours, "")
                )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        sns = aws.of("sns")
        found = sns.get_topic_attributes(TopicArn=id)["Attributes"]
        return {
            **{name: 0 if name.endswith("Rate") else "" for name in _FEEDBACK},
            "archivePolicy": "",
            "arn": id,
            "beginningArchiveTime": "",
            "contentBasedDeduplication": False,
            "deliveryPolicy": "",
            "displayName": found.get("DisplayName") or "",
            "fifoTopic": False,
            "kmsMasterKeyId": found.get("KmsMasterKeyId") or "",
            "name": id.rpartition(":")[2],
            "namePrefix": "",
            "owner": found["Owner"],
            "policy": compact(found["Policy"]),
            "signatureVersion": int(found.get("SignatureVersion") or 0),
            "tagsAll": mapped(sns.list_tags_for_resource(ResourceArn=id)["Tags"]),
            "tracingConfig": found.get("TracingConfig") or "",
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("sns").delete_topic(TopicArn=id)


class TopicSubscription(AwsResource):
    """Who hears a topic."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    args = "pulumi_aws.sns:TopicSubscriptionArgs"
    service, label = "sns", "SNS Topic Subscription"
    block = Block(
        absent={
            **computed("arn confirmationWasAuthenticated ownerId pendingConfirmation filterPolicyScope region"),
            "confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False,
            **nothing("deliveryPolicy endpoint filterPolicy protocol redrivePolicy replayPolicy topic"),
            **nothing("subscriptionRoleArn"),
        },
        defaults={"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False},
        replaces=words("endpoint protocol topic region"),
        unsupported=words("deliveryPolicy filterPolicy filterPolicyScope redrivePolicy replayPolicy subscriptionRoleArn"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.of("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if inputs["rawMessageDelivery"] or seen.get("rawMessageDelivery"):
            aws.of("sns").set_subscription_attributes(
                SubscriptionArn=id,
                AttributeName="RawMessageDelivery",
                AttributeValue=str(inputs["rawMessageDelivery"]).lower(),
            )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("sns").get_subscription_attributes(SubscriptionArn=id)["Attributes"]
        return {
            "arn": id,
            "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
            "endpoint": found["Endpoint"],
            "ownerId": found.get("Owner") or aws.account,
            "pendingConfirmation": found.get("PendingConfirmation") == "true",
            "protocol": found["Protocol"],
            "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
            "topic": found["TopicArn"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("sns").unsubscribe(SubscriptionArn=id)
