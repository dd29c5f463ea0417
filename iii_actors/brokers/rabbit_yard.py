"""One engine's traffic with RabbitMQ: what it publishes, what it takes, what becomes of it.

Everything is done on the loop's thread; methods that other threads may call say so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerClosed
from iii_actors.brokers.job import Job, Put, QueueSpec
from iii_actors.brokers.rabbit_books import Places
from iii_actors.brokers.rabbit_channel import Feed, Take
from iii_actors.brokers.rabbit_client import Parameters
from iii_actors.brokers.rabbit_control import Control
from iii_actors.brokers.rabbit_declaring import Declared
from iii_actors.brokers.rabbit_due import DueJobs
from iii_actors.brokers.rabbit_ending import Endings
from iii_actors.brokers.rabbit_intake import Intake
from iii_actors.brokers.rabbit_loop import Again, Link, RabbitLoop
from iii_actors.brokers.rabbit_names import Topology, topology
from iii_actors.brokers.rabbit_publisher import Publisher, Sending
from iii_actors.brokers.rabbit_putting import routed
from iii_actors.brokers.rabbit_taken import Lease
from iii_actors.clock import Clock
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_WAIT_S

__all__ = ["Yard"]

logger = logging.getLogger(__name__)


class Yard:
    """See the module.

    :param quorum: what is made is made as quorum queues.
    :param place: where RabbitMQ is, for the log.
    :param connections: parameters for publishing and for consuming.
    :param redeclare: makes queues again, and says so by :meth:`declared`. Called on the loop's thread.
    """

    def __init__(
        self,
        clock: Clock,
        quorum: bool,
        place: str,
        connections: tuple[Parameters, Parameters],
        redeclare: Callable[[Mapping[str, QueueSpec]], None],
    ) -> None:
        self.places = Places()
        """For any thread."""
        self._clock = clock
        self._quorum = quorum
        self._redeclare = redeclare
        self._loop = RabbitLoop()
        self._publisher = Publisher(self._loop, clock, quorum, self._missing)
        self.endings = Endings(self._publisher, clock, self.places, quorum)
        self._due = DueJobs(self._loop, clock, self._publisher, quorum, self._arrived, self._missing)
        self._control = Control(self._paused_by)
        self._publishing = Link(
            self._loop, connections[0], "publishing", place, self._publisher.up, self._publisher.down
        )
        self._consuming = Link(self._loop, connections[1], "consuming", place, self._up, self._down)
        self._intakes: dict[str, Intake] = {}
        self._waiting: dict[str, list[Callable[[EngineError | None], None]]] = {}
        """For queues that are being declared for the first time."""
        self._declared: set[str] = set()
        """Read by all threads."""
        self._specs: dict[str, QueueSpec] = {}
        """Read by all threads."""
        self._mending = self._been_up = False
        self._again = Again()
        self._opened = threading.Event()

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self, wait_s: float) -> bool:
        """Begin; returns whether both connections are there in time. Waits."""
        self._loop.start()
        self.call(self._publishing.open)
        self.call(self._consuming.open)
        self._publisher.when_ready(self._check_open)
        return self._opened.wait(wait_s)

    def close(self, wait_s: float) -> None:
        """End: what is not delivered goes back, what is on its way is waited for, for a while. Waits."""
        over = threading.Event()
        left = [round(wait_s / _LOOK_S)]

        def begin() -> None:
            for intake in self._intakes.values():
                intake.cease()
                intake.turns.give_up()
            for waiting in self._waiting.values():
                for then in waiting:
                    then(BrokerClosed())
            self._waiting.clear()
            self._due.feed.close()
            self._publisher.close()
            look()

        def look() -> None:
            left[0] -= 1
            if self._publisher.idle or left[0] <= 0:
                self._publishing.close()
                self._consuming.close()
                end()
            else:
                self._loop.call_later(_LOOK_S, look)

        def end() -> None:
            left[0] -= 1
            if left[0] <= 0 or (self._publishing.connection is None and self._consuming.connection is None):
                over.set()
            else:
                self._loop.call_later(_LOOK_S, end)

        self.call(begin)
        over.wait(wait_s)
        if not self._loop.stop(wait_s):
            logger.warning("RabbitMQ's thread does not end; it is left behind")

    def call(self, what: Callable[[], object]) -> None:
        """Have something done on the loop's thread. From any thread."""
        self._loop.call(what)

    def call_later(self, delay_s: float, what: Callable[[], object]) -> None:
        """Have something done there after a while."""
        self._loop.call_later(delay_s, what)

    def _check_open(self) -> None:
        if self._publisher.ready and self._been_up:
            self._opened.set()

    def _up(self, connection: Any) -> None:
        self._due.feed.up(connection)
        self._due.open()
        self._control.up(connection)
        for intake in self._intakes.values():
            intake.feed.up(connection)
        if self._been_up:
            self._missing("")
        self._been_up = True
        self._check_open()

    def _down(self, _: str) -> None:
        for intake in self._intakes.values():
            intake.feed.down()
        self._due.feed.down()

    # --- queues ------------------------------------------------------------------------------------------------------

    def declare(self, place: Topology, spec: QueueSpec) -> None:
        """Treat a queue by this specification. From any thread."""
        self._specs[place.key] = spec
        self.call(lambda: self.intake(place).declare(spec))

    def declared(self, key: str, found: Declared) -> None:
        """RabbitMQ has a queue. From any thread."""

        def here() -> None:
            intake = self._intakes.get(key)
            if intake is None:
                return
            if not intake.book.known:
                intake.book.known = True
                there = found.found
                intake.book.enqueued += there.waiting + there.delayed + there.dead
                self.places.add(key, there.waiting + there.delayed)
            if intake.place.fanout:
                self._publisher.has(intake.place.exchange)
            self._declared.add(key)
            intake.found(found.flat_ms, found.paused)
            for then in self._waiting.pop(key, ()):
                then(None)

        self.call(here)

    def refused(self, key: str, error: EngineError, final: bool) -> None:
        """RabbitMQ has not made a queue; unless that is final, it is asked again. From any thread."""

        def here() -> None:
            if final:
                self._specs.pop(key, None)
            else:
                self._missing(key)
            for then in self._waiting.pop(key, ()):
                then(error)

        self.call(here)

    def forget(self, key: str) -> None:
        """A queue has been dropped. From any thread."""
        self._declared.discard(key)
        self._specs.pop(key, None)
        self.places.drop(key)

        def here() -> None:
            intake = self._intakes.pop(key, None)
            if intake is not None:
                intake.feed.close()

        self.call(here)

    def ended(self, key: str) -> None:
        """A subscription gets no more copies. From any thread."""

        def here() -> None:
            intake = self._intakes.get(key)
            if intake is not None:
                intake.bound = False

        self.call(here)

    def intake(self, place: Topology) -> Intake:
        """Return what has been taken of a queue."""
        intake = self._intakes.get(place.key)
        if intake is None:
            intake = Intake(place, self._clock, self.call, self.endings.again, self.endings.poison, self._feed)
            self._intakes[place.key] = intake
            if self._consuming.connection is not None:
                intake.feed.up(self._consuming.connection)
        return intake

    def _feed(self, queue: str, take: Take, cut: Callable[[Any], None]) -> Feed:
        return Feed(self._loop, queue, take, cut, self._missing)

    def after(self, key: str, then: Callable[[], None]) -> None:
        """Call once RabbitMQ has answered all that it was asked about a queue before. From any thread."""

        def here() -> None:
            intake = self._intakes.get(key)
            if intake is None:
                then()
                return
            left = [then]

            def once() -> None:
                if left:
                    left.pop()()

            # What RabbitMQ does not answer is not waited for without end: whoever asks it next learns that it is gone.
            if not intake.turns.then(once):
                self._loop.call_later(AMQP_WAIT_S, once)

        self.call(here)

    def holds(self, key: str) -> bool:
        """Return whether jobs of a queue are here or in holding queues."""
        intake = self._intakes.get(key)
        return intake is not None and bool(intake.in_flight + intake.waiting + intake.delayed + intake.book.held)

    def remembers(self, key: str) -> bool:
        """Return whether a queue is said to remember idempotency keys. From any thread."""
        spec = self._specs.get(key)
        return spec is not None and spec.idempotency_ms > 0

    def _missing(self, _: str) -> None:
        """Something is not there that should be: have all of it made again, once for all that is noticed together."""
        if not self._mending:
            self._mending = True
            self._loop.call_later(self._again.next(), self._mend)

    def _mend(self) -> None:
        self._mending = False
        self._redeclare(dict(self._specs))

    def mended(self, error: EngineError | None) -> None:
        """Everything has been made again, or could not be. From any thread."""

        def here() -> None:
            if error is None:
                self._again.reset()
                return
            for key in list(self._waiting):
                for then in self._waiting.pop(key):
                    then(error)
            self._missing("")

        self.call(here)

    # --- pauses ------------------------------------------------------------------------------------------------------

    def pause(self, key: str, paused: bool, done: Callable[[EngineError | None], None]) -> None:
        """Pause a queue or let it go on, here and in other engines. From any thread."""

        def here() -> None:
            self._paused_by(key, paused)
            self._publisher.take([self._control.word(key, paused)], lambda _: done(None))

        self.call(here)

    def _paused_by(self, key: str, paused: bool) -> None:
        intake = self._intakes.get(key)
        if intake is not None and intake.paused != paused:
            intake.pause(paused)

    # --- jobs come ---------------------------------------------------------------------------------------------------

    def put(self, jobs: Sequence[Job], places: Sequence[Topology], done: Done[Sequence[Put]]) -> None:
        """Store jobs, for which there is room. From any thread."""
        keys = [place.key for place in places]
        try:
            sendings = routed(jobs, places, self._specs, int(self._clock.now() * 1000), self._quorum)
        except EngineError as error:
            for key in keys:
                self.places.settle(key, stored=False)
            done(None, error)
            return
        begun: list[Intake] = []

        def begin() -> None:
            for place in places:
                intake = self.intake(place)
                intake.turns.begin()
                begun.append(intake)

        def stored(error: EngineError | None) -> None:
            if error is None:
                for sending in sendings:
                    self._count(sending)
            for key in keys:
                self.places.settle(key, stored=error is None)
            for intake in begun:
                intake.turns.end()
            if error is None:
                done([Put(job.receipt, False) for job in jobs], None)
            else:
                done(None, error)

        def ready(error: EngineError | None) -> None:
            missing = next((key for key in keys if key not in self._declared), None)
            if error is not None:
                stored(error)
            elif missing is None:
                self._publisher.take(sendings, stored, begin)
            else:
                self._waiting.setdefault(missing, []).append(ready)

        if all(key in self._declared for key in keys):
            self._publisher.take(sendings, stored, begin)
        else:
            self.call(lambda: ready(None))

    def store(self, sendings: Sequence[Sending], done: Callable[[EngineError | None], None]) -> None:
        """Store messages. From any thread."""
        self._publisher.take(sendings, done)

    def _count(self, sending: Sending) -> None:
        """Enter what has been stored."""
        for intake in self._for(sending.counted, sending.everyone):
            intake.book.enqueued += 1
            intake.book.held += 1 if sending.hold_ms or sending.waits else 0

    def _for(self, key: str, everyone: bool) -> Sequence[Intake]:
        """Return the books that a message is entered in: a topic's message goes to all its subscriptions."""
        intake = self._intakes.get(key)
        if not everyone:
            return () if intake is None else (intake,)
        place = topology(key) if intake is None else intake.place
        exchange = "" if place is None else place.exchange
        return [one for one in self._intakes.values() if one.bound and one.place.exchange == exchange]

    def _arrived(self, key: str, everyone: bool) -> None:
        for intake in self._for(key, everyone):
            intake.book.held = max(0, intake.book.held - 1)

    # --- jobs end ----------------------------------------------------------------------------------------------------

    def ack(self, lease: Lease, done: Done[bool] | None) -> None:
        """A job is done."""
        if lease.intake.ack(lease, done):
            self.places.give_back(lease.intake.place.key)

    # --- what the clerk has done -------------------------------------------------------------------------------------

    def moved(self, source: Topology, place: Topology, count: int) -> None:
        """Jobs have gone from one queue to another."""
        origin = self.intake(source).book
        origin.enqueued = max(0, origin.enqueued - count)
        self.intake(place).book.enqueued += count
        self.places.give_back(source.key, count)

    def redriven(self, place: Topology, count: int) -> None:
        """Dead letters have been put back."""
        self.intake(place).book.redriven += count

    def removed(self, place: Topology, live: int, dead: int) -> None:
        """Jobs have been dropped."""
        self.intake(place).book.removed += live + dead
        self.places.give_back(place.key, live)


_LOOK_S = 0.01
