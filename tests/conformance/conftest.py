"""Behaviour through real sockets, frame by frame, with either way of reading them."""

from collections.abc import Callable, Iterator

import pytest

import iii_actors
from tests.support.peer import Peer, peers


@pytest.fixture(scope="session", params=["shared", "own"])
def lasting_engine(request: pytest.FixtureRequest) -> Iterator["iii_actors.Engine"]:
    """One engine for many tests; :func:`join` leaves it empty after each."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0, reader=request.param)) as running:
        yield running


@pytest.fixture
def join(lasting_engine: "iii_actors.Engine") -> Iterator[Callable[..., Peer]]:
    """A maker of workers, once with each way of reading sockets: ``join("name")``, ``join(announce=False)``."""
    with peers(lasting_engine.url) as make:
        yield make
    for listener in lasting_engine._listeners:
        assert listener.wait_until_empty(10)
