"""``iii-state``: shared key/value state, and where it is kept (state.md §6, §7)."""

from __future__ import annotations

from iii_actors.config.settings import Positive, Settings
from iii_actors.config.storage import StorageAdapter

__all__ = ["StateSettings"]


class StateSettings(Settings):
    """Settings of ``iii-state``."""

    adapter: StorageAdapter = StorageAdapter()
    """Where the values are kept; takes effect at the next start."""
    triggers_enabled: bool = True
    """False: writes fire no `state` triggers."""
    max_value_bytes: Positive | None = None
    """Largest value that `state::set` takes, in bytes of compact JSON; null: as large as a message may be."""
    save_interval_ms: Positive | None = None
    """Accepted for files made for other engines. Here nothing waits to be saved: see `durability`."""
