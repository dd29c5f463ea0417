"""From the ``adapter`` settings of ``iii-queue`` to the broker that they choose (queue.md §3, §8 to §10)."""

from __future__ import annotations

from pathlib import Path

from iii_actors.brokers.contract import Broker
from iii_actors.brokers.journal import Journal
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.memory import MemoryJournal
from iii_actors.clock import Clock
from iii_actors.config.queue import QueueAdapter, QueueBuiltinSettings, QueueRabbitSettings, QueueRedisSettings
from iii_actors.errors import ConfigError

__all__ = ["open_broker"]


def open_broker(adapter: QueueAdapter, worker_id: str, clock: Clock) -> Broker:
    """Make the broker that an adapter's settings choose. What has to be waited for happens in its ``open``.

    :param worker_id: the built-in worker's id, for errors.
    """
    config = adapter.config
    if isinstance(config, QueueRedisSettings):
        try:
            from iii_actors.brokers.redis_broker import RedisBroker  # noqa: PLC0415 - needs the extra
        except ImportError:
            raise ConfigError(
                f"failed to create worker '{worker_id}'",
                "the adapter redis needs the package redis",
                "pip install 'iii-actors[redis]'",
            ) from None
        return RedisBroker(config.redis_url, clock, config.lease_ms, worker_id)
    if isinstance(config, QueueRabbitSettings):
        from iii_actors.brokers.rabbit_client import need  # noqa: PLC0415

        need(worker_id)
        from iii_actors.brokers.rabbit_broker import RabbitBroker  # noqa: PLC0415 - needs the extra

        return RabbitBroker(config, clock, worker_id)
    journal: Journal = MemoryJournal()
    if isinstance(config, QueueBuiltinSettings) and config.store_method == "file_based":
        from iii_actors.brokers.sqlite_journal import SqliteJournal  # noqa: PLC0415 - a Python may come without SQLite

        journal = SqliteJournal(
            Path(config.file_path) / "queue.sqlite",
            clock,
            durability=config.durability,
            save_interval_ms=config.save_interval_ms,
        )
    return LocalBroker(journal, clock, worker_id)
