"""What every test may use. Nothing here sleeps: tests wait for events."""

from collections.abc import Iterator

import pytest

import iii_actors


@pytest.fixture
def engine() -> Iterator["iii_actors.Engine"]:
    """An engine of the test's own, in this process, on a free port."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running
