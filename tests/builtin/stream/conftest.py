"""Engines with nothing but a listener and streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import iii_actors
from tests.support.peer import Peer, peers


class Site:
    """An engine, and workers connected to it."""

    def __init__(self, config: dict[str, object] | None = None, clock: object = None) -> None:
        self._stack = ExitStack()
        stream = {"name": "iii-stream", "config": {"port": 0, **(config or {})}}
        workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, stream]
        options = {} if clock is None else {"clock": clock}
        self.engine = self._stack.enter_context(iii_actors.Engine(iii_actors.EngineConfig(workers=workers), **options))
        self.join: Callable[..., Peer] = self._stack.enter_context(peers(self.engine.url))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """A maker of engines: ``site({"adapter": ...})``."""
    with ExitStack() as stack:

        def make(config: dict[str, object] | None = None, clock: object = None) -> Site:
            made = Site(config, clock)
            stack.callback(made.close)
            return made

        yield make
