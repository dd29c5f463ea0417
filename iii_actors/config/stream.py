"""``iii-stream``: items by stream and group, where they are kept, and the socket to follow them (stream.md §7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from iii_actors import limits
from iii_actors.config.listener import SocketSettings
from iii_actors.config.settings import Port, Positive, Settings
from iii_actors.config.storage import KvSettings, StorageAdapter

__all__ = ["StreamAdapter", "StreamKvSettings", "StreamSettings"]


class StreamKvSettings(KvSettings):
    """The adapter ``kv`` of streams."""

    channel_size: Positive | None = None
    """Accepted for files made for other engines, and without effect: see `outbox_bytes`."""


class StreamAdapter(StorageAdapter):
    """``{name, config?}``; on one Redis several engines share streams, and their subscribers see the events of all."""

    choices: ClassVar[dict[str, type[Settings]]] = {**StorageAdapter.choices, "kv": StreamKvSettings}


class StreamSettings(SocketSettings):
    """Settings of ``iii-stream``; those of the socket are as for a listener, with bounds of their own."""

    port: Port = limits.STREAM_PORT
    """TCP port of the subscription socket; 0 takes a free one."""
    auth_function: Annotated[str, Field(min_length=1)] | None = None
    """Asked about each connection to it, before it is let in; null: nobody is asked."""
    adapter: StreamAdapter = StreamAdapter()
    """Where the items are kept; takes effect at the next start."""
    outbox_bytes: Positive = limits.STREAM_OUTBOX_BYTES
    """Unsent bytes after which a subscriber counts as too slow and is cut off."""
    max_frame_bytes: Positive = limits.STREAM_FRAME_BYTES
    """Largest payload of one frame of a subscriber's."""
    max_message_bytes: Positive = limits.STREAM_FRAME_BYTES
    """Largest message of a subscriber's, put together from its frames."""

    def without_effect(self) -> Iterable[str]:
        kv = self.adapter.config
        given = isinstance(kv, StreamKvSettings) and "channel_size" in kv.model_fields_set
        return ["adapter.config.channel_size"] if given else []
