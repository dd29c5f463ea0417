"""``engine::channels::create``: a pair of references to one new channel (core.md §9.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from iii_actors.actor import ask
from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Offer
from iii_actors.core.messages import ChannelKey, CreateChannel
from iii_actors.core.refs import Core
from iii_actors.limits import CHANNEL_BUFFER_DEFAULT, CHANNEL_BUFFER_MAX

__all__ = ["ChannelPair", "ChannelRef", "ChannelWish", "offers"]


class ChannelWish(Struct, frozen=True):
    """Input of ``engine::channels::create``."""

    buffer_size: Annotated[int, Meta(ge=0)] | None = None
    """Messages that may wait for the reader; cut to 1..1024."""


class ChannelRef(Struct, frozen=True):
    """One end of a channel, as it is handed around in payloads."""

    channel_id: str
    access_key: str
    direction: Literal["read", "write"]


class ChannelPair(Struct, frozen=True):
    """Output of ``engine::channels::create``."""

    writer: ChannelRef
    reader: ChannelRef


def offers(core: Core) -> list[Offer]:
    """Return the one function."""

    def create(wish: ChannelWish, _: Call) -> ChannelPair:
        size = CHANNEL_BUFFER_DEFAULT if wish.buffer_size is None else wish.buffer_size
        key: ChannelKey = ask(core.channels, CreateChannel(min(max(size, 1), CHANNEL_BUFFER_MAX)))
        return ChannelPair(
            ChannelRef(key.channel_id, key.access_key, "write"), ChannelRef(key.channel_id, key.access_key, "read")
        )

    description = "Makes a channel: one worker writes a stream of messages, another reads it."
    return [Offer("engine::channels::create", description, ChannelWish, create, ChannelPair)]
