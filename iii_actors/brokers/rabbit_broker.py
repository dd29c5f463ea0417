"""The broker in RabbitMQ: queues that several engines share, and that deployed engines know (queue.md §9).

What it does not do, since RabbitMQ cannot: list, find, edit or cancel jobs that are not dead, and remember keys. A
retry goes to the end of its queue, unless that is an ordered one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pykka import ActorDeadError, Timeout

from iii_actors.actor import MailboxFull, Ref, ask, launch
from iii_actors.brokers import rabbit_dead, rabbit_declaring
from iii_actors.brokers.contract import Abilities, Broker, Delivery, Done, Sink
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable, QueueFull, QueueNotFound, Unsupported
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, Outcome, Put, QueueSpec, Selection
from iii_actors.brokers.names import ended_of
from iii_actors.brokers.rabbit_clerk import Clerk, Office, Task
from iii_actors.brokers.rabbit_client import parameters, reach, where
from iii_actors.brokers.rabbit_counting import count
from iii_actors.brokers.rabbit_declaring import Declared
from iii_actors.brokers.rabbit_names import Topology, topology
from iii_actors.brokers.rabbit_yard import Yard
from iii_actors.clock import Clock
from iii_actors.config.queue import QueueRabbitSettings
from iii_actors.errors import ConfigError, EngineError
from iii_actors.limits import AMQP_CLOSE_S, AMQP_WAIT_S

__all__ = ["RabbitBroker"]

logger = logging.getLogger(__name__)

_CANNOT = "RabbitMQ cannot look into its queues: only dead letters can be listed, found, and dropped one by one"


class RabbitBroker(Broker):
    """Queues of a RabbitMQ.

    :param worker_id: the built-in worker's id, for errors and for RabbitMQ's listing of connections.
    """

    kind = "rabbitmq"
    abilities = Abilities(idempotency=False, cancel=False, edit=False, list_live=False, shared=True, durable=True)

    def __init__(self, settings: QueueRabbitSettings, clock: Clock, worker_id: str = "iii-queue") -> None:
        self._url = settings.amqp_url
        self._quorum = settings.queue_type == "quorum"
        self._clock = clock
        self._worker_id = worker_id
        self._yard: Yard | None = None
        self._clerk: Ref | None = None
        self._closed = False
        self._known: dict[str, Topology] = {}
        """Declared queues; changed by the callers' threads and read by all."""

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        place = where(self._url)
        roles = ("questions", "publishing", "consuming")
        questions, publishing, consuming = (parameters(self._url, self._worker_id, role) for role in roles)
        office = Office(questions)
        office.take(reach(questions, self._url, self._worker_id))
        self._clerk = launch(Clerk(office, self._clock, place))
        making = Task(lambda office: rabbit_declaring.declare_own(office, self._quorum), lambda *_: None)
        problem: EngineError | None = ask(self._clerk, making, AMQP_WAIT_S)
        if problem is None:
            self._yard = Yard(self._clock, self._quorum, place, (publishing, consuming), self._redeclare)
            if not self._yard.open(AMQP_WAIT_S):
                problem = BrokerUnavailable(f"RabbitMQ at {place} does not answer in time")
        if problem is not None:
            self.close()
            mend = "give the user the rights to configure, write and read iii.* and iii::*, or look at RabbitMQ's log"
            raise ConfigError(f"failed to create worker '{self._worker_id}'", str(problem), mend)

    def close(self) -> None:
        yard, self._closed = self._yard, True
        self._yard = None
        if self._clerk is not None:
            try:
                self._clerk.stop(timeout=AMQP_CLOSE_S)
            except Timeout:
                logger.warning("RabbitMQ does not answer; the connection for questions is left behind")
            self._clerk = None
        if yard is not None:
            yard.close(AMQP_CLOSE_S)

    def actors(self) -> Sequence[Ref]:
        return () if self._clerk is None else (self._clerk,)

    # --- queues ------------------------------------------------------------------------------------------------------

    def declare(self, queue: str, spec: QueueSpec, done: Done[None]) -> None:
        ended = ended_of(queue)
        if ended is not None:
            self._unsubscribe(ended, done)
            return
        try:
            place = topology(queue)
        except EngineError as error:
            done(None, error)
            return
        yard = self._yard
        if place is None or yard is None:
            done(None, BrokerClosed())
            return
        new = queue not in self._known
        self._known[queue] = place
        yard.places.set_limit(queue, spec.max_jobs)
        yard.declare(place, spec)

        def declared(found: Declared | None, error: EngineError | None) -> None:
            if found is not None:
                yard.declared(queue, found)
            else:
                final = not isinstance(error, BrokerUnavailable)
                if new and final:
                    self._known.pop(queue, None)
                yard.refused(queue, error or BrokerClosed(), final)
            done(None, error)

        self._ask(lambda office: rabbit_declaring.declare(office, place, spec, self._quorum), declared)

    def _unsubscribe(self, queue: str, done: Done[None]) -> None:
        """A subscription has ended: it gets no more copies, until it is declared again."""
        place, yard = self._known.get(queue), self._yard
        if place is None or yard is None:
            done(None, None)
            return

        def unbound(_: None, error: EngineError | None) -> None:
            if error is None:
                yard.ended(queue)
            done(None, error)

        self._ask(lambda office: rabbit_declaring.unbind(office, place), unbound)

    def forget(self, queue: str, done: Done[bool]) -> None:
        place, yard = self._known.get(queue), self._yard
        if place is None or yard is None:
            done(ended_of(queue) is not None, None)
            return

        def forgotten(dropped: bool | None, error: EngineError | None) -> None:
            if dropped:
                self._known.pop(queue, None)
                yard.forget(queue)
            done(None if error is not None else bool(dropped), error)

        def look() -> None:
            if yard.holds(queue):
                forgotten(False, None)
            else:
                self._ask(lambda office: rabbit_declaring.drop(office, place), forgotten)

        yard.after(queue, look)

    def queues(self, done: Done[Sequence[str]]) -> None:
        done(sorted(self._known), None)

    def pause(self, queue: str, paused: bool, done: Done[bool]) -> None:
        place, yard = self._place(queue, done), self._yard
        if place is None or yard is None:
            return

        def marked(changed: bool | None, error: EngineError | None) -> None:
            if error is not None:
                done(None, error)
            else:
                yard.pause(queue, paused, lambda problem: done(None if problem else bool(changed), problem))

        self._ask(lambda office: rabbit_declaring.mark_paused(office, place, paused), marked)

    def counts(self, queue: str, done: Done[Counts]) -> None:
        place, yard = self._place(queue, done), self._yard
        if place is not None and yard is not None:
            yard.after(queue, lambda: count(yard, self._ask, place, done))

    # --- producing ---------------------------------------------------------------------------------------------------

    def put(self, jobs: Sequence[Job], done: Done[Sequence[Put]]) -> None:
        yard = self._yard
        if self._closed or yard is None:
            done(None, BrokerClosed())
            return
        places: list[Topology] = []
        for job in jobs:
            place = self._known.get(job.queue)
            if place is None:
                done(None, QueueNotFound(job.queue))
                return
            if job.idempotency_key is not None and yard.remembers(job.queue):
                done(
                    None,
                    Unsupported("RabbitMQ cannot remember idempotency keys; leave them out, or use another adapter"),
                )
                return
            places.append(place)
        full = yard.places.take(job.queue for job in jobs)
        if full is None:
            yard.put(jobs, places, done)
        else:
            self._recount(jobs, places, full, done)

    def _recount(
        self, jobs: Sequence[Job], places: Sequence[Topology], full: tuple[str, int], done: Done[Sequence[Put]]
    ) -> None:
        """Look again whether a queue is full: other engines may have emptied it."""

        def recounted(_: Counts | None, error: EngineError | None) -> None:
            yard = self._yard
            if error is not None or yard is None:
                done(None, error or BrokerClosed())
                return
            still = yard.places.take(job.queue for job in jobs)
            if still is None:
                yard.put(jobs, places, done)
            else:
                done(None, QueueFull(*still))

        self.counts(full[0], recounted)

    def move(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        origin, place = self._place(source, done), None
        if origin is not None:
            place = self._place(queue, done)
        yard = self._yard
        if origin is None or place is None or yard is None:
            return
        here, there, now_ms = origin, place, self._now_ms()

        def moved(count: int | None, error: EngineError | None) -> None:
            if count:
                yard.call(lambda: yard.moved(here, there, count))
            done(None if count is None else Outcome(count), error)

        def begin() -> None:
            self._ask(
                lambda office: rabbit_dead.move(office, here, there, (function_id, namespace), yard.store, now_ms),
                moved,
            )

        yard.after(source, begin)

    # --- consuming ---------------------------------------------------------------------------------------------------

    def consume(self, queue: str, sink: Sink) -> None:
        self._tell(queue, lambda yard, place: yard.intake(place).consume(sink))

    def cease(self, queue: str) -> None:
        self._tell(queue, lambda yard, place: yard.intake(place).cease())

    def grant(self, queue: str, credit: int) -> None:
        self._tell(queue, lambda yard, place: yard.intake(place).grant(credit))

    def ack(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        self._end_lease(done, lambda yard: yard.ack(delivery.lease, done))

    def retry(self, delivery: Delivery, failure: Failure, due_at_ms: int, done: Done[bool] | None = None) -> None:
        self._end_lease(done, lambda yard: yard.endings.retry(delivery.lease, failure, due_at_ms, done))

    def bury(self, delivery: Delivery, failure: Failure, done: Done[bool] | None = None) -> None:
        self._end_lease(done, lambda yard: yard.endings.bury(delivery.lease, failure, done))

    def release(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        self._end_lease(done, lambda _: delivery.lease.intake.release(delivery.lease, done))

    def _end_lease(self, done: Done[bool] | None, what: Callable[[Yard], None]) -> None:
        yard = self._yard
        if yard is not None:
            yard.call(lambda: what(yard))
        elif done is not None:
            done(None, BrokerClosed())

    def _tell(self, queue: str, what: Callable[[Yard, Topology], None]) -> None:
        yard, place = self._yard, self._known.get(queue)
        if yard is not None and place is not None:
            yard.call(lambda: what(yard, place))

    # --- inspecting and mending --------------------------------------------------------------------------------------

    def list(self, queue: str, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]) -> None:
        place, now_ms = self._place(queue, done), self._now_ms()
        if place is None:
            return
        if state is not JobState.DEAD:
            done(None, Unsupported(_CANNOT))
        else:
            self._after(queue, lambda office: rabbit_dead.list_dead(office, place, offset, limit, now_ms), done)

    def find(self, queue: str, id: str, done: Done[Listed]) -> None:  # noqa: A002 - the protocol's word
        place, now_ms = self._place(queue, done), self._now_ms()
        if place is not None:
            self._after(queue, lambda office: rabbit_dead.find_dead(office, place, id, now_ms), done)

    def redrive(self, queue: str, id: str | None, done: Done[Outcome]) -> None:  # noqa: A002
        place, yard, now_ms = self._place(queue, done), self._yard, self._now_ms()
        if place is None or yard is None:
            return

        def redriven(count: int | None, error: EngineError | None) -> None:
            if count:
                yard.call(lambda: yard.redriven(place, count))
            done(None if count is None else Outcome(count), error)

        self._after(queue, lambda office: rabbit_dead.redrive(office, place, id, yard.store, now_ms), redriven)

    def remove(self, queue: str, selection: Selection, done: Done[Outcome]) -> None:
        place, yard, now_ms = self._place(queue, done), self._yard, self._now_ms()
        if place is None or yard is None:
            return
        states, id = selection  # noqa: A001
        if id is not None:
            if states != {JobState.DEAD}:
                done(None, Unsupported(_CANNOT))
                return
        elif JobState.DELAYED in states:
            done(None, Unsupported("RabbitMQ cannot drop delayed jobs: name only the states `waiting` and `dead`"))
            return

        def worked(counts: tuple[int, int] | None, error: EngineError | None) -> None:
            if counts is None:
                done(None, error)
            else:
                yard.call(lambda: here(*counts))

        def here(waiting: int, dead: int) -> None:
            intake = yard.intake(place)
            waiting += intake.purge() if id is None and JobState.WAITING in states else 0
            waiting += intake.drop_flights() if JobState.IN_FLIGHT in states else 0
            yard.removed(place, waiting, dead)
            done(Outcome(waiting + dead), None)

        self._after(queue, lambda office: rabbit_dead.remove(office, place, states, id, now_ms), worked)

    def edit(self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]) -> None:  # noqa: A002
        if self._place(queue, done) is not None:
            done(None, Unsupported("RabbitMQ cannot change a job; discard the dead letter and enqueue another one"))

    # --- asking ------------------------------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def _place(self, queue: str, done: Done[Any]) -> Topology | None:
        """Return a queue's topology; None if there is none, which has been answered then."""
        if self._closed or self._yard is None:
            done(None, BrokerClosed())
            return None
        place = self._known.get(queue)
        if place is None:
            done(None, QueueNotFound(queue))
        return place

    def _after(self, queue: str, work: Callable[[Office], Any], done: Done[Any]) -> None:
        """Have the clerk do something, once RabbitMQ has been told what was asked of the queue before."""
        if self._yard is not None:
            self._yard.after(queue, lambda: self._ask(work, done))
        else:
            done(None, BrokerClosed())

    def _ask(self, work: Callable[[Office], Any], done: Done[Any]) -> None:
        clerk = self._clerk
        if clerk is None:
            done(None, BrokerClosed())
            return
        try:
            clerk.tell(Task(work, done))
        except ActorDeadError:
            done(None, BrokerClosed())
        except MailboxFull:
            done(None, BrokerUnavailable("too much is asked about RabbitMQ's queues at once; try again later"))

    def _redeclare(self, specs: Mapping[str, QueueSpec]) -> None:
        """Make everything again: somebody may have deleted something, or paused it, while there was no connection."""
        yard = self._yard

        def work(office: Office) -> dict[str, Declared]:
            rabbit_declaring.declare_own(office, self._quorum)
            known = {queue: place for queue in specs if (place := self._known.get(queue)) is not None}
            return rabbit_declaring.declare_all(office, known, specs, self._quorum)

        def done(found: dict[str, Declared] | None, error: EngineError | None) -> None:
            if yard is not None:
                for queue, declared in (found or {}).items():
                    yard.declared(queue, declared)
                yard.mended(error)

        if yard is not None:
            self._ask(work, done)
