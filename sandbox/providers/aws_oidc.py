"""`aws:iam/openIdConnectProvider`: the identity provider that CI's tokens come from."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class OpenIdConnectProvider(AwsResource):
    """Whose tokens roles may trust."""

    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    args = "pulumi_aws.iam:OpenIdConnectProviderArgs"
    service, label, tagging = "iam", "IAM OIDC Provider", "iam oidc"
    block = Block(
        absent={**computed("arn thumbprintLists"), **nothing("clientIdLists url"), **TAGS},
        replaces=words("url"),
        sets=words("clientIdLists"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        return aws.of("iam").create_open_id_connect_provider(
            Url=inputs["url"] if "://" in inputs["url"] else f"https://{inputs['url']}",
            ClientIDList=inputs["clientIdLists"],
            ThumbprintList=inputs.get("thumbprintLists", []),
            Tags=pairs(inputs.get("tagsAll")),
        )["OpenIDConnectProviderArn"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        found = aws.of("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=id)
        return {
            "arn": id,
            "clientIdLists": sorted(found["ClientIDList"]),
            "tagsAll": mapped(found.get("Tags")),
            "thumbprintLists": found["ThumbprintList"],
            "url": found["Url"].removeprefix("https://"),
        }

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        iam, named = aws.of("iam"), {"OpenIDConnectProviderArn": id}
        before, after = (
            set(seen.get("clientIdLists") or inputs["clientIdLists"]),
            set(inputs["clientIdLists"]),
        )
        for client in sorted(before - after):
            iam.remove_client_id_from_open_id_connect_provider(**named, ClientID=client)
        for client in sorted(after - before):
            iam.add_client_id_to_open_id_connect_provider(**named, ClientID=client)
        if seen and inputs.get("thumbprintLists"):
            iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=inputs["thumbprintLists"])

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=id)

    def _changes(self, name: str, before: Any, old: Any, wanted: Props) -> dict[str, str]:
        bare = {**wanted, "url": wanted["url"].removeprefix("https://")} if name == "url" else wanted
        return super()._changes(name, before, old, bare)
