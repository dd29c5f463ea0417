"""The backends that the contract suite runs over. A new one is a function, and a line in ``BACKENDS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from iii_actors.clock import ManualClock, SystemClock
from iii_actors.config.storage import StorageAdapter
from iii_actors.storage import MemoryStore, Store, open_store
from iii_actors.storage.sqlite import SqliteStore
from tests.support.redis import redis_server

__all__ = ["BACKENDS", "Backend", "bring_nearer", "opened"]


@dataclass
class Backend:
    """A store that holds nothing yet, and what the suite has to know of it."""

    store: Store
    pass_ms: Callable[[int], None]
    """Let time pass, for what expires."""
    ordered: bool = True
    """A scope's keys are listed in the order of insertion."""
    parts: int | None = None
    """How many its scopes have; None: any number, and not all the same."""


@contextmanager
def memory(folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    yield Backend(MemoryStore(clock), lambda ms: clock.advance(ms / 1000))


@contextmanager
def sqlite(durability: str, folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    store = SqliteStore(folder / "values.db", clock, durability=durability)
    try:
        yield Backend(store, lambda ms: clock.advance(ms / 1000))
    finally:
        store.close()


@contextmanager
def in_redis(folder: Path) -> Iterator[Backend]:
    with redis_server() as server, server.client() as client, closing(opened(server.url)) as store:
        yield Backend(store, lambda ms: bring_nearer(client, ms), ordered=False, parts=1)


def opened(url: str, what: str = "state") -> Store:
    return open_store(StorageAdapter(name="redis", config={"redis_url": url}), what, "iii-test", SystemClock())


def bring_nearer(client: Any, ms: int) -> None:
    """Redis goes by its own clock: instead of letting time pass, make everything due so much earlier."""
    for name in client.scan_iter("iii-actors:marks:*"):
        for key, mark in client.hgetall(name).items():
            version, _, due = mark.partition(b":")
            if due:
                client.hset(name, key, b"%b:%d" % (version, int(due) - ms))
    for name in client.scan_iter("iii-actors:expiry:*"):
        for member in client.zrange(name, 0, -1):
            client.zincrby(name, -ms, member)


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {
    "memory": memory,
    "sqlite-disk": partial(sqlite, "disk"),
    "sqlite-process": partial(sqlite, "process"),
    "sqlite-memory": partial(sqlite, "memory"),
    "redis": in_redis,
}
"""Name to a maker, which is given an empty folder of its own."""
