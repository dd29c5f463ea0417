"""Jobs in a Redis."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from iii_actors.brokers.redis_broker import RedisBroker
from iii_actors.clock import ManualClock
from tests.brokers.contract.lab import Backend
from tests.support.redis import RedisServer, redis_server


@cache
def shared_server() -> RedisServer:
    """Start one for all tests of this kind; it ends with the process."""
    stack = ExitStack()
    server = stack.enter_context(redis_server())
    atexit.register(stack.close)
    return server


@contextmanager
def opened(folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    server = shared_server()
    with server.client() as client:
        client.flushall()
    yield Backend(
        make=lambda: RedisBroker(server.url, clock),
        pass_time=lambda ms: clock.advance(ms / 1000),
        now_ms=lambda: int(clock.now() * 1000),
        quiet_s=0.03,
    )
