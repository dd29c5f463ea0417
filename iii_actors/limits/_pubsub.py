"""Publish and subscribe, and what all that talks to Redis shares."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import MIB, limit

REDIS_URL: Final = limit(
    "REDIS_URL", "redis://localhost:6379", "URL", "the protocol's value (pubsub.md §5): where Redis is by itself"
)
REDIS_WAIT_S: Final = limit(
    "REDIS_WAIT_S",
    5.0,
    "s",
    "the protocol's value for connecting (pubsub.md §5); a command waits as long, after which Redis counts as gone",
)
REDIS_RETRY_S: Final = limit(
    "REDIS_RETRY_S", 0.1, "s", "until Redis is tried again after it has gone; doubled with each try that fails"
)
REDIS_RETRY_MAX_S: Final = limit(
    "REDIS_RETRY_MAX_S", 5.0, "s", "the longest of these waits: Redis is back in use within it"
)
REDIS_SILENCE_S: Final = limit(
    "REDIS_SILENCE_S",
    10.0,
    "s",
    "a subscriber's connection on which nothing came for so long is pinged: a Redis that vanished sends no end",
)
PUBSUB_OUTGOING_BYTES: Final = limit(
    "PUBSUB_OUTGOING_BYTES",
    64 * MIB,
    "bytes",
    "published and not yet with Redis; past it messages are dropped with a warning, for delivery is best effort "
    "(pubsub.md §4) and no publisher waits",
)
PUBSUB_OUTGOING_MESSAGES: Final = limit(
    "PUBSUB_OUTGOING_MESSAGES", 50_000, "messages", "as for their bytes; half of what a mailbox holds"
)
PUBSUB_ROUND_MESSAGES: Final = limit(
    "PUBSUB_ROUND_MESSAGES",
    256,
    "messages",
    "sent to Redis in one round trip at most, or taken from it before their deliveries are written to the workers",
)
