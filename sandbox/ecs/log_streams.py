"""The awslogs driver: what a container writes, line by line in moto's CloudWatch Logs."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.logs.models import logs_backends

from sandbox.ecs import wording


class LogsError(Exception):
    """The log group is missing; the message is the task's stopped reason."""


@dataclass(frozen=True)
class Stream:
    """One container's log stream."""

    account: str
    region: str
    group: str
    name: str

    def write(self, timestamp: int, message: str) -> None:
        """Append a line; nothing happens when the group was deleted meanwhile.

        Args:
            timestamp: in milliseconds since 1970.
        """
        group = logs_backends[self.account][self.region].groups.get(self.group)
        if group is not None and self.name in group.streams:
            group.put_log_events(self.name, [{"timestamp": timestamp, "message": message}])


def open_stream(definition: Mapping[str, Any], account: str, region: str, task: str) -> Stream | None:
    """The stream `prefix/container/task`, made; None for a container without logs.

    Args:
        task: its id.

    Raises:
        LogsError: the log group does not exist and is not to be made.
    """
    options = (definition.get("logConfiguration") or {}).get("options")
    if not options:
        return None
    region, group = options.get("awslogs-region", region), options["awslogs-group"]
    prefix = options.get("awslogs-stream-prefix")
    name = f"{prefix}/{definition['name']}/{task}" if prefix else task
    backend = logs_backends[account][region]
    if options.get("awslogs-create-group") == "true":
        backend.ensure_log_group(group)
    if group not in backend.groups:
        raise LogsError(f"{wording.LOGS}The specified log group does not exist.")
    backend.ensure_log_stream(group, name)
    return Stream(account, region, group, name)


def copy(chunks: Iterable[bytes], stream: Stream | None) -> None:
    """Write every line that Docker gives with its timestamp, until the container has ended."""
    for chunk in chunks:
        if stream is None:
            continue
        for line in chunk.decode(errors="replace").splitlines():
            stream.write(*parse(line))


def parse(line: str) -> tuple[int, str]:
    """Docker's timestamp in milliseconds, and the rest; now where a line has none."""
    stamp, _, message = line.partition(" ")
    try:
        # Docker counts nanoseconds, Python's datetime microseconds.
        at = datetime.strptime(stamp[:26].rstrip("Z"), "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return int(time.time() * 1000), line
    return int(at.timestamp() * 1000), message
