"""Engines with nothing but a listener and state, on whatever store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import iii_actors
from iii_actors.builtin.state import State
from tests.support.peer import Peer, peers
from tests.support.redis import RedisServer, redis_server


class Site:
    """An engine, and workers connected to it."""

    def __init__(self, config: object = None, clock: object = None) -> None:
        self._stack = ExitStack()
        workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-state", "config": config}]
        options = {} if clock is None else {"clock": clock}
        self.engine = self._stack.enter_context(iii_actors.Engine(iii_actors.EngineConfig(workers=workers), **options))
        self.join: Callable[..., Peer] = self._stack.enter_context(peers(self.engine.url))

    @property
    def state(self) -> State:
        return next(one for one in self.engine._builtins if isinstance(one, State))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """A maker of engines: ``site({"adapter": ...})``."""
    with ExitStack() as stack:

        def make(config: object = None, clock: object = None) -> Site:
            made = Site(config, clock)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def shared(server: RedisServer) -> dict[str, object]:
    """The settings of an engine on that Redis."""
    return {"adapter": {"name": "redis", "config": {"redis_url": server.url}}}
