"""`aws:ecs/*`: clusters, and where they may run tasks."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props


class Cluster(AwsResource):
    """A cluster; its capacity providers are a resource of their own."""

    token = "aws:ecs/cluster:Cluster"
    args = "pulumi_aws.ecs:ClusterArgs"
    service, label, tagging, autoname = "ecs", "ECS Cluster", "ecs", True
    block = Block(
        absent={
            **computed("arn name settings region"), **nothing("configuration serviceConnectDefaults"), **TAGS,
        },
        replaces=words("name region"),
        sets=words("settings"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        wanted = {name: inputs[name] for name in ("settings", "configuration") if name in inputs}
        return aws.of("ecs").create_cluster(
            clusterName=inputs["name"],
            tags=pairs(inputs.get("tagsAll"), "key", "value"),
            **wanted,
            **_connect(inputs),
        )["cluster"]["clusterArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if not seen:
            return
        wanted = {name: inputs[name] for name in ("settings", "configuration") if name in inputs}
        if wanted or _connect(inputs):
            aws.of("ecs").update_cluster(cluster=id, **wanted, **_connect(inputs))

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        known = ["SETTINGS", "CONFIGURATIONS", "TAGS"]
        found = aws.of("ecs").describe_clusters(clusters=[id], include=known)["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        settings = found[0].get("settings") or [{"name": "containerInsights", "value": "disabled"}]
        return {
            "arn": id,
            "configuration": found[0].get("configuration") or inputs.get("configuration"),
            "name": found[0]["clusterName"],
            "serviceConnectDefaults": inputs.get("serviceConnectDefaults"),
            "settings": settings,
            "tagsAll": mapped(found[0].get("tags"), "key", "value"),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("ecs").delete_cluster(cluster=id)


def _connect(inputs: Props) -> Props:
    defaults = inputs.get("serviceConnectDefaults")
    return {"serviceConnectDefaults": defaults} if defaults else {}


class ClusterCapacityProviders(AwsResource):
    """Where a cluster may run tasks: Fargate, Fargate Spot."""

    token = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    args = "pulumi_aws.ecs:ClusterCapacityProvidersArgs"
    service, label = "ecs", "ECS Cluster Capacity Providers"
    block = Block(
        absent={
            **nothing("capacityProviders defaultCapacityProviderStrategies", []), "clusterName": None,
            **computed("region"),
        },
        replaces=words("clusterName region"),
        sets=words("capacityProviders defaultCapacityProviderStrategies"),
        blocks={"defaultCapacityProviderStrategies": Block(absent={}, defaults={"base": 0})},
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        self._put(aws, inputs["clusterName"], inputs)
        return inputs["clusterName"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self._put(aws, id, inputs)

    @staticmethod
    def _put(aws: AwsClients, cluster: str, inputs: Props) -> None:
        aws.of("ecs").put_cluster_capacity_providers(
            cluster=cluster,
            capacityProviders=inputs.get("capacityProviders", []),
            defaultCapacityProviderStrategy=inputs.get("defaultCapacityProviderStrategies", []),
        )

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of("ecs").describe_clusters(clusters=[id])["clusters"]
        if not found or found[0]["status"] == "INACTIVE":
            return None
        return {
            "capacityProviders": sorted(found[0].get("capacityProviders") or []),
            "clusterName": found[0]["clusterName"],
            "defaultCapacityProviderStrategies": _strategies(found[0].get("defaultCapacityProviderStrategy")),
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        self._put(aws, id, {})


def _strategies(found: list[Props] | None) -> list[Props]:
    return sorted(({"base": 0, "weight": 0, **one} for one in found or []), key=repr)
