"""Where `iii-state` and `iii-stream` keep their values: their ``adapter`` (state.md §7)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from iii_actors import limits
from iii_actors.config.adapters import Adapter, BridgeSettings, RedisSettings
from iii_actors.config.settings import Positive, Settings

__all__ = ["KvSettings", "StorageAdapter"]


def _known_method(value: object) -> object:
    """Take an unknown text for memory, as the protocol has it."""
    return "in_memory" if isinstance(value, str) and value != "file_based" else value


class KvSettings(Settings):
    """The adapter ``kv``: in this process, or in one SQLite file."""

    store_method: Annotated[Literal["in_memory", "file_based"], BeforeValidator(_known_method)] = "in_memory"
    """``in_memory``: gone with the engine; ``file_based``: in a file below `file_path`."""
    file_path: Annotated[str, Field(min_length=1)] = "kv_store_data.db"
    """With ``file_based``: a directory, made if it is not there."""
    durability: Literal["disk", "process", "memory"] = "process"
    """Ours, with ``file_based``. What an answered write survives: ``disk`` a power cut, ``process`` the end of the
    engine (`kill -9` too), ``memory`` nothing but what was saved every `save_interval_ms`."""
    save_interval_ms: Positive = limits.SAVE_INTERVAL_MS
    """With durability ``memory``: how often the file is written. Values below 100 count as 100."""


class StorageAdapter(Adapter):
    """``{name, config?}``."""

    choices: ClassVar[dict[str, type[Settings]]] = {
        "kv": KvSettings,
        "redis": RedisSettings,
        "bridge": BridgeSettings,
    }

    name: str = "kv"
