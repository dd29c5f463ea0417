import pytest

from iii_actors.actor import launch
from tests.support.actors import WAIT_S, Recorder


@pytest.fixture
def started():
    """A starter of actors, which are stopped in the end."""
    made = []

    def start(one):
        made.append(launch(one))
        return one

    yield start
    for ref in made:
        ref.stop(timeout=WAIT_S)


@pytest.fixture
def recorder(started):
    return started(Recorder())
