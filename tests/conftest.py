"""What every test may use. Nothing here sleeps: tests wait for events."""

import gc
import os
from collections.abc import Callable, Iterator

import pytest

import iii_actors
from iii_actors import actor
from tests.support.peer import Peer, peers


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: many tests wait for a timer, a server or another process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Ten thousand collected tests are no garbage: no collection, of which some tests ask for one, looks at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_ask_inside_a_light_actor() -> None:
    """Every test runs with the deadlock check on (design.md §3)."""
    actor.debug(True)


@pytest.fixture(scope="session", autouse=True)
def _no_telemetry() -> Iterator[None]:
    """Our SDK sends none, although OpenTelemetry is installed, unless a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_ENABLED", "false")
        yield


@pytest.fixture
def engine() -> Iterator["iii_actors.Engine"]:
    """An engine of the test's own, in this process, on a free port."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture(params=["shared", "own"])
def either_engine(request: pytest.FixtureRequest) -> Iterator["iii_actors.Engine"]:
    """The same, once with each way of reading sockets."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0, reader=request.param)) as running:
        yield running


@pytest.fixture
def worker(engine: "iii_actors.Engine") -> Iterator[Callable[..., Peer]]:
    """A maker of workers connected to ``engine``: ``worker("name")``."""
    with peers(engine.url) as make:
        yield make
