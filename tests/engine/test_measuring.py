"""The tests' own measuring: coverage in every program would take more than half of their time."""

import os

from sandbox.assembly import Sandbox
from tests.conftest import MEASURING


def test_programs_of_a_module_that_is_not_named_are_not_measured(sandbox: Sandbox) -> None:
    """A session's sandbox is made before a module's fixtures, and must not carry the order to all of them."""
    assert MEASURING not in os.environ
    assert MEASURING not in sandbox.env
