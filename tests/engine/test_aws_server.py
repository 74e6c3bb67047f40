"""The sandbox's AWS API: one server a home, found again, gone when stopped."""

from pathlib import Path

import boto3

from sandbox import aws
from sandbox.paths import Home


def test_the_server_keeps_its_state_until_it_is_stopped(tmp_path: Path) -> None:
    """`make up` twice must not lose what `pulumi up` has made; `make down` leaves no process."""
    home = Home(tmp_path)
    assert aws.status(home).health == "down"
    try:
        first = aws.ensure_aws(home)
        settings = {"aws_access_key_id": first.env["AWS_ACCESS_KEY_ID"], "region_name": first.env["AWS_REGION"],
                    "aws_secret_access_key": first.env["AWS_SECRET_ACCESS_KEY"]}  # fmt: skip
        boto3.client("ecr", endpoint_url=first.endpoint, **settings).create_repository(repositoryName="kept")
        assert aws.ensure_aws(home) == first
        found = boto3.client("ecr", endpoint_url=first.endpoint, **settings).describe_repositories()
        assert [one["repositoryName"] for one in found["repositories"]] == ["kept"]
        assert (aws.status(home).health, aws.status(home).address) == ("healthy", first.endpoint)
        assert all(first.plugin_config()["endpoints"][0][name] == first.endpoint for name in aws.SERVICES)
    finally:
        assert aws.stop_aws(home)
    assert aws.find_aws(home) is None
    assert not aws.stop_aws(home)
