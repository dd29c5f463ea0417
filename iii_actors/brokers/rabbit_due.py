"""Delays: jobs in holding queues, and the last part of the wait. Used on the loop's thread, but for the functions.

RabbitMQ lets a message go after the time to live of the queue that it is in, so there is a queue for each delay: not
for each ms, but eight for each doubling, shared by all the engine's queues; they vanish when they are not used. What
they let go is in :data:`~iii_actors.brokers.rabbit_names.DUE`; an engine takes it there, keeps it for the last moments
or puts it into a shorter holding queue, and sends it where it belongs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from iii_actors.brokers.rabbit_channel import Feed
from iii_actors.brokers.rabbit_loop import RabbitLoop
from iii_actors.brokers.rabbit_messages import DUE_AT, JOB_ID, TARGET, TARGET_KEY, Message, header_number
from iii_actors.brokers.rabbit_names import DUE, hold_ms, hold_name
from iii_actors.brokers.rabbit_publisher import Publisher, Sending
from iii_actors.brokers.rabbit_wire import Properties, Unsigned
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_DUE_AHEAD

__all__ = ["DueJobs", "Target", "held", "holding"]

logger = logging.getLogger(__name__)

KEY = "x-iii-queue"
"""Of a delayed message: the key that it is counted under."""
_OTHERWISE = "x-iii-otherwise"
"""Of a delayed message: the queue for it if the exchange has none."""
_DROPPED = frozenset({TARGET, TARGET_KEY, KEY, _OTHERWISE})


class Target(NamedTuple):
    """Where a delayed message goes in the end."""

    exchange: str
    routing_key: str
    otherwise: str | None = None


def holding(target: Target, key: str, due_at_ms: int) -> dict[str, Any]:
    """Return the headers that a message carries while it is held."""
    headers: dict[str, Any] = {
        TARGET: target.exchange,
        TARGET_KEY: target.routing_key,
        KEY: key,
        DUE_AT: due_at_ms,
    }
    if target.otherwise is not None:
        headers[_OTHERWISE] = target.otherwise
    return headers


def held(message: Message, job_id: str, left_ms: int, quorum: bool) -> Sending:
    """Return how a message with such headers is sent off for so long."""
    ms = hold_ms(left_ms)
    name = hold_name(ms, quorum) if ms else DUE
    return Sending("", name, message, job_id, hold_ms=ms)


class DueJobs:
    """Takes what holding queues let go.

    :param arrived: called with a job's key when it has gone where it belongs, and whether that is all of a topic's
        subscriptions.
    """

    def __init__(
        self,
        loop: RabbitLoop,
        clock: Clock,
        publisher: Publisher,
        quorum: bool,
        arrived: Callable[[str, bool], None],
        missing: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._publisher = publisher
        self._quorum = quorum
        self._arrived = arrived
        self._timers: dict[int, Timer] = {}
        self._numbers = 0
        self.feed = Feed(loop, DUE, self._take, self._cut, missing)

    def open(self) -> None:
        """Begin."""
        self.feed.ask(AMQP_DUE_AHEAD)

    def _take(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        headers = properties.headers or {}
        target, key = headers.get(TARGET), headers.get(TARGET_KEY)
        if not isinstance(target, str) or not isinstance(key, str):
            logger.warning("A message in RabbitMQ's queue '%s' is not of this engine's making; it is dropped", DUE)
            channel.basic_ack(method.delivery_tag)
            return
        left_ms = header_number(headers, DUE_AT, 0) - int(self._clock.now() * 1000)
        if hold_ms(left_ms):
            again = Message(body, _properties(headers, properties))
            self._send(channel, method.delivery_tag, held(again, _id(headers), left_ms, self._quorum), None)
            return
        otherwise = headers.get(_OTHERWISE)
        kept = {
            name: value for name, value in headers.items() if name not in _DROPPED and not name.startswith("x-death")
        }
        sending = Sending(
            target,
            key,
            Message(body, _properties(kept, properties)),
            _id(headers),
            otherwise if isinstance(otherwise, str) else None,
        )
        counted = headers.get(KEY)
        if left_ms <= 0:
            self._send(channel, method.delivery_tag, sending, counted)
            return
        self._numbers += 1
        number, tag = self._numbers, method.delivery_tag

        def due() -> None:
            if self._timers.pop(number, None) is not None:
                self._send(channel, tag, sending, counted)

        self._timers[number] = self._clock.call_later(left_ms / 1000, lambda: self._loop.call(due))

    def _send(self, channel: Any, tag: int, sending: Sending, key: str | None) -> None:
        """Send it on, and drop it here when it is stored there."""

        def done(error: EngineError | None) -> None:
            if not channel.is_open:
                return
            if error is None:
                channel.basic_ack(tag)
                if key is not None:
                    self._arrived(key, bool(sending.exchange) and sending.otherwise is None)
            else:
                self._publisher.when_ready(lambda: self._send(channel, tag, sending, key))

        if channel.is_open:
            self._publisher.take([sending], done)

    def _cut(self, _: Any) -> None:
        """RabbitMQ has them again."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def _id(headers: dict[str, Any]) -> str:
    found = headers.get(JOB_ID)
    return found if isinstance(found, str) else ""


def _properties(headers: dict[str, Any], properties: Any) -> Properties:
    kept = {name: value for name, value in headers.items() if not name.startswith(("x-death", "x-first-death"))}
    if "x-attempt" in kept and isinstance(kept["x-attempt"], int):
        kept["x-attempt"] = Unsigned(kept["x-attempt"])
    return Properties(kept, properties.message_id, properties.priority)
