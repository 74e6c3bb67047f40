"""The AWS stand-in's table names what the installed SDK has: no property too few, none invented."""

import importlib

import pytest
from pulumi._types import resource_types

from sandbox.providers.aws import Aws
from sandbox.providers.aws_resource import AwsResource
from sandbox.providers.aws_tags import TAGGING

TABLE = [resource for resource in Aws.resources if isinstance(resource, AwsResource)]
EVERY = pytest.mark.parametrize("resource", TABLE, ids=lambda resource: resource.token.partition(":")[2])


def sdk_names(resource: AwsResource) -> set[str]:
    """The outputs that the SDK's class of this type has."""
    module, cls = resource.args.removesuffix("Args").split(":")
    return {*resource_types(getattr(importlib.import_module(module), cls))}


@EVERY
def test_a_type_has_exactly_the_properties_of_the_sdk(resource: AwsResource) -> None:
    """A property that is missing here would be lost in state; one too many would be an invention."""
    assert {*resource.block.absent} == sdk_names(resource)


@EVERY
def test_facts_speak_of_known_properties(resource: AwsResource) -> None:
    """A misspelt name among the replacements would silently update in place what AWS cannot change."""
    block = resource.block
    spoken = {*block.replaces, *block.sets, *block.defaults, *block.blocks, *block.unsupported}
    assert (spoken | resource.documents) <= {*block.absent}


@EVERY
def test_a_tagged_type_says_how_it_is_tagged(resource: AwsResource) -> None:
    """Tags that the program gives must reach AWS, also when they change."""
    assert ("tagsAll" in resource.block.absent) == bool(resource.tagging)
    assert not resource.tagging or resource.tagging in TAGGING


def test_no_type_stands_twice_in_the_table() -> None:
    """Of two rows for one type, the second would never be asked."""
    tokens = [resource.token for resource in TABLE]
    assert len(tokens) == len({*tokens})
