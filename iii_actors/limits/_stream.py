"""Streams and their subscription socket."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

STREAM_PORT: Final = limit("STREAM_PORT", 3112, "TCP port", "the protocol's, of the subscription socket (stream.md §7)")
STREAM_OUTBOX_BYTES: Final = limit(
    "STREAM_OUTBOX_BYTES",
    8 * MIB,
    "bytes",
    "unsent bytes one subscriber may pile up, plus the event that crosses the line; past it it is cut off, and nobody "
    "else waits (the protocol's own: 64 messages, behind which everybody waits, and 256 before events are lost)",
)
STREAM_FRAME_BYTES: Final = limit(
    "STREAM_FRAME_BYTES",
    64 * KIB,
    "bytes",
    "a subscriber only joins and leaves: names of streams, groups and items, and no values",
)
STREAM_RECEIVE_BYTES: Final = limit(
    "STREAM_RECEIVE_BYTES",
    4 * KIB,
    "bytes",
    "read from one subscriber at once: it says little, and one that floods the socket must not have long turns",
)
STREAM_MESSAGES_WAITING: Final = limit(
    "STREAM_MESSAGES_WAITING",
    64,
    "messages",
    "of one subscriber that wait for a slow join function; no more are read until it has answered",
)
STREAM_SUBSCRIPTIONS: Final = limit(
    "STREAM_SUBSCRIPTIONS",
    1024,
    "subscriptions",
    "per connection; a page shows less, and without a bound one client could fill the engine's memory",
)
STREAM_HANDLER_S: Final = limit(
    "STREAM_HANDLER_S",
    30.0,
    "s",
    "how long a function bound to stream:join or stream:leave may take before its subscriber is refused or gone "
    "without it; the protocol has none, and a connection could wait for ever",
)
STREAM_UNDECODABLE_LOG_PER_S: Final = limit(
    "STREAM_UNDECODABLE_LOG_PER_S",
    5,
    "log lines/s",
    "for all subscribers together, who may be anybody: enough to see what is wrong, too few to fill the disk",
)
