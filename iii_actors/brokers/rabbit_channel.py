"""Being sent a queue's messages: one channel for each, so that what goes wrong with one is no matter to the others.

Used on the loop's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from pika.exceptions import AMQPError

from iii_actors.brokers.rabbit_loop import Again, RabbitLoop
from iii_actors.limits import AMQP_PREFETCH_MOST

__all__ = ["Feed", "Take"]

logger = logging.getLogger(__name__)

_NOT_FOUND: Final = 404

Take = Callable[[Any, Any, Any, bytes], None]
"""Gets pika's channel, method and properties, and the body."""


class Feed:
    """Messages of one queue, as many as asked for, through every reconnection.

    :param take: gets each message; it acknowledges on the channel that it is given.
    :param cut: is told of a channel that is gone, and with it the deliveries that it brought.
    :param missing: called with the queue's name if it is not there.
    """

    def __init__(
        self,
        loop: RabbitLoop,
        queue: str,
        take: Take,
        cut: Callable[[Any], None],
        missing: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._queue = queue
        self._take = take
        self._cut = cut
        self._missing = missing
        self._again = Again()
        self._connection: Any = None
        self._channel: Any = None
        self._opening = False
        self._tag: str | None = None
        self._prefetch = 0
        self._known_missing = False
        self.asked = 0
        """Messages that may be here unacknowledged; 0: none are wanted."""

    def up(self, connection: Any) -> None:
        """Use a connection that has just been opened."""
        self._connection = connection
        self._open()

    def down(self) -> None:
        """Do without one."""
        self._connection = None

    def ask(self, count: int) -> None:
        """Say how many messages may be here unacknowledged. It is raised at once; lowered only to 0, which lasts."""
        count = min(count, AMQP_PREFETCH_MOST)
        self.asked = count
        if not count:
            self._cancel()
        elif self._channel is None:
            self._open()
        elif self._tag is None or count > self._prefetch:
            self._consume()

    def close(self) -> None:
        """Be sent nothing more, for good."""
        self.asked = 0
        self._connection = None
        if self._channel is not None and self._channel.is_open:
            self._channel.close()

    def _open(self) -> None:
        usable = self._connection is not None and self._connection.is_open
        if usable and self.asked and self._channel is None and not self._opening:
            self._opening = True
            self._connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: Any) -> None:
        self._opening = False
        self._channel = channel
        channel.add_on_close_callback(self._closed)
        channel.add_on_cancel_callback(self._cancelled)
        if self.asked:
            self._consume()

    def _consume(self) -> None:
        """Begin to consume, or anew with a larger number; what has been sent stays as it is."""
        channel = self._channel
        if channel.is_open:
            self._prefetch = self.asked
            if self._tag is not None:
                channel.basic_cancel(self._tag)
            channel.basic_qos(prefetch_count=self._prefetch)
            self._tag = channel.basic_consume(self._queue, self._message, callback=self._consuming)

    def _consuming(self, _: Any) -> None:
        self._again.reset()
        if self._known_missing:
            self._known_missing = False
            logger.warning("RabbitMQ's queue '%s' is there again", self._queue)

    def _cancel(self) -> None:
        if self._tag is not None and self._channel is not None and self._channel.is_open:
            self._channel.basic_cancel(self._tag)
        self._tag = None

    def _message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        try:
            self._take(channel, method, properties, body)
        except AMQPError as error:
            logger.debug("RabbitMQ is lost: %r; it will deliver the message again", error)
        except Exception:
            logger.exception("Queue '%s': a message could not be taken", self._queue)

    def _cancelled(self, _: Any) -> None:
        """Somebody has deleted the queue."""
        self._tag = None
        if self._channel is not None and self._channel.is_open:
            self._gone("somebody has deleted it")
            self._channel.close()

    def _closed(self, channel: Any, error: BaseException) -> None:
        self._channel = self._tag = None
        self._opening = False
        try:
            self._cut(channel)
        except Exception:
            logger.exception("Queue '%s': a lost channel could not be dealt with", self._queue)
        if self._connection is None or not self._connection.is_open or not self.asked:
            return
        reason = getattr(error, "reply_text", None) or str(error)
        if getattr(error, "reply_code", 0) == _NOT_FOUND:
            self._gone(reason)
        else:
            logger.warning("RabbitMQ closed the channel of queue '%s', and is asked again: %s", self._queue, reason)
        self._loop.call_later(self._again.next(), self._open)

    def _gone(self, reason: str) -> None:
        if not self._known_missing:
            self._known_missing = True
            logger.warning("RabbitMQ's queue '%s' is not there, and is made again: %s", self._queue, reason)
        self._missing(self._queue)
