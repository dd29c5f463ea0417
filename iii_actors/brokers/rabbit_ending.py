"""What becomes of a job that is not simply done: it is stored anew first, and then dropped where it was.

A crash in between leaves both: it is done twice, and never lost. On the loop's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerClosed
from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.rabbit_books import Places
from iii_actors.brokers.rabbit_due import Target, held, holding
from iii_actors.brokers.rabbit_messages import REDELIVERED, dead_letter, encode, untouched
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_publisher import Publisher, Sending
from iii_actors.brokers.rabbit_taken import Lease
from iii_actors.clock import Clock
from iii_actors.errors import EngineError

__all__ = ["Endings"]

logger = logging.getLogger(__name__)


class Endings:
    """Retries and dead letters.

    :param quorum: holding queues are quorum queues.
    :param places: which a dead letter gives back.
    """

    def __init__(self, publisher: Publisher, clock: Clock, places: Places, quorum: bool) -> None:
        self._publisher = publisher
        self._clock = clock
        self._places = places
        self._quorum = quorum

    def retry(self, lease: Lease, failure: Failure, due_at_ms: int, done: Done[bool] | None) -> None:
        """A job has failed and is to be tried again: at its time a copy with one more attempt is in the queue."""
        intake = lease.intake
        left_ms = due_at_ms - int(self._clock.now() * 1000)
        if intake.retry(lease, failure, self._clock.monotonic() + left_ms / 1000, done):
            return
        if not intake.begin(lease):
            _answer(done, False, None)
            return
        place = intake.place
        job = msgspec.structs.replace(intake.failed(lease, failure), due_at_ms=due_at_ms)
        waits = False
        if left_ms <= 0:
            sending = Sending("", place.main, encode(place, job, lease.taken.headers), job.id)
        elif place.retry_exchange is not None and intake.flat_ms == due_at_ms - failure.at_ms:
            # By its exchange: some have been made so that they let go by the key that a message came with.
            message = encode(place, job, lease.taken.headers)
            sending = Sending(place.retry_exchange, place.routing_key, message, job.id)
        else:
            waits = True
            marks = holding(Target("", place.main), place.key, due_at_ms)
            sending = held(encode(place, job, lease.taken.headers, marks), job.id, left_ms, self._quorum)

        def stored() -> None:
            intake.book.retried += 1
            intake.book.held += waits

        self._end(lease, sending, stored, done)

    def bury(self, lease: Lease, failure: Failure, done: Done[bool] | None) -> None:
        """A job has failed for the last time."""
        intake = lease.intake
        if not intake.begin(lease):
            _answer(done, False, None)
            return
        job, place = intake.failed(lease, failure), intake.place
        message = dead_letter(place, job, lease.taken.headers, failure.at_ms)
        stored = self._places.give_back
        self._end(lease, Sending("", place.dead, message, job.id), lambda: stored(place.key), done)

    def again(self, lease: Lease, job: Job) -> None:
        """A job was in flight for too long, and goes to another; its lease is reserved for that."""
        place = lease.intake.place
        message = encode(place, job, lease.taken.headers, {REDELIVERED: 1})
        self._end(lease, Sending("", place.main, message, job.id), lambda: None, None)

    def _end(self, lease: Lease, sending: Sending, stored: Callable[[], object], done: Done[bool] | None) -> None:
        """Store what becomes of a job, then drop the job; never the other way round."""
        intake = lease.intake
        intake.turns.begin()

        def over(answer: bool, error: EngineError | None) -> None:
            intake.turns.end()
            _answer(done, answer, error)

        def published(error: EngineError | None) -> None:
            if error is None:
                stored()
                intake.end(lease)
                over(True, None)
            elif self._publisher.closed:
                over(False, BrokerClosed())
            elif intake.lost(lease):
                over(False, None)
            else:
                self._publisher.when_ready(send)

        def send() -> None:
            if intake.lost(lease):
                over(False, None)
            else:
                self._publisher.take([sending], published)

        send()

    def poison(self, place: Topology, channel: Any, tag: int, properties: Any, body: bytes) -> None:
        """Put a message among the dead that is no job."""
        message, own_id = untouched(properties, body)
        sending = Sending("", place.dead, message, own_id)

        def send() -> None:
            if channel.is_open:
                self._publisher.take([sending], stored)

        def stored(error: EngineError | None) -> None:
            if error is None and channel.is_open:
                channel.basic_ack(tag)
            elif error is not None:
                self._publisher.when_ready(send)

        send()


def _answer(done: Done[bool] | None, answer: bool, error: EngineError | None) -> None:
    if done is not None:
        try:
            done(None if error is not None else answer, error)
        except Exception:
            logger.exception("Whoever was to hear of a job's end failed")
