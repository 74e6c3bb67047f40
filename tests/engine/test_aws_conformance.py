"""The AWS stand-in answers what the official plugin recorded on real AWS, and asks AWS for what it was told.

`recordings/aws` has a file a type; aws_replay.py says how they are compared, and lists the exceptions.
What a test says about AWS's state it asks AWS itself, over boto3: a stand-in's own output proves nothing.
"""

import pytest

from tests.engine import aws_replay
from tests.engine.aws_client import Client
from tests.engine.aws_replay import ORDER, Replay


@pytest.fixture(scope="module")
def replay(aws_endpoint: str, standin_port: int) -> Replay:
    """Every recorded resource, created in the region of the recordings."""
    client = Client(standin_port, aws_endpoint, {"region": "us-west-2"})
    replay = Replay(client, aws_replay.surroundings(client))
    for name in ORDER:
        replay.create(name)
    return replay


def test_every_recording_is_replayed() -> None:
    """A recording that nobody replays would prove nothing."""
    assert sorted(ORDER) == sorted(file.stem for file in aws_replay.RECORDINGS.glob("*.json"))


@pytest.mark.parametrize("name", ORDER)
def test_outputs_are_those_recorded_on_real_aws(replay: Replay, name: str) -> None:
    """Keys, types, defaults and normalised values: a program must not notice which provider it has."""
    assert name not in replay.failed, replay.failed[name]
    assert aws_replay.differences(replay, name) == []


@pytest.mark.parametrize("name", ORDER)
def test_checked_inputs_are_those_recorded_on_real_aws(replay: Replay, name: str) -> None:
    """The defaults that the provider fills in, and its note of them, are part of state."""
    assert aws_replay.input_differences(replay, name) == []


@pytest.mark.parametrize("name", ORDER)
def test_the_recorded_inputs_show_no_change_afterwards(replay: Replay, name: str) -> None:
    """No normalisation of AWS's may show up as a change, but for the one that the program must respect."""
    inputs = replay.live(aws_replay.asked(aws_replay.load(name)))
    assert {*replay.client.diff(replay.made[name], inputs)} == aws_replay.NOT_CANONICAL.get(name, set())
