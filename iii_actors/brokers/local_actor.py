"""The local broker's actor: putting, delivering, answering. What operators do stands in ``local_desk``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from iii_actors.actor import handles
from iii_actors.brokers.contract import Delivery, Done, Sink
from iii_actors.brokers.errors import BrokerClosed, QueueFull, QueueNotFound
from iii_actors.brokers.job import Failure, Job, Put
from iii_actors.brokers.journal import Bury, Drop, InstantJournal, NewJob
from iii_actors.brokers.local_core import Core, tell
from iii_actors.brokers.local_line import Line
from iii_actors.brokers.order import Flight
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_FAILURES_KEPT

__all__ = ["Ack", "Cease", "Close", "Consume", "Failed", "Grant", "LocalActor", "PutJobs", "Release"]


class PutJobs(Struct, frozen=True, gc=False):
    """Told: store these."""

    jobs: Sequence[Job]
    done: Done[Sequence[Put]]


class Consume(Struct, frozen=True, gc=False):
    """Told: deliver a queue to this sink."""

    queue: str
    sink: Sink


class Cease(Struct, frozen=True, gc=False):
    """Told: deliver it no more."""

    queue: str


class Grant(Struct, frozen=True, gc=False):
    """Told: change a queue's credit."""

    queue: str
    credit: int


class Ack(Struct, frozen=True, gc=False):
    """Told: this job is done."""

    delivery: Delivery
    done: Done[bool] | None


class Failed(Struct, frozen=True, gc=False):
    """Told: this attempt failed."""

    delivery: Delivery
    failure: Failure
    due_at_ms: int | None
    """Of the next attempt; None: there is none."""
    done: Done[bool] | None


class Release(Struct, frozen=True, gc=False):
    """Told: this job was not begun."""

    delivery: Delivery
    done: Done[bool] | None


class Close(Struct, frozen=True):
    """Asked: deliver nothing more; what is told afterwards gets ``BrokerClosed``."""


class LocalActor(Core):
    """Owns all lines of one broker."""

    # --- producing ---------------------------------------------------------------------------------------------------

    @handles(PutJobs)
    def put(self, message: PutJobs) -> None:
        """Number the jobs and have them stored; when they are, they stand in line."""
        jobs, done = message.jobs, message.done
        if self.plain is not None and len(jobs) == 1 and self._put_plain(self.plain, jobs[0], done):
            return
        refusal = self._refusal(jobs)
        if refusal is not None:
            done(None, refusal)
            return
        now_ms = int(self.clock.now() * 1000)
        new: list[NewJob] = []
        for job in jobs:
            self.number = number = self.number + 1
            line = self.lines[job.queue]
            line.pending += 1
            wait_ms = until_ms = 0
            if job.due_at_ms > now_ms:
                wait_ms = job.due_at_ms - now_ms
            if job.idempotency_key is not None and line.spec.idempotency_ms:
                until_ms = now_ms + line.spec.idempotency_ms
            new.append(NewJob(number, job, wait_ms, until_ms))
        self.journal.put(new, now_ms, self.back(partial(self._stored, new, done)))

    def _put_plain(self, journal: InstantJournal, job: Job, done: Done[Sequence[Put]]) -> bool:
        """Store the one job of a call at once, if there is nothing special about it; returns whether it was done."""
        line = self.lines.get(job.queue)
        if line is None or self.closed or job.due_at_ms or job.idempotency_key is not None or line.full(1):
            return False
        number = self.number + 1
        if not journal.put_plain(number, job):
            return False
        self.number = number
        line.enqueued += 1
        line.order.add(number, job.group, line.priority(job) if job.priority else 0)
        if not line.dirty:
            line.dirty = True
            self.dirty.append(line)
        done([Put(job.receipt, False)], None)
        return True

    def _refusal(self, jobs: Sequence[Job]) -> EngineError | None:
        if self.closed:
            return BrokerClosed()
        lines = self.lines
        for job in jobs:
            line = lines.get(job.queue)
            if line is None:
                return QueueNotFound(job.queue)
            if line.full(1):
                return QueueFull(job.queue, line.spec.max_jobs)
        if len(jobs) > 1:
            for key, count in Counter(job.queue for job in jobs).items():
                if lines[key].full(count):
                    return QueueFull(key, lines[key].spec.max_jobs)
        return None

    def _stored(
        self,
        new: Sequence[NewJob],
        done: Done[Sequence[Put]],
        answers: Sequence[str | None] | None,
        error: EngineError | None,
    ) -> None:
        if answers is None:
            for one in new:
                self.lines[one.job.queue].pending -= 1
            done(None, error)
            return
        puts: list[Put] = []
        for (number, job, wait_ms, _), earlier in zip(new, answers, strict=True):
            line = self.lines[job.queue]
            line.pending -= 1
            if earlier is not None:
                line.duplicates += 1
                puts.append(Put(earlier, True))
                continue
            line.enqueued += 1
            puts.append(Put(job.receipt, False))
            if wait_ms:
                due = self.clock.monotonic() + wait_ms / 1000
                line.order.delay(number, job.group, line.priority(job), due, job.attempts > 0)
                self.alarms.set(line, due)
                continue
            line.order.add(number, job.group, line.priority(job) if job.priority else 0)
            if not self.instant:
                self.keep_if_room(line, number, job)
            if not line.dirty:
                line.dirty = True
                self.dirty.append(line)
        done(puts, None)

    # --- consuming ---------------------------------------------------------------------------------------------------

    @handles(Consume)
    def consume(self, message: Consume) -> None:
        line = self.lines.get(message.queue)
        if line is not None:
            line.sink, line.credit = message.sink, 0
            if not line.order.waiting:
                self.expect(self.number + 1)

    @handles(Cease)
    def cease(self, message: Cease) -> None:
        line = self.lines.get(message.queue)
        if line is not None:
            line.sink, line.credit = None, 0

    @handles(Grant)
    def grant(self, message: Grant) -> None:
        line = self.lines.get(message.queue)
        if line is None or line.sink is None:
            return
        line.credit = max(line.credit + message.credit, 0)
        if not line.dirty:
            line.dirty = True
            self.dirty.append(line)

    def _flight(self, delivery: Delivery, done: Done[bool] | None) -> Flight | None:
        """Return the flight if it has not ended; if it has, or all has, ``done`` is told."""
        flight: Flight = delivery.lease
        if self.closed:
            if done is not None:
                done(None, BrokerClosed())
            return None
        if flight.ended:
            if done is not None:
                done(False, None)
            return None
        return flight

    def _settle(self, flight: Flight, line: Line) -> None:
        """End a flight whose job does not wait again."""
        line.order.settle(flight)
        if line.again:
            line.again.discard(flight.number)
        if line.order.ordered and not line.dirty:
            self.mark_dirty(line)

    @handles(Ack)
    def ack(self, message: Ack) -> None:
        delivery, done = message.delivery, message.done
        flight = delivery.lease
        if flight.ended or self.closed:
            self._flight(delivery, done)
            return
        number = flight.number
        line = self.lines[delivery.job.queue]
        self._settle(flight, line)
        line.done += 1
        if self.plain is not None and not self.changes:
            self.plain.drop_plain(number)
            if done is not None:
                done(True, None)
        else:
            self.changes.append(Drop(line.key, (number,), True))
            if done is not None:
                self.unanswered.append((done, True))
        if self.looks.under_way:
            self.looks.touch(number)

    @handles(Failed)
    def failed_attempt(self, message: Failed) -> None:
        delivery, failure, due_at_ms, done = message.delivery, message.failure, message.due_at_ms, message.done
        flight = self._flight(delivery, done)
        if flight is None:
            return
        job = delivery.job
        line = self.lines[job.queue]
        self.looks.touch(flight.number)
        if due_at_ms is not None:
            self.fail(line, flight, job, failure, due_at_ms, done)
            return
        self._settle(flight, line)
        line.dead += 1
        failures = (*job.failures[1 - QUEUE_FAILURES_KEPT :], failure)
        self.write(Bury(line.key, flight.number, job.attempts + 1, failures, failure.at_ms), done, True)

    @handles(Release)
    def release(self, message: Release) -> None:
        delivery, done = message.delivery, message.done
        flight = self._flight(delivery, done)
        if flight is None:
            return
        line = self.lines[delivery.job.queue]
        line.order.release(flight)
        if not self.instant:
            self.keep_if_room(line, flight.number, delivery.job)
        self.mark_dirty(line)
        if done is not None:
            done(True, None)

    # --- the rest ----------------------------------------------------------------------------------------------------

    @handles(Close)
    def close(self, _: Close) -> None:
        self.flush()
        self.closed = True
        self.alarms.disarm()

    def on_receive(self, message: Any) -> None:
        """Answer what comes after the end."""
        done = getattr(message, "done", None)
        if done is not None:
            tell(done, None, BrokerClosed())
