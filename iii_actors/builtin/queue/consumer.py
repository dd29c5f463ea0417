"""The consumer of one queue: takes jobs, has their functions called, says what became of them (queue.md §5, §6)."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.brokers.contract import Broker, Delivery
from iii_actors.brokers.job import Failure, Job
from iii_actors.builtin.queue import tracing
from iii_actors.builtin.queue.tuning import Tuning, pause_ms
from iii_actors.clock import Clock
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.refs import Core
from iii_actors.core.tracing import Span
from iii_actors.limits import QUEUE_ABSENT_HOLD_MS, QUEUE_PREFETCH, QUEUE_START_GRACE_S
from iii_actors.wire import messages as wire

__all__ = ["CONDITION_FAILED", "Cease", "Consume", "Consumer", "CountRunning", "Tune"]

logger = logging.getLogger(__name__)

CONDITION_FAILED: Final = "condition_failed"
"""Code of the failure of a job whose condition could not be asked."""
EXPIRED: Final = "visibility_timeout"
_TOO_LATE: Final = "the handler did not answer in time"
_STOPPED: Final = "invocation_stopped"
_UNKNOWN: Final = "function_not_found"
_ABSENT: Final = frozenset({_STOPPED, _UNKNOWN, "channel_send_failed"})
"""Codes that say that a job's worker is not there."""
_random = random.Random()  # noqa: S311 - to spread retries


class Consume(NamedTuple):
    """To the consumer: take jobs from now on; what was held back because a worker was not there is tried at once."""


class Cease(NamedTuple):
    """To the consumer: take no more; what it has not begun goes back, what runs ends as usual.

    With ``stopping`` the engine ends: a job whose worker is sent away stays in flight, to be delivered again. With
    ``retire`` the consumer stops itself when nothing runs any more.
    """

    stopping: bool = False
    retire: bool = False


class Tune(NamedTuple):
    """To the consumer: go by this from now on, for jobs under way too."""

    tuning: Tuning


class CountRunning(NamedTuple):
    """Asked of the consumer: how many handlers are at work."""


class _Deliver(Struct, frozen=True, gc=False):
    sink: int
    deliveries: Sequence[Delivery]


class _Expired(NamedTuple):
    sink: int
    delivery: Delivery


class _Resume(NamedTuple):
    """A place that was held back is free again."""

    hold: int


class _Sink:
    """What the broker is given; a new one each time the consumer begins."""

    __slots__ = ("_number", "_tell")

    def __init__(self, ref: Ref, number: int) -> None:
        self._tell = ref.tell
        self._number = number

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        try:
            self._tell(_Deliver(self._number, deliveries))
        except ActorDeadError:
            logger.debug("The consumer has stopped; its jobs stay in flight")

    def expired(self, delivery: Delivery) -> None:
        try:
            self._tell(_Expired(self._number, delivery))
        except ActorDeadError:
            logger.debug("The consumer has stopped")


class Consumer(LightActor):
    """Has at most ``concurrency`` handlers at work. Every job it takes ends in one ack, retry, bury or release.

    :param key: the queue's.
    """

    def __init__(self, core: Core, broker: Broker, key: str, tuning: Tuning, visibility: bool = False) -> None:
        super().__init__()
        self._functions = core.functions
        self._clock: Clock = core.clock
        self._observing = core.observing
        self._spans: dict[str, Span] = {}
        self._broker = broker
        self._key = key
        self._tuning = tuning
        self._prefetch = QUEUE_PREFETCH if broker.abilities.shared and not visibility else 0
        self._began_ms = int(self._clock.now() * 1000)
        self._grace_until = self._clock.monotonic() + QUEUE_START_GRACE_S
        self._running: dict[str, tuple[Delivery, bool]] = {}
        """By invocation: the job, and whether it is its condition that is asked."""
        self._unstarted: deque[Delivery] = deque()
        self._held = 0
        """Places that nobody gets for a while."""
        self._hold = 0
        """Which holding back the timers on their way belong to."""
        self._wanted = self._open = self._stopping = self._retiring = False
        self._sink = 0
        self._credit = 0
        """What the broker has been granted and has not used."""

    # --- beginning and ending ----------------------------------------------------------------------------------------

    @handles(Consume)
    def consume(self, _: Consume | None = None) -> None:
        self._wanted = True
        self._held = 0
        self._hold += 1
        if not self._open and self._tuning.concurrency:
            self._open = True
            self._sink += 1
            self._credit = 0
            self._broker.consume(self._key, _Sink(self.actor_ref, self._sink))
        self._start_more()

    @handles(Cease)
    def cease(self, request: Cease) -> None:
        self._wanted = False
        self._stopping = self._stopping or request.stopping
        self._retiring = self._retiring or request.retire
        self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._broker.cease(self._key)
        while self._unstarted:
            self._broker.release(self._unstarted.popleft())

    @handles(Tune)
    def tune(self, request: Tune) -> None:
        self._tuning = request.tuning
        if not request.tuning.concurrency:
            self._close()
        elif self._wanted and not self._open:
            self.consume()
        else:
            self._start_more()

    @handles(CountRunning)
    def count_running(self, _: CountRunning) -> int:
        return len(self._running)

    def after_batch(self) -> None:
        """Ask for as many jobs as there are places."""
        if self._open:
            places = self._tuning.concurrency + self._prefetch
            wanted = places - len(self._running) - len(self._unstarted) - self._held
            if wanted > self._credit:
                more, self._credit = wanted - self._credit, wanted
                self._broker.grant(self._key, more)
        elif self._retiring and not self._running:
            self.stop()

    # --- jobs --------------------------------------------------------------------------------------------------------

    @handles(_Deliver)
    def take(self, message: _Deliver) -> None:
        deliveries = message.deliveries
        if message.sink == self._sink:
            self._credit -= len(deliveries)
        if not self._open:
            for delivery in deliveries:
                self._broker.release(delivery)
            return
        self._unstarted.extend(deliveries)
        self._start_more()

    def _start_more(self) -> None:
        unstarted, running = self._unstarted, self._running
        while unstarted and len(running) + self._held < self._tuning.concurrency:
            delivery = unstarted.popleft()
            job = delivery.job
            if delivery.redelivered and job.attempts > self._retries(job):
                self._give_up(delivery)
            else:
                self._call(delivery, self._tuning.condition)

    def _call(self, delivery: Delivery, condition: str | None) -> None:
        """Call the job's function, or ask its condition."""
        job = delivery.job
        own_id = invocation_id()
        function_id = job.function_id if condition is None else condition
        self._running[own_id] = (delivery, condition is not None)
        tracer = self._observing.tracer
        if tracer is not None and condition is None:
            self._spans[own_id] = tracing.begin(tracer, self._key, delivery)
        call = wire.InvokeFunction(
            function_id, own_id, job.traceparent, job.baggage, None, None, wire.ABSENT, Raw(job.data)
        )
        self._functions.tell(Invoke(call, job.namespace, own_id, self.actor_ref, None))

    @handles(Completed)
    def completed(self, completed: Completed) -> None:
        """A call has ended. One that is not known here is of a job that was given to another: it counts for nothing."""
        own_id = completed.invoke.invocation_id
        running, span = self._running.pop(own_id, None), self._spans.pop(own_id, None)
        if running is None:
            return
        delivery, asked = running
        error = completed.error
        if span is not None:
            tracing.end(span, self._key, delivery, error)
        if error is not None:
            self._attempt_failed(delivery, error, asked)
        elif asked and bytes(completed.result) != b"false":
            self._call(delivery, None)
        else:
            self._broker.ack(delivery)
        if self._unstarted:
            self._start_more()

    @handles(_Expired)
    def expired(self, message: _Expired) -> None:
        """Give up a job whose time is over: its place is free, and what its handler says comes too late."""
        delivery = message.delivery
        if message.sink == self._sink:
            self._credit += 1
        for own_id, (running, _) in self._running.items():
            if running is delivery or (running.job.id, running.lease) == (delivery.job.id, delivery.lease):
                del self._running[own_id]
                span = self._spans.pop(own_id, None)
                if span is not None:
                    tracing.end(
                        span, self._key, delivery, wire.ErrorBody(EXPIRED, "the handler did not answer in time")
                    )
                break
        else:
            self._unstarted = deque(one for one in self._unstarted if one.lease != delivery.lease)
        self._start_more()

    # --- failures ----------------------------------------------------------------------------------------------------

    def _retries(self, job: Job) -> int:
        return self._tuning.max_retries if job.max_retries is None else job.max_retries

    def _attempt_failed(self, delivery: Delivery, error: wire.ErrorBody, asked: bool) -> None:
        absent = error.code in _ABSENT
        if absent and self._stopping:
            return
        job = delivery.job
        if (
            error.code == _UNKNOWN
            and job.created_at_ms < self._began_ms
            and self._clock.monotonic() < self._grace_until
        ):
            self._broker.release(delivery)
            self._hold_back()
            return
        now_ms = int(self._clock.now() * 1000)
        if asked:
            message = f"Condition function error: {error.code}: {error.message}"
            failure = Failure(CONDITION_FAILED, message, now_ms, error.stacktrace)
        else:
            failure = Failure(error.code, error.message, now_ms, error.stacktrace)
        attempts = job.attempts + 1
        if attempts > self._retries(job):
            self._broker.bury(delivery, failure)
        else:
            pause = pause_ms(self._tuning, attempts, _random.random)
            self._broker.retry(delivery, failure, now_ms + pause)
        if absent:
            self._hold_back()

    def _give_up(self, delivery: Delivery) -> None:
        """Bury a job that has had its last attempt while nobody was looking: its visibility time ran out."""
        failures = delivery.job.failures
        now_ms = int(self._clock.now() * 1000)
        failure = failures[-1] if failures else Failure(EXPIRED, _TOO_LATE, now_ms)
        self._broker.bury(delivery, failure)

    def _hold_back(self) -> None:
        """Leave a place empty for a while: its worker is not there, and the next job would only fail like this one."""
        hold_ms = min(self._tuning.backoff_ms, QUEUE_ABSENT_HOLD_MS)
        if not hold_ms:
            return
        self._held += 1
        resume = _Resume(self._hold)
        self._clock.call_later(hold_ms / 1000, lambda: _tell(self.actor_ref, resume))

    @handles(_Resume)
    def resume(self, message: _Resume) -> None:
        if message.hold == self._hold:
            self._held -= 1
            self._start_more()


def _tell(ref: Ref, message: object) -> None:
    try:
        ref.tell(message)
    except ActorDeadError:
        logger.debug("The consumer has stopped")
