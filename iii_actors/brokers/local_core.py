"""The inner part of the local broker's actor: what is written when, what is delivered when, what is read ahead."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace
from pykka import ActorDeadError

from iii_actors.actor import LightActor, handles
from iii_actors.brokers.contract import Delivery, Done
from iii_actors.brokers.errors import BrokerClosed
from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.journal import Change, Drop, InstantJournal, Journal, Loaded, Mark, Retry
from iii_actors.brokers.local_alarms import Alarms
from iii_actors.brokers.local_line import NEVER, Line
from iii_actors.brokers.local_looks import Looks
from iii_actors.brokers.order import Flight
from iii_actors.clock import Clock
from iii_actors.errors import EngineError
from iii_actors.limits import (
    QUEUE_AHEAD_BYTES,
    QUEUE_AHEAD_JOBS,
    QUEUE_FAILURES_KEPT,
    QUEUE_MARK_STEP,
    QUEUE_READ_AGAIN_S,
    QUEUE_READ_JOBS,
)

__all__ = ["Core", "Errand", "tell"]

logger = logging.getLogger(__name__)

_OVERHEAD = 600  # bytes that a job takes in memory beside its data, about


class Errand(NamedTuple):
    """Told: something that is seldom done."""

    run: Callable[..., None]
    """Called with :attr:`arguments` and :attr:`done`."""
    arguments: tuple[Any, ...]
    done: Done[Any]


class _Back(NamedTuple):
    """Told by the journal's thread: an answer for us."""

    then: Callable[[Any, EngineError | None], None]
    result: Any
    error: EngineError | None


class _Tick(NamedTuple):
    """Told by the clock: something is due."""


class Core(LightActor):
    """Lines, and what happens to them by itself. One batch of messages makes one write, and one delivery per sink."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        super().__init__()
        self.journal = journal
        self.clock = clock
        self.lines: dict[str, Line] = {}
        self.closed = False
        self.number = 0
        """The last one given."""
        self.plain = journal if isinstance(journal, InstantJournal) else None
        self.instant = self.plain is not None
        """The journal answers before its calls return."""
        self.jobs: Any = self.plain.table if self.plain is not None else {}
        """Jobs in memory by number: all of them, or those at the heads of the lines."""
        self._bytes = 0
        self.dirty: list[Line] = []
        """Lines that may have something to be delivered at the end of the batch."""
        self.changes: list[Change] = []
        """What is to be written at the end of the batch."""
        self.unanswered: list[tuple[Done[Any], Any]] = []
        """Who waits for those changes, and for what answer."""
        self.alarms = Alarms(clock, self._told_by_the_clock)
        self._marked: float = NEVER
        """Numbers up to this one may be delivered: the journal has answered."""
        self._marking: float = NEVER
        """The same when it has answered for all that it was given."""
        self._earlier_mark = 0
        """Numbers up to this one may have been delivered before the start."""
        self._opened_at_ms = 0
        self.looks = Looks()

    # --- the start ---------------------------------------------------------------------------------------------------

    def load(self, loaded: Loaded) -> None:
        """Take over what the journal holds. Called once, before the actor is launched; may take seconds."""
        now_ms, now = self.now_ms(), self.clock.monotonic()
        self._opened_at_ms = now_ms
        self._earlier_mark = loaded.mark
        self.number = max(loaded.last_number, loaded.mark)
        for stored in loaded.queues:
            line = self.lines[stored.queue] = Line(stored)
            order = line.order
            add = order.add
            highest = line.highest_priority
            for number, group, priority, due_at_ms, wait_ms, attempts in self.journal.rows(stored.queue):
                priority = min(priority, highest)  # noqa: PLW2901 - there may be millions
                if due_at_ms > now_ms and wait_ms > 0:
                    due = now + min(due_at_ms - now_ms, wait_ms) / 1000
                    order.delay(number, group, priority, due, attempts > 0)
                elif attempts:
                    add(number, group, priority, now - (now_ms - due_at_ms) / 1000)
                else:
                    add(number, group, priority)
            self.look_later(line)
        if self.journal.durable:
            self._marked = self._marking = loaded.mark

    def now_ms(self) -> int:
        return int(self.clock.now() * 1000)

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, change: Change, done: Done[Any] | None, result: Any = None) -> None:
        """Write a change with all others of this batch; ``done`` gets the result when it is written."""
        self.changes.append(change)
        if done is not None:
            self.unanswered.append((done, result))

    def flush(self) -> None:
        """Give the journal what has gathered: before it is asked anything, and at the end of the batch."""
        if not self.changes:
            return
        changes, self.changes = self.changes, []
        if not self.unanswered:
            self.journal.write(changes)
            return
        waiting, self.unanswered = self.unanswered, []

        def written(_: None, error: EngineError | None) -> None:
            for done, result in waiting:
                tell(done, None if error is not None else result, error)

        self.journal.write(changes, written)

    def back(self, then: Callable[[Any, EngineError | None], None]) -> Done[Any]:
        """Return a ``done`` for the journal that brings its answer into this actor."""
        if self.instant:
            return then

        def answered(result: Any, error: EngineError | None) -> None:
            try:
                self.actor_ref.tell(_Back(then, result, error))
            except ActorDeadError:  # closing could not wait for it, and nobody runs in here any more
                then(None, BrokerClosed())

        return answered

    def answer_written(self, done: Done[Any], result: Any) -> None:
        """Answer when everything is written that has been said so far."""
        if self.changes:
            self.unanswered.append((done, result))
        else:
            done(result, None)

    @handles(Errand)
    def run_errand(self, message: Errand) -> None:
        if self.closed:
            message.done(None, BrokerClosed())
            return
        message.run(*message.arguments, message.done)

    def later(self, errand: Errand) -> None:
        """Run an errand when others have had their turn."""
        try:
            self.actor_ref.tell(errand)
        except ActorDeadError:
            errand.done(None, BrokerClosed())

    @handles(_Back)
    def _come_back(self, back: _Back) -> None:
        back.then(back.result, back.error)

    def after_batch(self) -> None:
        if self.changes:
            self.flush()
        if self.dirty:
            dirty, self.dirty = self.dirty, []
            for line in dirty:
                self._deliver(line)
        if self.alarms.unarmed and not self.closed:
            self.alarms.arm()

    # --- delivering --------------------------------------------------------------------------------------------------

    def mark_dirty(self, line: Line) -> None:
        """See at the end of the batch what can be delivered."""
        if not line.dirty:
            line.dirty = True
            self.dirty.append(line)

    def _deliver(self, line: Line) -> None:
        line.dirty = False
        sink, credit = line.sink, line.credit
        if sink is None or credit <= 0 or line.paused or self.closed:
            return
        order, jobs = line.order, self.jobs
        deadline = None
        if line.spec.visibility_ms is not None:
            deadline = self.clock.monotonic() + line.spec.visibility_ms / 1000
        deliveries: list[Delivery] = []
        while credit > 0:
            number = order.peek()
            if number is None:
                break
            job = jobs.get(number)
            if job is None:
                break
            if number > self._marked:
                break
            flight = order.take()
            if not self.instant:
                self.let_go(line, number)
            redelivered = (number <= self._earlier_mark and self._was_due(job)) or number in line.again
            delivery = Delivery(job, flight, redelivered)
            flight.delivery, flight.sink, flight.deadline = delivery, sink, deadline
            deliveries.append(delivery)
            credit -= 1
        line.credit = credit
        if not self.instant:
            self._look_ahead(line)
        if deliveries:
            if deadline is not None:
                self.alarms.set(line, deadline)
            try:
                sink.deliver(deliveries)
            except Exception:
                logger.exception("queue '%s': a delivery failed; its jobs stay in flight", line.key)

    def _was_due(self, job: Job) -> bool:
        """Return whether a job that was there at the start may have been delivered before it."""
        return job.attempts > 0 or job.due_at_ms <= self._opened_at_ms

    # --- what may be delivered, and what is in memory for it ---------------------------------------------------------

    def _look_ahead(self, line: Line) -> None:
        """Have the next jobs' numbers marked and their data read before they are wanted."""
        number = line.order.peek()
        if number is None:
            return
        self.expect(number)
        if line.reading:
            return
        scarce = line.kept < QUEUE_READ_JOBS // 2 and line.kept < line.order.waiting
        if scarce or number not in self.jobs:
            self._read(line, number)

    def expect(self, number: int) -> None:
        """See that a mark is written ahead of a number, before it is wanted.

        If that cannot be written, jobs go out all the same: what is lost with the process then is only that they count
        as redelivered.
        """
        if number <= self._marking - QUEUE_MARK_STEP / 2:
            return
        self._marking = mark = number + QUEUE_MARK_STEP

        def marked(_: None, __: EngineError | None) -> None:
            self._marked = max(self._marked, mark)
            for line in self.lines.values():
                if line.credit:
                    self.mark_dirty(line)

        self.journal.write([Mark(mark)], self.back(marked))

    def _read(self, line: Line, head: int) -> None:
        wanted = dict.fromkeys((head, *line.order.ahead(QUEUE_READ_JOBS + line.kept)))
        numbers = [number for number in wanted if number not in self.jobs][:QUEUE_READ_JOBS]
        if not numbers:
            return
        line.reading = True
        epoch = line.epoch
        self.flush()

        def came(jobs: Sequence[Job | None] | None, error: EngineError | None) -> None:
            line.reading = False
            if self.closed:
                return
            if jobs is None:
                logger.error("queue '%s': waiting jobs cannot be read: %s", line.key, error)
                self.alarms.set(line, self.clock.monotonic() + QUEUE_READ_AGAIN_S)
                return
            if line.epoch == epoch:
                for number, job in zip(numbers, jobs, strict=False):
                    if job is None:
                        self._lost(line, number)
                    else:
                        self.keep(line, number, job)
            self.mark_dirty(line)

        self.journal.read(numbers, max(QUEUE_AHEAD_BYTES - self._bytes, 0), self.back(came))

    def _lost(self, line: Line, number: int) -> None:
        logger.error("queue '%s': job number %d has gone from its file; it is given up", line.key, number)
        group = next((group for one, group, _, _ in line.order.standing() if one == number), None)
        line.order.remove(number, group)
        line.removed += 1
        self.write(Drop(line.key, (number,), False), None)

    def keep_if_room(self, line: Line, number: int, job: Job) -> None:
        """Hold a job that has come to stand in line, if all before it are held too; the others are read in time."""
        if (
            line.kept + 1 == line.order.waiting
            and line.kept < QUEUE_AHEAD_JOBS
            and self._bytes + len(job.data) < QUEUE_AHEAD_BYTES
        ):
            self.keep(line, number, job)

    def keep(self, line: Line, number: int, job: Job) -> None:
        """Hold the job of a number that waits."""
        if number not in self.jobs:
            self.jobs[number] = job
            line.kept += 1
            self._bytes += len(job.data) + _OVERHEAD

    def let_go(self, line: Line, number: int) -> None:
        """Hold it no more, because it does not wait any more."""
        job = self.jobs.pop(number, None)
        if job is not None:
            line.kept -= 1
            self._bytes -= len(job.data) + _OVERHEAD

    # --- time --------------------------------------------------------------------------------------------------------

    def look_later(self, line: Line) -> None:
        """Look at a line when something in it becomes due."""
        due = line.order.next_due()
        if due is not None:
            self.alarms.set(line, due)

    def _told_by_the_clock(self) -> None:
        with contextlib.suppress(ActorDeadError):  # it was at it when the broker was closed
            self.actor_ref.tell(_Tick())

    @handles(_Tick)
    def _tick(self, _: _Tick) -> None:
        if self.closed:
            return
        for line, now in self.alarms.due():
            line.order.wake(now)
            flights = line.order.flying.values()
            for flight in [one for one in flights if one.deadline is not None and one.deadline <= now]:
                self._expire(line, flight)
            self.alarms.set(line, line.deadline())
            self.look_later(line)
            self.mark_dirty(line)

    def _expire(self, line: Line, flight: Flight) -> None:
        """Take a job back from whoever has held it too long; that counts as a failed attempt."""
        at_ms = self.now_ms()
        text = f"the handler did not answer within the queue's visibility timeout of {line.spec.visibility_ms} ms"
        delivery, sink = flight.delivery, flight.sink
        line.again.add(flight.number)
        if sink is line.sink:
            line.credit += 1
        self.fail(line, flight, delivery.job, Failure("visibility_timeout", text, at_ms), at_ms, None)
        sink.expired(delivery)

    def fail(
        self, line: Line, flight: Flight, job: Job, failure: Failure, due_at_ms: int, done: Done[bool] | None
    ) -> None:
        """Count a failed attempt, and let the job wait for the next one."""
        wait_ms = max(due_at_ms - self.now_ms(), 0)
        now = self.clock.monotonic()
        due = now + wait_ms / 1000
        line.order.retry(flight, due, now)
        line.retried += 1
        failures = (*job.failures[1 - QUEUE_FAILURES_KEPT :], failure)
        self.write(Retry(line.key, flight.number, job.attempts + 1, failures, due_at_ms, wait_ms), done, True)
        if wait_ms:
            self.alarms.set(line, due)
        else:
            if not self.instant:
                changed = replace(job, attempts=job.attempts + 1, failures=failures, due_at_ms=due_at_ms)
                self.keep_if_room(line, flight.number, changed)
            self.mark_dirty(line)


def tell(done: Done[Any], result: Any, error: EngineError | None) -> None:
    """Give an answer; whatever becomes of it there, the others get theirs."""
    try:
        done(result, error)
    except Exception:
        logger.exception("An answer of the broker could not be given")
