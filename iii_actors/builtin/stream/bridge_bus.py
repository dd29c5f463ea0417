"""Events over a bridge: published on the other engine, and heard from there by all that are bridged (stream.md §8).

The other engine needs its pub/sub worker. What is published while it is away nobody is told; the items are in its
store.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.actor import Ref
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.remote import Failed, Link

__all__ = ["BridgeBus"]

logger = logging.getLogger(__name__)

TOPIC: Final = "stream.events"
_encode: Final = msgspec.json.Encoder().encode


class BridgeBus(Bus):
    """One topic of the other engine.

    :param link: closed by whoever has made it.
    :param hearer: told an ``Arrived`` per event.
    """

    def __init__(self, link: Link, hearer: Ref) -> None:
        self._link = link
        self._hearer = hearer
        self._warned = False

    def publish(self, topic: str, data: Raw) -> None:
        self._link.call("publish", Raw(_encode({"topic": TOPIC, "data": data})), self._published)

    def _published(self, _: Any, failed: Failed | None) -> None:
        if failed is not None and not self._warned:
            logger.warning(
                "Events are not told through %s: %s: %s; is its iii-pubsub running?",
                self._link.url,
                failed.code,
                failed.message,
            )
        self._warned = failed is not None

    def follow(self, topics: Sequence[str]) -> None:
        topic = topics[0]
        function_id = f"stream::bridge::on_pub::{uuid.uuid4()}"

        def hear(envelope: Any) -> None:
            try:
                self._hearer.tell(Arrived(topic, Raw(_encode(envelope))))
            except ActorDeadError:
                logger.debug("The engine is stopping")

        self._link.client.register_function(function_id, hear)
        self._link.client.register_trigger(
            {"type": "subscribe", "function_id": function_id, "config": {"topic": TOPIC}}
        )

    def leave(self, topics: Sequence[str]) -> None:
        """Nothing: the one topic is followed as long as the link is there."""

    def close(self) -> None:
        """Nothing: the link goes with the store."""

    def actors(self) -> list[Ref]:
        return []
