"""From a worker's ``adapter`` settings to the store that they choose (state.md §7, stream.md §8)."""

from __future__ import annotations

from pathlib import Path

from iii_actors.clock import Clock
from iii_actors.config.adapters import BridgeSettings, RedisSettings
from iii_actors.config.storage import KvSettings, StorageAdapter
from iii_actors.errors import ConfigError
from iii_actors.storage.contract import Store
from iii_actors.storage.memory import MemoryStore
from iii_actors.storage.redis_client import connect

__all__ = ["open_store"]


def open_store(
    adapter: StorageAdapter, what: str, worker_id: str, clock: Clock, save_interval_ms: int | None = None
) -> Store:
    """Open the store that an adapter's settings choose. Waits for the disk or for Redis.

    :param what: what is kept in it, ``state`` or ``stream``: the file's name in its folder, the prefix in Redis.
    :param worker_id: the built-in worker's id, for errors.
    :param save_interval_ms: goes before the adapter's own, if it is given (state.md §6).
    :raises ConfigError: the file or the Redis cannot be had; the text says why and what to do.
    """
    config = adapter.config
    if isinstance(config, RedisSettings):
        return _in_redis(config.redis_url, what, worker_id, clock)
    if isinstance(config, BridgeSettings):
        from iii_actors.remote import Link  # noqa: PLC0415 - few engines have a bridge
        from iii_actors.storage.bridge_store import LAYOUTS, BridgeStore  # noqa: PLC0415

        link = Link(config.bridge_url, f"iii-{what}-bridge", f"failed to create worker '{worker_id}'")
        return BridgeStore(link, LAYOUTS[what])
    if isinstance(config, KvSettings) and config.store_method == "file_based":
        return _in_file(config, what, worker_id, clock, save_interval_ms)
    return MemoryStore(clock)


def _in_redis(url: str, what: str, worker_id: str, clock: Clock) -> Store:
    client = connect(url, worker_id)
    from iii_actors.storage.redis_layout import LAYOUTS  # noqa: PLC0415 - needs the extra
    from iii_actors.storage.redis_store import RedisStore  # noqa: PLC0415

    return RedisStore(client, LAYOUTS[what], url, clock)


def _in_file(settings: KvSettings, what: str, worker_id: str, clock: Clock, save_interval_ms: int | None) -> Store:
    from iii_actors.storage.sqlite import SqliteStore  # noqa: PLC0415 - a Python may come without SQLite

    try:
        return SqliteStore(
            Path(settings.file_path) / f"{what}.sqlite",
            clock,
            durability=settings.durability,
            save_interval_ms=save_interval_ms or settings.save_interval_ms,
        )
    except ConfigError as error:
        raise ConfigError(
            f"failed to create worker '{worker_id}'", f"{error.place}: {error.problem}", error.mend
        ) from None
