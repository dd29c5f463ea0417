"""pytest fixtures: ``pytest_plugins = ["iii_worker.testing.fixtures"]`` in a ``conftest.py`` at the root of the tests.

``fake_worker`` needs no engine. ``iii_engine``, ``make_iii_worker`` and ``iii_worker_client`` run a real engine inside
the test process, on a free port; without the package ``iii_actors`` the tests that use them are skipped, or fail if
``III_ACTORS_REQUIRE_ALL=1`` is set.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from iii_worker.client import IIIClient
from iii_worker.limits import TEST_CONNECT_TIMEOUT_S
from iii_worker.options import options_from
from iii_worker.testing.worker import FakeWorker

__all__ = ["fake_worker", "iii_engine", "iii_worker_client", "make_iii_worker"]

_MISSING = "the package iii_actors is not installed: `pip install iii-actors` gives these tests their engine"


@pytest.fixture
def fake_worker() -> Iterator[FakeWorker]:
    """A worker without an engine; see :class:`iii_worker.testing.FakeWorker`."""
    fake = FakeWorker()
    yield fake
    fake.shutdown()


@pytest.fixture
def iii_engine() -> Iterator[Any]:
    """A running ``iii_actors.Engine`` of the test's own; workers connect to its ``url``."""
    engine = _engine_package()
    with engine.Engine(engine.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def make_iii_worker(iii_engine: Any) -> Iterator[Callable[..., IIIClient]]:
    """Make connected workers: ``make_iii_worker("users", namespace="shop")``; they are shut down after the test.

    Keywords are the options of ``register_worker``.
    """
    with ExitStack() as stack:

        def make(name: str | None = None, **options: Any) -> IIIClient:
            given = {"worker_name": name, "connect_timeout": TEST_CONNECT_TIMEOUT_S, **options}
            client = IIIClient(iii_engine.url, options_from(None, given))
            stack.callback(client.shutdown)
            client.first_connection()
            return client

        yield make


@pytest.fixture
def iii_worker_client(make_iii_worker: Callable[..., IIIClient]) -> IIIClient:
    """A worker that is connected to ``iii_engine``."""
    return make_iii_worker("test-worker")


def _engine_package() -> Any:
    try:
        return importlib.import_module("iii_actors")
    except ImportError:
        if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1":
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
