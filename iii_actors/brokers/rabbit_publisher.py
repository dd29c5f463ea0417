"""Publishing, with confirms: many messages on their way at once, each answered when RabbitMQ has stored it.

All methods but :meth:`Publisher.take` are called on the loop's thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pika.exceptions import AMQPError

from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.rabbit_loop import Again, RabbitLoop
from iii_actors.brokers.rabbit_messages import ASIDE, JOB_ID, Message
from iii_actors.brokers.rabbit_names import hold_arguments, hold_name
from iii_actors.clock import Clock
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_HOLD_NEW_S, AMQP_UNCONFIRMED, AMQP_UNCONFIRMED_BYTES

__all__ = ["Publisher", "Sending", "Unroutable"]

logger = logging.getLogger(__name__)


class Unroutable(BrokerUnavailable):
    """RabbitMQ has no queue for a message: somebody has deleted it, or its binding."""


class Sending(NamedTuple):
    """A message on its way."""

    exchange: str
    routing_key: str
    message: Message
    job_id: str
    otherwise: str | None = None
    """The queue for it if the exchange has none."""
    hold_ms: int = 0
    """Of a holding queue, to which it goes: that is there for so long, or is made now."""
    counted: str = ""
    """The key under which it is counted."""
    everyone: bool = False
    """It goes to all subscriptions of its topic."""
    waits: bool = False
    """It is due later."""


class _Group:
    """Messages that are answered together."""

    __slots__ = ("done", "error", "left", "size")

    def __init__(self, left: int, size: int, done: Callable[[EngineError | None], None]) -> None:
        self.left = left
        self.size = size
        self.done = done
        self.error: EngineError | None = None


class Publisher:
    """The publishing side of one broker.

    :param quorum: holding queues are quorum queues.
    :param missing: called with the name of a queue or an exchange that is not there and should be.
    """

    def __init__(self, loop: RabbitLoop, clock: Clock, quorum: bool, missing: Callable[[str], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._quorum = quorum
        self._missing = missing
        self._connection: Any = None
        self._channel: Any = None
        self._ready = False
        self._blocked: str | None = None
        self._why = "there is no connection to RabbitMQ yet"
        self._closed = False
        self._again = Again()
        self._number = 0
        self._pending: dict[int, tuple[Sending, _Group]] = {}
        """By delivery tag, ascending."""
        self._returned: set[str] = set()
        self._holds: dict[int, float] = {}
        """Holding queues: when they were declared last."""
        self._exchanges: set[str] = set()
        """Topics' exchanges that are known to be there."""
        self._waiters: list[Callable[[], None]] = []
        self._taking = threading.Lock()
        self._handed = self._handed_bytes = 0
        self._over = self._over_bytes = 0

    # --- from any thread ---------------------------------------------------------------------------------------------

    def take(
        self,
        sendings: Sequence[Sending],
        done: Callable[[EngineError | None], None],
        begin: Callable[[], None] | None = None,
    ) -> None:
        """Send messages on, and answer when all are stored; the first error, if there is one, is the answer.

        :param begin: called on the loop's thread before the first of them is sent; not if they are refused before.
        """
        size = sum(len(sending.message.body) for sending in sendings)
        with self._taking:
            waiting, waiting_bytes = self._handed - self._over, self._handed_bytes - self._over_bytes
            full = waiting + len(sendings) > AMQP_UNCONFIRMED or waiting_bytes + size > AMQP_UNCONFIRMED_BYTES
            refused = bool(waiting) and full
            if not refused:
                self._handed += len(sendings)
                self._handed_bytes += size
        if refused:
            done(BrokerUnavailable(f"{waiting} messages wait for RabbitMQ, which is the limit; nothing was stored"))
            return
        group = _Group(len(sendings), size, done)
        self._loop.call(lambda: self._publish_all(sendings, group, begin))

    # --- the connection ----------------------------------------------------------------------------------------------

    def up(self, connection: Any) -> None:
        """Use a connection that has just been opened."""
        self._connection = connection
        self._holds.clear()
        self._blocked = None
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._open_channel()

    def has(self, exchange: str) -> None:
        """An exchange is there, of whatever kind."""
        self._exchanges.add(exchange)

    def down(self, reason: str) -> None:
        """Do without one: what is not confirmed has failed, as far as anybody can know."""
        self._connection = self._channel = None
        self._fail(f"RabbitMQ is lost: {reason}")

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._wake_waiters()

    @property
    def idle(self) -> bool:
        """Everything is answered."""
        return not self._pending and self._handed == self._over

    @property
    def ready(self) -> bool:
        """Messages are taken."""
        return self._ready

    @property
    def closed(self) -> bool:
        """Nothing is taken any more, ever."""
        return self._closed

    def when_ready(self, then: Callable[[], None]) -> None:
        """Call when messages are taken again, or soon if they are."""
        if self._closed:
            self._loop.call(then)
        elif self._ready:
            self._loop.call_later(self._again.next(), then)
        else:
            self._waiters.append(then)

    def _open_channel(self) -> None:
        if self._connection is not None and self._connection.is_open:
            self._connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        self._number = 0
        self._returned.clear()
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=self._on_ready)

    def _on_ready(self, _: Any) -> None:
        self._ready = True
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for then in waiters:
            self._loop.call(then)

    def _on_channel_closed(self, channel: Any, error: BaseException) -> None:
        if channel is not self._channel:
            return
        self._channel = None
        reason = getattr(error, "reply_text", None) or str(error)
        code = getattr(error, "reply_code", 0)
        self._fail(f"RabbitMQ refused a message: {reason}")
        if self._connection is not None and self._connection.is_open and not self._closed:
            if code == _NOT_FOUND:
                self._exchanges.clear()
                self._missing(reason)
            else:
                logger.warning("RabbitMQ closed the channel for publishing: %s", reason)
            self._loop.call_later(self._again.next(), self._open_channel)

    def _on_blocked(self, _: Any, frame: Any) -> None:
        self._blocked = str(frame.method.reason)
        logger.warning("RabbitMQ takes nothing in: %s", self._blocked)

    def _on_unblocked(self, _: Any, frame: Any) -> None:
        self._blocked = None
        logger.warning("RabbitMQ takes messages in again")

    # --- messages ----------------------------------------------------------------------------------------------------

    def _publish_all(self, sendings: Sequence[Sending], group: _Group, begin: Callable[[], None] | None) -> None:
        if begin is not None:
            begin()
        if not sendings:
            group.done(None)
            return
        if self._closed or not self._ready or self._blocked is not None:
            self._refuse(group, len(sendings))
            return
        for at, sending in enumerate(sendings):
            try:
                self._send(sending, group)
            except AMQPError as error:
                for _ in sendings[at:]:
                    self._settle(group, BrokerUnavailable(f"RabbitMQ is lost: {error!r}; it is not known to be stored"))
                return

    def _refuse(self, group: _Group, count: int) -> None:
        error: EngineError
        if self._closed:
            error = BrokerClosed()
        elif self._blocked is not None:
            error = BrokerUnavailable(f"RabbitMQ takes nothing in: {self._blocked}; nothing was stored")
        else:
            error = BrokerUnavailable(f"{self._why}; nothing was stored")
        for _ in range(count):
            self._settle(group, error)

    def _send(self, sending: Sending, group: _Group) -> None:
        if sending.hold_ms:
            self._hold(sending.hold_ms)
        if sending.exchange.endswith(_TOPICS_OWN) and sending.exchange not in self._exchanges:
            # It may be a topic that only another engine knows of; RabbitMQ closes the channel over an unknown exchange.
            self._channel.exchange_declare(sending.exchange, "fanout", durable=True, callback=None)
            self._exchanges.add(sending.exchange)
        body, properties = sending.message
        self._channel.basic_publish(sending.exchange, sending.routing_key, body, properties, mandatory=True)
        self._number += 1
        self._pending[self._number] = (sending, group)

    def _hold(self, ms: int) -> None:
        """See to it that there is a holding queue: RabbitMQ does as it is told in order, so nobody waits for it."""
        now = self._clock.monotonic()
        declared = self._holds.get(ms)
        if declared is None or now - declared > AMQP_HOLD_NEW_S:
            self._holds[ms] = now
            name = hold_name(ms, self._quorum)
            self._channel.queue_declare(name, durable=True, arguments=hold_arguments(ms, self._quorum), callback=None)

    def _on_return(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Remember a message that there is no queue for; that it was dealt with is confirmed next."""
        headers = properties.headers or {}
        job_id = headers.get(ASIDE, headers.get(JOB_ID))
        if isinstance(job_id, str):
            self._returned.add(job_id)

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        tag, stored = method.delivery_tag, method.NAME == "Basic.Ack"
        if method.multiple:
            pending = self._pending
            while pending and (first := next(iter(pending))) <= tag:
                self._confirmed(first, stored)
        else:
            self._confirmed(tag, stored)
        if stored:
            self._again.reset()

    def _confirmed(self, tag: int, stored: bool) -> None:
        found = self._pending.pop(tag, None)
        if found is None:
            return
        sending, group = found
        if not stored:
            self._settle(group, BrokerUnavailable("RabbitMQ did not store the message"))
        elif sending.job_id not in self._returned:
            self._settle(group, None)
        else:
            self._returned.discard(sending.job_id)
            if sending.otherwise is not None:
                again = sending._replace(exchange="", routing_key=sending.otherwise, otherwise=None)
                with contextlib.suppress(AMQPError):
                    self._send(again, group)
                    return
            name = sending.exchange or sending.routing_key
            self._missing(name)
            self._settle(group, Unroutable(f"RabbitMQ has no queue for '{name}' any more; it is made again, try again"))

    def _settle(self, group: _Group, error: EngineError | None) -> None:
        self._over += 1
        group.left -= 1
        if error is not None and group.error is None:
            group.error = error
        if not group.left:
            self._over_bytes += group.size
            try:
                group.done(group.error)
            except Exception:
                logger.exception("Whoever was to hear of a message failed")

    def _fail(self, why: str) -> None:
        self._ready = False
        self._why = why
        pending, self._pending = self._pending, {}
        for _, group in pending.values():
            self._settle(group, BrokerUnavailable(f"{why}; it is not known to be stored"))


_NOT_FOUND = 404
_TOPICS_OWN = ".exchange"
