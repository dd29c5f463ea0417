"""What needs an answer of RabbitMQ's: declaring, counting, looking through dead letters. A thread, and a connection, of
its own: an error there closes a channel, and publishing and consuming have others.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from iii_actors.actor import Ref, ThreadedActor, handles
from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.rabbit_client import Parameters, explained
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_IDLE_S

__all__ = ["Clerk", "Office", "Task", "refused"]

logger = logging.getLogger(__name__)


class Task(NamedTuple):
    """To the clerk: something to do."""

    work: Callable[[Office], Any]
    """Done on the clerk's thread; may wait. Raises ``EngineError``, or what pika raises."""
    done: Callable[[Any, EngineError | None], None]


class _Idle(NamedTuple):
    """To the clerk: look whether the connection is still needed."""

    used: int


class Office:
    """A connection for questions, opened when one is asked. Used by one thread."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._connection: Any = None
        self._spare: Any = None

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        """Lend a channel for questions that leave nothing behind; it is lent again, if RabbitMQ does not close it."""
        channel, self._spare = self._spare, None
        if channel is None or not channel.is_open:
            channel = self.connection().channel()
        yield channel
        self._spare = channel

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """Lend a channel, closed at the end: what was taken from queues and not acknowledged is back in them then."""
        channel = self.connection().channel()
        try:
            yield channel
        finally:
            if channel.is_open:
                channel.close()

    def connection(self) -> Any:
        """Return the connection, open."""
        if self._connection is None or not self._connection.is_open:
            self._connection = pika.BlockingConnection(self._parameters)
        return self._connection

    def take(self, connection: Any) -> None:
        """Use a connection that is open already."""
        self._connection = connection

    def close(self) -> None:
        """Do without the connection; the next question opens another one."""
        connection, self._connection = self._connection, None
        self._spare = None
        if connection is not None and connection.is_open:
            with contextlib.suppress(AMQPError, OSError):
                connection.close()


class Clerk(ThreadedActor):
    """Does one task after the other."""

    def __init__(self, office: Office, clock: Clock, place: str) -> None:
        super().__init__()
        self._office = office
        self._clock = clock
        self._place = place
        self._used = 0
        self._timer: Timer | None = None

    @handles(Task)
    def do(self, task: Task) -> EngineError | None:
        """Do it; whoever asks gets the error, if there is one."""
        result: Any = None
        error: EngineError | None = None
        for last in (False, True):
            try:
                result = task.work(self._office)
            except EngineError as found:
                error = found
            except ChannelClosedByBroker as found:
                error = BrokerUnavailable(f"RabbitMQ at {self._place} refused: {found.reply_text}")
            except (AMQPError, OSError) as found:
                # A connection that nobody used for a while may be dead without anybody knowing: one more try.
                self._office.close()
                if not last:
                    continue
                error = BrokerUnavailable(f"cannot reach RabbitMQ at {self._place}: {explained(found)}")
            break
        self._used += 1
        self._stay()
        try:
            task.done(result, error)
        except Exception:
            logger.exception("Whoever was to hear of RabbitMQ failed")
        return error

    def _stay(self) -> None:
        if self._timer is None:
            used, ref = self._used, self.actor_ref
            self._timer = self._clock.call_later(AMQP_IDLE_S, lambda: _remind(ref, _Idle(used)))

    @handles(_Idle)
    def idle(self, message: _Idle) -> None:
        self._timer = None
        if message.used == self._used:
            self._office.close()
        else:
            with contextlib.suppress(AMQPError, OSError):
                self._office.connection().process_data_events(0)
            self._stay()

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._office.close()


def _remind(ref: Ref, message: _Idle) -> None:
    # The clerk may be at work for long, or gone; either way it needs no reminding.
    with contextlib.suppress(Exception):
        ref.tell(message)


def refused(error: ChannelClosedByBroker, code: int) -> bool:
    """Return whether RabbitMQ has closed a channel for that reason (AMQP 0-9-1 §1.2: 404, 406)."""
    return bool(error.reply_code == code)
