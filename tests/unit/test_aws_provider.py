"""What the AWS stand-in takes as its own settings, and how it compares properties."""

import json

import pytest

from sandbox.providers.aws_client import AwsClients, check_settings, opened
from sandbox.providers.aws_tasks import normal
from sandbox.providers.aws_values import as_far_as, same_document
from sandbox.providers.resource import CheckError


def test_nested_settings_are_opened() -> None:
    """The engine passes them as JSON texts."""
    clients = AwsClients(opened({"region": "eu-central-1", "defaultTags": '{"tags": {"a": "b"}}'}))
    assert (clients.region, clients.default_tags) == ("eu-central-1", {"a": "b"})


def test_a_missing_region_says_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else of AWS works without one."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CheckError, match="pulumi config set aws:region"):
        check_settings({})


def test_a_setting_that_only_the_official_plugin_has_is_refused() -> None:
    """Ignoring it would be a surprise on the day that the official plugin reads it."""
    with pytest.raises(CheckError, match="ignoreTags: is not supported by the stand-in"):
        check_settings({"region": "eu-central-1", "ignoreTags": {}})


def test_a_region_of_its_own_is_other_clients() -> None:
    """A resource with a `region` is made there, not where the provider is."""
    clients = AwsClients({"region": "eu-central-1"})
    assert clients.in_region(None) is clients.in_region("eu-central-1") is clients
    assert clients.in_region("us-west-2").region == "us-west-2"


def test_policies_are_compared_by_what_they_say() -> None:
    """AWS gives them back with other spaces, another order, and lists of one unpacked."""
    ours = json.dumps({"Statement": [{"Action": ["b", "a"], "Resource": ["x"]}]}, indent=2)
    theirs = '{"Statement":[{"Resource":"x","Action":["a","b"]}]}'
    assert same_document(ours, theirs)
    assert not same_document(ours, theirs.replace("x", "y"))


def test_what_the_program_leaves_to_aws_is_no_difference() -> None:
    """A health check of which only the path is given must not show the interval as removed."""
    found = {"path": "/", "interval": 30, "subnets": ["b", "a"]}
    assert as_far_as(found, {"path": "/", "subnets": ["a", "b"]}) == {"path": "/", "subnets": ["a", "b"]}


def test_containers_come_back_in_awss_form() -> None:
    """As recorded: compact, sorted keys, empty lists added, no CPU of 0."""
    text = normal([{"name": "a", "image": "b", "cpu": 0, "user": None}])
    assert text == (
        '[{"environment":[],"essential":true,"image":"b","mountPoints":[],"name":"a","systemControls":[],'
        '"volumesFrom":[]}]'
    )
