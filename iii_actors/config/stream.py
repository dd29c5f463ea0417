"""``iii-stream``: items by stream and group, and where they are kept (stream.md §7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from iii_actors.config.adapters import Adapter
from iii_actors.config.settings import Port, Positive, Settings
from iii_actors.config.storage import KvSettings

__all__ = ["StreamAdapter", "StreamKvSettings", "StreamSettings"]


class StreamKvSettings(KvSettings):
    """The adapter ``kv`` of streams."""

    channel_size: Positive | None = None
    """Events that wait for the subscription socket, which comes in a later version."""


class StreamAdapter(Adapter):
    """``{name, config?}``; streams are kept in this engine only, so far."""

    choices: ClassVar[dict[str, type[Settings]]] = {"kv": StreamKvSettings}

    name: str = "kv"


class StreamSettings(Settings):
    """Settings of ``iii-stream``."""

    adapter: StreamAdapter = StreamAdapter()
    """Where the items are kept; takes effect at the next start."""
    port: Port | None = None
    """Of the subscription socket, which comes in a later version."""
    host: Annotated[str, Field(min_length=1)] | None = None
    """Its address; as `port`."""
    auth_function: str | None = None
    """Asked about each of its connections; as `port`."""

    def without_effect(self) -> Iterable[str]:
        keys = sorted(self.model_fields_set & {"port", "host", "auth_function"})
        if "channel_size" in getattr(self.adapter.config, "model_fields_set", ()):
            keys.append("adapter.config.channel_size")
        return keys
