"""Tags: the provider's defaults under a resource's own, and how each service takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.providers.resource import Props
from sandbox.providers.values import UNKNOWN

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Tagging:
    """A service's pair of operations.

    Args:
        on, off: operations that set and remove.
        target, tags, keys: their parameters; `target` takes `many` when the service wants a list.
        key, value: names inside one tag; empty when the service takes a map.
    """

    on: str
    off: str
    target: str
    tags: str = "Tags"
    keys: str = "TagKeys"
    key: str = "Key"
    value: str = "Value"
    many: bool = False


TAGGING = {
    "acm": Tagging("add_tags_to_certificate", "remove_tags_from_certificate", "CertificateArn", keys="Tags"),
    "application-autoscaling": Tagging("tag_resource", "untag_resource", "ResourceARN", key=""),
    "cloudwatch": Tagging("tag_resource", "untag_resource", "ResourceARN"),
    "ec2": Tagging("create_tags", "delete_tags", "Resources", keys="Tags", many=True),
    "ecr": Tagging("tag_resource", "untag_resource", "resourceArn", tags="tags", keys="tagKeys"),
    "ecs": Tagging(
        "tag_resource", "untag_resource", "resourceArn", tags="tags", keys="tagKeys", key="key", value="value"
    ),
    "elbv2": Tagging("add_tags", "remove_tags", "ResourceArns", many=True),
    "iam role": Tagging("tag_role", "untag_role", "RoleName"),
    "iam policy": Tagging("tag_policy", "untag_policy", "PolicyArn"),
    "iam oidc": Tagging(
        "tag_open_id_connect_provider", "untag_open_id_connect_provider", "OpenIDConnectProviderArn"
    ),
    "kms": Tagging("tag_resource", "untag_resource", "KeyId", key="TagKey", value="TagValue"),
    "logs": Tagging("tag_resource", "untag_resource", "resourceArn", tags="tags", keys="tagKeys", key=""),
    "secretsmanager": Tagging("tag_resource", "untag_resource", "SecretId"),
    "sns": Tagging("tag_resource", "untag_resource", "ResourceArn"),
}


def merged(defaults: Tags, tags: Any) -> Any:
    """`tagsAll`: the defaults under the resource's own."""
    return UNKNOWN if tags == UNKNOWN else {**defaults, **(tags or {})}


def pairs(tags: Tags | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """A map of tags as AWS's list."""
    return [{key: name, value: text} for name, text in sorted((tags or {}).items())]


def mapped(found: list[Props] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """AWS's list of tags as a map, without those that AWS itself sets."""
    return {one[key]: one.get(value, "") for one in found or [] if not one[key].startswith("aws:")}


def retag(client: Any, how: Tagging, target: str, old: Tags, new: Tags) -> None:
    """Make `new` out of `old`."""
    named = {how.target: [target] if how.many else target}
    gone = sorted(old.keys() - new.keys())
    if gone:
        keys = [{how.key: name} for name in gone] if how.keys == how.tags else gone
        getattr(client, how.off)(**named, **{how.keys: keys})
    if new and dict(old) != dict(new):
        tags = pairs(new, how.key, how.value) if how.key else dict(new)
        getattr(client, how.on)(**named, **{how.tags: tags})
