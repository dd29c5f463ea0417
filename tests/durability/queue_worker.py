"""A process with a broker on a file that is given jobs and works on them until it is killed; run by the tests beside it.

For each line of its input, a JSON object (:class:`Task`), it forks one and reports on its output, a line each: ``open``,
``put <n>`` for every job that is stored (``refused <n> <error>`` if not), ``got <n> <redelivered>`` for every delivery;
``acking <n>``, ``retrying <n>`` or ``burying <n>`` before it is answered, and ``acked <n>``, ``retried <n>`` or
``buried <n>`` after that (``failed <n> <error>`` if it is not known to be written); then ``counts <JSON>``, ``closed``
and, when it is dead, ``end``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import SystemClock
from tests.durability.storage_writer import WAIT_S, limit_files, say, serve

QUEUES = ("__fn_queue::plain", "__fn_queue::ordered", "topic::f@default")
CREDIT = 16


class QueueTask(NamedTuple):
    path: str
    durability: str
    first: int
    """The number of the first job."""
    count: int
    """How many jobs."""
    in_flight: int
    consume: bool = True
    file_bytes: int | None = None
    """No file may grow beyond this size until a job has been refused."""


def job(number: int) -> Job:
    """Return a job; every number has its own, from a few octets to several pages."""
    return Job(
        id=f"id {number}",
        receipt=f"receipt {number}",
        queue=QUEUES[number % len(QUEUES)],
        function_id="worker::work",
        namespace="default",
        data=b'{"n":%d,"pad":"%b"}' % (number, b"x" * (number * 7919 % 9000 if number % 5 == 0 else 30)),
        created_at_ms=number,
        group=f"group {number % 4}",
        idempotency_key=f"key {number}" if number % 3 == 0 else None,
    )


def number_of(worked: Job) -> int:
    return int(worked.id.removeprefix("id "))


class Worker:
    """Acknowledges most jobs; fails some once, some for good."""

    def __init__(self, broker: LocalBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            worked = delivery.job
            number = number_of(worked)
            assert worked.data == job(number).data
            say(f"got {number} {delivery.redelivered}")
            if number % 7 == 0 and not worked.attempts:
                say(f"retrying {number}")
                self._broker.retry(delivery, self._failure(number), 0, self._done("retried", number))
            elif number % 11 == 0:
                say(f"burying {number}")
                self._broker.bury(delivery, self._failure(number), self._done("buried", number))
            else:
                say(f"acking {number}")
                self._broker.ack(delivery, self._done("acked", number))
            self._broker.grant(self._queue, 1)

    def expired(self, delivery: Delivery) -> None:
        raise AssertionError("there is no visibility time")

    @staticmethod
    def _failure(number: int) -> Failure:
        return Failure("failed", f"number {number}", number)

    @staticmethod
    def _done(what: str, number: int) -> Any:
        return lambda well, error: say(f"{what} {number}" if error is None and well else f"failed {number} {error}")


def work(task: QueueTask) -> None:
    if task.file_bytes is not None:
        limit_files(task.file_bytes)
    clock = SystemClock()
    broker = LocalBroker(
        SqliteJournal(task.path, clock, durability=task.durability, save_interval_ms=100),  # type: ignore[arg-type]
        clock,
    )
    broker.open()
    say("open")
    for queue in QUEUES:
        spec = QueueSpec(ordered="ordered" in queue, idempotency_ms=3_600_000)
        waited(lambda done, queue=queue, spec=spec: broker.declare(queue, spec, done))
        if task.consume:
            broker.consume(queue, Worker(broker, queue))
            broker.grant(queue, CREDIT)
    room = threading.Semaphore(task.in_flight)

    def done_of(number: int) -> Any:
        def done(puts: Any, error: Any) -> None:
            if error is not None:
                limit_files(None)
            say(f"put {number}" if error is None else f"refused {number} {error}")
            room.release()

        return done

    for number in range(task.first, task.first + task.count):
        assert room.acquire(timeout=WAIT_S)
        broker.put([job(number)], done_of(number))
    for _ in range(task.in_flight):
        assert room.acquire(timeout=WAIT_S)
    if task.consume:
        idle(broker)
    counts = {queue: waited(lambda done, queue=queue: broker.counts(queue, done)) for queue in QUEUES}
    say(f"counts {msgspec.json.encode(counts).decode()}")
    broker.close()
    clock.stop()
    say("closed")


def waited(operation: Any) -> Any:
    came: list[Any] = []
    there = threading.Event()

    def done(result: Any, error: Any) -> None:
        came.append(error or result)
        there.set()

    operation(done)
    assert there.wait(WAIT_S)
    return came[0]


def idle(broker: LocalBroker) -> None:
    """Wait until nothing waits and nothing is in flight."""
    deadline = threading.Event()
    timer = threading.Timer(WAIT_S, deadline.set)
    timer.start()
    pause = threading.Event()
    for queue in QUEUES:
        while (counts := waited(lambda done, queue=queue: broker.counts(queue, done))).waiting or counts.in_flight:
            assert not deadline.is_set(), counts
            pause.wait(0.01)
    timer.cancel()


def main() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    serve(work, QueueTask)


if __name__ == "__main__":
    main()
