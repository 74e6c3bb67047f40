"""What `aws logs tail GROUP --follow` shows, for machines without AWS's command line."""

import sys
import time
from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.errors import SandboxError

EVERY_SECONDS = 1.0
BEFORE_SECONDS = 600
"""How far back it begins, as AWS's command does."""


def follow(group: str, region: str, env: Mapping[str, str]) -> None:
    """Print a log group's events as they come, until interrupted.

    Args:
        env: names AWS's endpoint and keys.

    Raises:
        SandboxError: there is no such group, or AWS does not answer.
    """
    client = boto3.client(
        "logs",
        region_name=region,
        endpoint_url=env.get("AWS_ENDPOINT_URL"),
        aws_access_key_id=env.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY"),
    )
    since, shown = int((time.time() - BEFORE_SECONDS) * 1000), set[str]()
    while True:
        try:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
            events = [event for page in pages for event in page["events"] if event["eventId"] not in shown]
        except (BotoCoreError, ClientError) as error:
            raise SandboxError(f"the logs of {group} cannot be read: {error}", fix="make status") from error
        for event in sorted(events, key=lambda one: one["timestamp"]):
            print(f"{event['logStreamName']} {event['message']}", file=sys.stdout, flush=True)
            shown.add(event["eventId"])
        time.sleep(EVERY_SECONDS)
