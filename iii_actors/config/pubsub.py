"""``iii-pubsub``: publish and subscribe."""

from __future__ import annotations

from pydantic import Field

from iii_actors.config.adapters import Adapter, RedisSettings
from iii_actors.config.settings import NoSettings, Settings

__all__ = ["PubSubAdapter", "PubSubSettings"]


class PubSubAdapter(Adapter):
    """Where published messages go: to this engine's subscribers, or through Redis to those of all engines on it."""

    choices = {"local": NoSettings, "redis": RedisSettings}  # noqa: RUF012 - a table


class PubSubSettings(Settings):
    """``iii-pubsub`` (pubsub.md §6)."""

    adapter: PubSubAdapter = Field(default_factory=lambda: PubSubAdapter(name="local"))
    """``local`` or ``redis``."""
