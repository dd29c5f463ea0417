"""``iii-cron``: functions called by the clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from iii_actors import limits
from iii_actors.config.adapters import Adapter, RedisSettings
from iii_actors.config.settings import Positive, Settings

__all__ = ["CronAdapter", "CronSettings", "KvLockSettings"]


class KvLockSettings(Settings):
    """The adapter ``kv``: locks in this process.

    The protocol's keys are all accepted. None of them changes anything: within one engine a job never overlaps itself
    (the scheduler sees to it), so there is no lock to store and none that could outlive its owner.
    """

    lock_ttl_ms: Positive = limits.CRON_LOCK_TTL_MS
    """How long a lock outlives its owner."""
    lock_index: str = "cron_locks"
    """The name of the store."""
    store_method: Literal["in_memory", "file_based"] = "in_memory"
    """Where it is kept."""
    file_path: str = "kv_store_data.db"
    """In which directory, if ``file_based``."""
    save_interval_ms: Annotated[int, Field(ge=100, le=3_600_000)] = 5000
    """How often it is written, if ``file_based``."""


class CronAdapter(Adapter):
    """What keeps two engines from firing the same job: nothing (``kv``), or locks in Redis."""

    choices = {"kv": KvLockSettings, "redis": RedisSettings}  # noqa: RUF012 - a table


class CronSettings(Settings):
    """``iii-cron`` (cron.md §6)."""

    adapter: CronAdapter = Field(default_factory=lambda: CronAdapter(name="kv"))
    """``kv`` or ``redis``."""

    def without_effect(self) -> Iterable[str]:
        kept = self.adapter.config
        return sorted(f"adapter.config.{key}" for key in kept.model_fields_set) if self.adapter.name == "kv" else ()
