"""Engines on one Redis tell each other of their changes, so that a trigger sees them wherever it is registered.

Each change is published once, by the engine that made it, on one channel: as JSON ``{"from", "scope", "key", "event"}``
and the writer's ``traceparent`` and ``baggage`` if it has them. What is published while Redis is gone is lost.
"""

from __future__ import annotations

import logging
import uuid
from typing import Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.wire import messages as wire

__all__ = ["CHANNEL", "Shared", "Sharing"]

logger = logging.getLogger(__name__)

CHANNEL: Final = "iii-actors:state::events"


class Shared(Struct, frozen=True, omit_defaults=True):
    """A change that another engine made."""

    origin: str = msgspec.field(name="from")
    """A name that the engine has given itself for as long as it runs."""
    scope: str
    key: str
    event: Raw
    """What the watchers are told (state.md §5)."""
    traceparent: str | None = None
    baggage: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Shared).decode


class Sharing:
    """Used by one actor."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._own = str(uuid.uuid4())

    def publish(self, scope: str, key: str, event: Raw, call: wire.InvokeFunction) -> None:
        """Tell the others; ``call`` is what made the change. Does not wait."""
        shared = Shared(self._own, scope, key, event, call.traceparent, call.baggage)
        self._bus.publish(CHANNEL, Raw(_encode(shared)))

    def read(self, data: Raw) -> Shared | None:
        """Return what came; None for this engine's own, and for what is none of these messages."""
        try:
            shared = _decode(data)
        except (msgspec.MsgspecError, RecursionError) as error:
            logger.warning("What is published on %s is no change of the state, and is dropped: %s", CHANNEL, error)
            return None
        return None if shared.origin == self._own else shared
