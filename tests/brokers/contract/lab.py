"""A broker under test, and what is needed to drive one: answers waited for, a consumer that keeps what it is given."""

from __future__ import annotations

import itertools
import queue
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from iii_actors.brokers.contract import Abilities, Broker, Delivery
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, Put, QueueSpec, Selection

__all__ = ["WAIT_S", "Backend", "Consumer", "Lab"]

WAIT_S = 20.0
"""The longest wait for something that must come."""

WAITING, DELAYED, IN_FLIGHT, DEAD = JobState.WAITING, JobState.DELAYED, JobState.IN_FLIGHT, JobState.DEAD


@dataclass
class Backend:
    """A place for jobs that holds nothing yet. Each backend's file ``backend_<name>.py`` makes them."""

    make: Callable[[], Broker]
    """Make a broker on that place, not opened yet; each call makes another one, as another engine would."""
    pass_time: Callable[[int], None]
    """Let so many ms pass: move a clock, or wait for that long."""
    now_ms: Callable[[], int]
    """What the brokers take for the time."""
    quiet_s: float
    """After so long without a delivery, none is to be expected; 0 where everything happens at once."""
    restarts: bool = True
    """What one broker has stored, the next one finds."""
    step_ms: int = 400
    """A time that is long enough to be told from no time: short for those that really wait."""


class Consumer:
    """A sink that keeps what it gets."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._came: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._expired: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.batches: list[int] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        assert deliveries, "an empty batch"
        self.batches.append(len(deliveries))
        for delivery in deliveries:
            self._came.put(delivery)

    def expired(self, delivery: Delivery) -> None:
        self._expired.put(delivery)

    def next(self) -> Delivery:
        return self._came.get(timeout=WAIT_S)

    def take(self, count: int) -> list[Delivery]:
        return [self.next() for _ in range(count)]

    def next_expired(self) -> Delivery:
        return self._expired.get(timeout=WAIT_S)

    def nothing(self) -> None:
        """Assert that no delivery is there, and that none comes soon."""
        try:
            delivery = self._came.get(timeout=self._quiet_s) if self._quiet_s else self._came.get_nowait()
        except queue.Empty:
            return
        raise AssertionError(f"delivered: {delivery.job.data!r}")


@dataclass
class Lab:
    """One open broker on a backend. Every test ends with :meth:`finish`: the books of all queues must balance."""

    backend: Backend
    broker: Broker = field(init=False)
    queues: list[str] = field(default_factory=list)
    _brokers: list[Broker] = field(default_factory=list)
    _names: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.broker = self.another()

    def another(self) -> Broker:
        """Open one more broker on the same place."""
        broker = self.backend.make()
        broker.open()
        self._brokers.append(broker)
        return broker

    def restart(self) -> None:
        """Close the broker and open another one, as the next start of the engine does."""
        self.broker.close()
        self._brokers.remove(self.broker)
        self.broker = self.another()

    def finish(self) -> None:
        try:
            for name in self.queues:
                self.balanced(name)
        finally:
            for broker in self._brokers:
                broker.close()

    # --- asking ------------------------------------------------------------------------------------------------------

    def outcome(self, operation: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
        """Carry out one operation and wait for its end; returns result and error."""
        answers: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        operation(*arguments, lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=WAIT_S)
        assert result is None or error is None
        assert answers.empty(), "done was called twice"
        return result, error

    def result(self, operation: Callable[..., None], *arguments: Any) -> Any:
        result, error = self.outcome(operation, *arguments)
        if error is not None:
            raise error
        return result

    def error(self, operation: Callable[..., None], *arguments: Any) -> Any:
        _, error = self.outcome(operation, *arguments)
        assert error is not None, "no error"
        return error

    # --- doing -------------------------------------------------------------------------------------------------------

    @property
    def abilities(self) -> Abilities:
        return self.broker.abilities

    def needs(self, *abilities: str) -> None:
        """Skip the test where the broker cannot do that, and says so."""
        for ability in abilities:
            if not getattr(self.abilities, ability):
                pytest.skip(f"the {self.broker.kind} broker has no {ability}")

    def alone(self, reason: str) -> None:
        """Skip the test where other engines may work on the same queues."""
        if self.abilities.shared:
            pytest.skip(reason)

    def queue(self, **spec: Any) -> str:
        """Declare a queue of a name of its own."""
        name = f"orders-{next(self._names)}::on/ordér@default"
        self.result(self.broker.declare, name, QueueSpec(**spec))
        self.queues.append(name)
        return name

    def job(self, queue: str, data: object = 1, **fields: Any) -> Job:
        """Make a job; ``data`` is told apart in the tests by its text."""
        given = {
            "id": str(uuid.uuid4()),
            "receipt": str(uuid.uuid4()),
            "function_id": "orders::on",
            "namespace": "default",
            "created_at_ms": self.backend.now_ms(),
        }
        return Job(queue=queue, data=str(data).encode(), **{**given, **fields})

    def put(self, queue: str, *data: object, **fields: Any) -> list[Job]:
        """Store one job after the other."""
        jobs = [self.job(queue, one, **fields) for one in data]
        for job in jobs:
            assert self.result(self.broker.put, [job]) == [Put(job.receipt, False)]
        return jobs

    def consume(self, queue: str, credit: int = 10, broker: Broker | None = None) -> Consumer:
        broker = broker or self.broker
        consumer = Consumer(self.backend.quiet_s)
        broker.consume(queue, consumer)
        if credit:
            broker.grant(queue, credit)
        return consumer

    def ack(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            assert self.result(self.broker.ack, delivery) is True

    def failure(self, message: str = "it broke", code: str = "handler_error") -> Failure:
        return Failure(code, message, self.backend.now_ms(), "line 1\nline 2")

    def retry(self, delivery: Delivery, in_ms: int = 0) -> None:
        due = self.backend.now_ms() + in_ms
        assert self.result(self.broker.retry, delivery, self.failure(), due) is True

    def bury(self, *deliveries: Delivery) -> None:
        for delivery in deliveries:
            assert self.result(self.broker.bury, delivery, self.failure()) is True

    def dead(self, queue: str, *data: object, **fields: Any) -> list[Job]:
        """Make dead letters, by a consumer that is gone afterwards."""
        jobs = self.put(queue, *data, **fields)
        consumer = self.consume(queue, len(jobs))
        for _ in jobs:
            self.bury(consumer.next())
        self.broker.cease(queue)
        return jobs

    # --- looking -----------------------------------------------------------------------------------------------------

    def counts(self, queue: str) -> Counts:
        counts: Counts = self.result(self.broker.counts, queue)
        return counts

    def balanced(self, queue: str) -> Counts:
        """Check a queue's book."""
        counts = self.counts(queue)
        parts = counts.done + counts.dead + counts.removed + counts.waiting + counts.delayed + counts.in_flight
        assert counts.enqueued == parts, counts
        return counts

    def expect(self, queue: str, **expected: int) -> None:
        """Assert some of a queue's figures; what is not named of the job states must be 0."""
        counts = self.balanced(queue)
        wanted = {"waiting": 0, "delayed": 0, "in_flight": 0, "dead": 0, **expected}
        assert {name: getattr(counts, name) for name in wanted} == wanted

    def list(self, queue: str, state: JobState, offset: int = 0, limit: int = 100) -> list[Listed]:
        return list(self.result(self.broker.list, queue, state, offset, limit))

    def remove(self, queue: str, *states: JobState, id: str | None = None) -> int:  # noqa: A002 - the protocol's word
        outcome = self.result(self.broker.remove, queue, Selection(frozenset(states), id))
        count: int = outcome.count
        return count

    def redrive(self, queue: str, id: str | None = None) -> int:  # noqa: A002 - the protocol's word
        count: int = self.result(self.broker.redrive, queue, id).count
        return count


def texts(of: Iterable[Delivery | Listed | Job]) -> list[str]:
    """Return the data of jobs."""
    return [(one if isinstance(one, Job) else one.job).data.decode() for one in of]
