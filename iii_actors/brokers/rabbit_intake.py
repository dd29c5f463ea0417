"""What one engine has in flight of one queue, and how that ends. Used on the loop's thread.

In an ordered queue a failed job stays here until its retry, unacknowledged, so that its group cannot overtake it; in
others a copy with one more attempt is stored, and then the job is acknowledged.

When the connection is lost RabbitMQ delivers anew what was not acknowledged. What is in a handler's hands here stays
there: if its message comes back to this engine it is joined to it again, and not delivered twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from iii_actors.brokers.contract import Done
from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.order import Flight
from iii_actors.brokers.rabbit_channel import Feed, Take
from iii_actors.brokers.rabbit_line import Line
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_taken import Lease, Taken
from iii_actors.clock import Clock
from iii_actors.limits import QUEUE_FAILURES_KEPT

__all__ = ["Intake"]

logger = logging.getLogger(__name__)

VISIBILITY = "visibility_timeout"
"""Code of the failure of a job that was in flight for too long."""


class Intake(Line):
    """One queue.

    :param again: stores a job that was in flight for too long anew, then settles its lease.
    """

    def __init__(
        self,
        place: Topology,
        clock: Clock,
        call: Callable[[Callable[[], object]], None],
        again: Callable[[Lease, Job], None],
        poison: Callable[[Topology, Any, int, Any, bytes], None],
        feed: Callable[[str, Take, Callable[[Any], None]], Feed],
    ) -> None:
        super().__init__(place, clock, call, poison, feed)
        self._again = again

    # --- jobs end ----------------------------------------------------------------------------------------------------

    def ack(self, lease: Lease, done: Done[bool] | None) -> bool:
        """The job is done. Returns whether it was in flight."""
        if not self._begin(lease):
            _answer(done, answer=False)
            return False
        attached = lease.taken.mark not in self._orphans
        self._end(lease)
        self.book.done += 1
        _answer(done, answer=attached)
        return True

    def retry(self, lease: Lease, failure: Failure, due: float, done: Done[bool] | None) -> bool:
        """The job has failed, in an ordered queue, or in a moment when RabbitMQ is to deliver it again anyway: remember
        that here. Returns whether that was so.

        :param due: by the clock's monotonic time.
        """
        orphaned = self._orphaned(lease)
        if not self._begin(lease) or not (self.spec.ordered or orphaned):
            return False
        job = self.failed(lease, failure)
        self.book.retried += 1
        if orphaned:
            self._abandon(lease, job, due)
        else:
            self._keep(lease, job, due)
        _answer(done, answer=not orphaned)
        return True

    def _keep(self, lease: Lease, job: Job, due: float) -> None:
        self._stop(lease)
        taken, flight = lease.taken, lease.flight
        taken.job = job
        self._waiting[flight.number] = taken
        self._order.retry(flight, due, self._clock.monotonic())
        self._regroup()
        self._wake()

    def _regroup(self) -> None:
        if self._sink is None or self.paused:
            self._give_back()
        else:
            self._deliver()

    def release(self, lease: Lease, done: Done[bool] | None) -> None:
        """The job was not begun."""
        if not self._begin(lease):
            _answer(done, answer=False)
            return
        attached = not self._orphaned(lease)
        self._stop(lease)
        if attached:
            self._waiting[lease.flight.number] = lease.taken
            self._order.release(lease.flight)
        else:
            self._abandon(lease, lease.taken.job, self._clock.monotonic())
        self._regroup()
        _answer(done, answer=attached)

    def begin(self, lease: Lease) -> bool:
        """Reserve a lease for an answer that has to be stored first. False: it has ended, or RabbitMQ has the job."""
        if not self._begin(lease):
            return False
        if self._orphaned(lease):
            self._abandon(lease, lease.taken.job, self._clock.monotonic())
            return False
        lease.settling = True
        return True

    def _abandon(self, lease: Lease, job: Job, due: float) -> None:
        """Leave a job to RabbitMQ, which delivers it again."""
        self._stop(lease)
        self._orphans.pop(lease.taken.mark, None)
        self._memory.keep(lease.taken, job, due)
        self._order.settle(lease.flight)
        self._deliver()

    def end(self, lease: Lease) -> None:
        """The answer is stored: drop the job."""
        lease.settling = False
        self._end(lease)

    def _begin(self, lease: Lease) -> bool:
        return not lease.ended and not lease.settling

    def _end(self, lease: Lease) -> None:
        taken = lease.taken
        self._stop(lease)
        self._orphans.pop(taken.mark, None)
        self._order.settle(lease.flight)
        self._acknowledge(taken)
        self._deliver()

    def _stop(self, lease: Lease) -> None:
        lease.ended = True
        if lease.timer is not None:
            lease.timer.cancel()

    def drop_flights(self) -> int:
        """Drop what is in consumers' hands here; returns how many. Their answers count for nothing."""
        leases = [flight.delivery.lease for flight in self._order.flying.values()]
        dropped = [lease for lease in leases if not lease.settling]
        for lease in dropped:
            self._end(lease)
        return len(dropped)

    def failed(self, lease: Lease, failure: Failure) -> Job:
        """Return the job after one more failed attempt."""
        job = lease.taken.job
        failures = (*job.failures, failure)[-QUEUE_FAILURES_KEPT:]
        return msgspec.structs.replace(job, attempts=job.attempts + 1, failures=failures)

    # --- visibility --------------------------------------------------------------------------------------------------

    def _lease(self, taken: Taken, flight: Flight) -> Lease:
        return Lease(self, taken, flight)

    def _watch(self, lease: Lease, ms: int) -> None:
        lease.timer = self._clock.call_later(ms / 1000, lambda: self._call(lambda: self._expire(lease)))

    def _expire(self, lease: Lease) -> None:
        """Take a job away from a consumer that has had it for too long."""
        if lease.ended or lease.settling:
            return
        delivery, sink = lease.flight.delivery, lease.flight.sink
        failure = Failure(VISIBILITY, "the handler did not answer in time", int(self._clock.now() * 1000))
        job = self.failed(lease, failure)
        if sink is self._sink:
            self._credit += 1
        if self.begin(lease):
            lease.taken.redelivered = True
            self.book.retried += 1
            if self.spec.ordered:
                lease.settling = False
                self._keep(lease, job, self._clock.monotonic())
            else:
                self._again(lease, job)
        try:
            sink.expired(delivery)
        except Exception:
            logger.exception("Queue '%s': the consumer failed to give a job up", self.place.main)
        self._deliver()

    # --- the connection ----------------------------------------------------------------------------------------------

    def cut(self, channel: Any) -> None:
        """A channel is gone: what it brought is RabbitMQ's again."""
        order, now = self._order, self._clock.monotonic()
        for number, taken in list(self._waiting.items()):
            if taken.channel is channel:
                delay = order.delayed.get(number)
                self._memory.keep(taken, taken.job, now if delay is None else delay.due)
                order.remove(number, taken.job.group)
                del self._waiting[number]
        for flight in order.flying.values():
            lease = flight.delivery.lease
            if lease.taken.channel is channel:
                self._orphans[lease.taken.mark] = lease
        self._wake()

    def lost(self, lease: Lease) -> bool:
        """Return whether RabbitMQ has a job back whose answer was being stored; then its lease has ended."""
        if not self._orphaned(lease):
            return False
        self._abandon(lease, lease.taken.job, self._clock.monotonic())
        return True

    def _orphaned(self, lease: Lease) -> bool:
        return self._orphans.get(lease.taken.mark) is lease


def _answer(done: Done[bool] | None, *, answer: bool) -> None:
    if done is not None:
        try:
            done(answer, None)
        except Exception:
            logger.exception("Whoever was to hear of a job's end failed")
