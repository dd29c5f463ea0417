"""Workers for tests of the SDK: each is shut down at the end of its test."""

from collections.abc import Callable, Iterator

import pytest

import iii_actors
import iii_worker
from iii_worker.options import ReconnectionConfig
from tests.support.fake_engine import FakeEngine, fake_engine

AT_ONCE = ReconnectionConfig(initial_delay_ms=1, max_delay_ms=50)
"""Reconnect without the delays of real life."""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of workers is the test's business; no test sends telemetry unless it says so."""
    for name in ("III_URL", "III_WORKER_NAME", "III_NAMESPACE", "III_ISOLATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_ENABLED", "false")


@pytest.fixture
def make_client() -> Iterator[Callable[..., iii_worker.IIIClient]]:
    """A maker of workers anywhere: ``make_client(address, worker_name="users", ...)``."""
    made: list[iii_worker.IIIClient] = []

    def make(address: str, **options: object) -> iii_worker.IIIClient:
        settings = {"worker_name": f"worker-{len(made)}", "reconnection_config": AT_ONCE, "connect_timeout": 10.0}
        client = iii_worker.init(address, **(settings | options))
        made.append(client)
        client.first_connection()
        return client

    yield make
    for client in made:
        client.shutdown()


@pytest.fixture
def make_worker(
    engine: "iii_actors.Engine", make_client: Callable[..., iii_worker.IIIClient]
) -> Callable[..., iii_worker.IIIClient]:
    """A maker of workers connected to ``engine``, a real one in this process: ``make_worker(worker_name="users")``."""
    return lambda **options: make_client(engine.url, **options)


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    """An engine that does what the test tells it."""
    with fake_engine() as engine:
        yield engine
