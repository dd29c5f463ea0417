"""How engines tell each other what is paused. On the loop's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from iii_actors.brokers.rabbit_messages import Message
from iii_actors.brokers.rabbit_names import CONTROL
from iii_actors.brokers.rabbit_publisher import Sending
from iii_actors.brokers.rabbit_wire import Properties

__all__ = ["Control"]

logger = logging.getLogger(__name__)


class _Word(Struct):
    queue: str
    paused: bool


_decode = msgspec.json.Decoder(_Word).decode


class Control:
    """Hears what other engines pause, by a queue of its own that goes with the connection.

    :param paused: called with a queue's key, and whether it is paused now.
    """

    def __init__(self, paused: Callable[[str, bool], None]) -> None:
        self._paused = paused

    def word(self, key: str, paused: bool) -> Sending:
        """Return what tells all engines."""
        body = msgspec.json.encode(_Word(key, paused))
        return Sending(CONTROL, "", Message(body, Properties({}, None, None)), "")

    def up(self, connection: Any) -> None:
        """Listen on a connection."""
        connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Any) -> None:
        channel.add_on_close_callback(_closed)
        channel.queue_declare("", exclusive=True, callback=lambda frame: self._listen(channel, frame.method.queue))

    def _listen(self, channel: Any, queue: str) -> None:
        channel.queue_bind(queue, CONTROL)
        channel.basic_consume(queue, self._heard, auto_ack=True)

    def _heard(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        try:
            word = _decode(body)
        except (msgspec.MsgspecError, ValueError):
            logger.warning("A message in RabbitMQ's exchange '%s' is not of an engine's making", CONTROL)
        else:
            self._paused(word.queue, word.paused)


def _closed(_: Any, error: BaseException) -> None:
    logger.debug("No pauses of other engines are heard until the next connection: %s", error)
