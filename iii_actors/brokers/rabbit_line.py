"""What one engine has taken of one queue and not delivered yet. Used on the loop's thread.

RabbitMQ sends at most ``prefetch`` jobs that are not acknowledged. Those that there is no credit for yet wait here, in
the order book that the other brokers use too; it also keeps groups in order.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
from pika.exceptions import AMQPError

from iii_actors.brokers.contract import Delivery, Sink
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.order import Flight, Order, StandardOrder
from iii_actors.brokers.order_groups import GroupedOrder
from iii_actors.brokers.rabbit_books import Book, Turns
from iii_actors.brokers.rabbit_channel import Feed, Take
from iii_actors.brokers.rabbit_messages import JOB_ID, REDELIVERED, Malformed, decode, group_in, header_number
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_taken import Lease, Mark, Memory, Taken
from iii_actors.clock import Clock, Timer
from iii_actors.limits import AMQP_ORDERED_AHEAD

__all__ = ["Line"]

logger = logging.getLogger(__name__)


class Line(ABC):
    """One queue.

    :param call: has something done on the loop's thread.
    :param poison: gets a message that is no job.
    """

    def __init__(
        self,
        place: Topology,
        clock: Clock,
        call: Callable[[Callable[[], object]], None],
        poison: Callable[[Topology, Any, int, Any, bytes], None],
        feed: Callable[[str, Take, Callable[[Any], None]], Feed],
    ) -> None:
        self.place = place
        self.spec = QueueSpec()
        self.book = Book()
        self.turns = Turns()
        self.paused = False
        self.bound = place.bound
        """The queue gets what is published to its exchange; a subscription that has ended does not."""
        self.declared = False
        """RabbitMQ has the queue."""
        self.flat_ms: int | None = None
        """The delay of the queue for retries, if there is one."""
        self._clock = clock
        self._call = call
        self._poison = poison
        self.feed = feed(place.main, self._take, self.cut)
        self._sink: Sink | None = None
        self._credit = 0
        self._order: Order = StandardOrder()
        self._numbers = 0
        self._waiting: dict[int, Taken] = {}
        """Not in flight: by number in the order book."""
        self._orphans: dict[Mark, Lease] = {}
        """In flight, while their messages are with RabbitMQ again."""
        self._memory = Memory(clock)
        self._alarm: Timer | None = None

    # --- what is asked of it -----------------------------------------------------------------------------------------

    def declare(self, spec: QueueSpec) -> None:
        """Go by another specification from now on."""
        self.spec = spec
        if spec.ordered != self._order.ordered:
            order: Order = GroupedOrder() if spec.ordered else StandardOrder()
            order.adopt(self._order)
            self._order = order
        self._adjust()

    def found(self, flat_ms: int | None, paused: bool) -> None:
        """RabbitMQ has the queue."""
        self.declared = True
        self.bound = self.place.bound
        self.flat_ms = flat_ms
        self.paused = paused
        self._adjust()
        self._deliver()

    def consume(self, sink: Sink) -> None:
        """Deliver there from now on."""
        self._sink = sink
        self._credit = 0
        self._adjust()

    def cease(self) -> None:
        """Deliver no more; what is not delivered goes back."""
        self._sink = None
        self._credit = 0
        self._adjust()

    def grant(self, credit: int) -> None:
        """Change the credit."""
        if self._sink is not None:
            self._credit = max(0, self._credit + credit)
            self._adjust()
            self._deliver()

    def pause(self, paused: bool) -> None:
        """Stop or go on."""
        self.paused = paused
        self._adjust()
        self._deliver()

    def _adjust(self) -> None:
        """Have RabbitMQ send as many as can be used, or nothing."""
        wanted = self._credit + len(self._order.flying)
        if self._sink is None or self.paused or not wanted or not self.declared:
            self.feed.ask(0)
            self._give_back()
        else:
            self.feed.ask(wanted + (AMQP_ORDERED_AHEAD if self.spec.ordered else 0))

    def _give_back(self) -> None:
        """Return to RabbitMQ all that is not in flight."""
        now = self._clock.monotonic()
        for number in self._order.clear(waiting=True, delayed=False):
            self._return(self._waiting.pop(number), now)
        for number, delay in list(self._order.delayed.items()):
            self._order.remove(number, delay.group)
            self._return(self._waiting.pop(number), delay.due)

    def _return(self, taken: Taken, due: float) -> None:
        self._memory.keep(taken, taken.job, due)
        if taken.channel.is_open:
            taken.channel.basic_nack(taken.tag, requeue=True)

    @property
    def waiting(self) -> int:
        return self._order.waiting

    @property
    def delayed(self) -> int:
        return len(self._order.delayed)

    @property
    def in_flight(self) -> int:
        return len(self._order.flying)

    def purge(self) -> int:
        """Drop what waits here; returns how many."""
        numbers = self._order.clear(waiting=True, delayed=False)
        for number in numbers:
            self._acknowledge(self._waiting.pop(number))
        return len(numbers)

    # --- messages come -----------------------------------------------------------------------------------------------

    def _take(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        """Take a message from RabbitMQ."""
        tag = method.delivery_tag
        if self._sink is None or not self.feed.asked:
            channel.basic_nack(tag, requeue=True)
            return
        try:
            job = decode(self.place, properties, body, int(self._clock.now() * 1000))
        except Malformed as error:
            logger.warning("Queue '%s': a message is no job, and is put aside: %s", self.place.main, error)
            self._poison(self.place, channel, tag, properties, body)
            return
        field = self.spec.options.get("group_field")
        if field is not None and job.group is None and self.spec.ordered:
            job = msgspec.structs.replace(job, group=group_in(job.data, field))
        headers = properties.headers or {}
        if JOB_ID not in headers:
            # Whoever has put it in may give all messages the same id, and none would be told from one that came before.
            job = msgspec.structs.replace(job, id=str(uuid4()))
        redelivered = bool(method.redelivered)
        taken = Taken(channel, tag, job, headers, redelivered or header_number(headers, REDELIVERED, 0) > 0)
        if self._came_back(taken, redelivered):
            return
        self._numbers += 1
        number = self._numbers
        self._waiting[number] = taken
        tried = self._memory.tried(taken.mark) if redelivered else None
        early_s = job.due_at_ms / 1000 - self._clock.now()
        if tried is not None:
            taken.job = tried.job
            self._order.delay(number, job.group, job.priority, tried.due, tried=True)
            self._wake()
        elif early_s > 0:
            due = self._clock.monotonic() + early_s
            self._order.delay(number, job.group, job.priority, due, tried=job.attempts > 0)
            self._wake()
        else:
            self._order.add(number, job.group, job.priority)
        self._deliver()

    def _came_back(self, taken: Taken, redelivered: bool) -> bool:
        """Return whether a message is one that has been dealt with, or still is."""
        settled = self._memory.settled(taken.mark)
        if not redelivered:
            return False
        orphan = self._orphans.pop(taken.mark, None)
        if orphan is not None:
            job, taken.redelivered = orphan.taken.job, True
            orphan.taken, taken.job = taken, job
            return True
        if settled:
            self._acknowledge(taken)
        return settled

    def _deliver(self) -> None:
        sink, order = self._sink, self._order
        if sink is None or self.paused or not self._credit:
            return
        order.wake(self._clock.monotonic())
        deliveries: list[Delivery] = []
        while self._credit and order.peek() is not None:
            flight = order.take()
            taken = self._waiting.pop(flight.number)
            lease = self._lease(taken, flight)
            delivery = Delivery(taken.job, lease, taken.redelivered)
            flight.delivery, flight.sink = delivery, sink
            if self.spec.visibility_ms is not None:
                self._watch(lease, self.spec.visibility_ms)
            deliveries.append(delivery)
            self._credit -= 1
        if deliveries:
            try:
                sink.deliver(deliveries)
            except Exception:
                logger.exception("Queue '%s': the consumer failed to take jobs", self.place.main)

    def _wake(self) -> None:
        """Have the next retry in time delivered in time."""
        due = self._order.next_due()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            delay = max(due - self._clock.monotonic(), 0.0)
            self._alarm = self._clock.call_later(delay, lambda: self._call(self._woken))

    def _woken(self) -> None:
        self._deliver()
        self._wake()

    def _acknowledge(self, taken: Taken) -> None:
        """Drop a message, and remember that."""
        self._memory.settle(taken.mark)
        try:
            if taken.channel.is_open:
                taken.channel.basic_ack(taken.tag)
        except AMQPError as error:
            logger.debug("RabbitMQ is lost: %r; it will deliver the job again", error)

    @abstractmethod
    def cut(self, channel: Any) -> None:
        """A channel is gone: what it brought is RabbitMQ's again."""

    @abstractmethod
    def _lease(self, taken: Taken, flight: Flight) -> Lease:
        """Return what names a delivery."""

    @abstractmethod
    def _watch(self, lease: Lease, ms: int) -> None:
        """Take a job away if it is not answered in time."""
