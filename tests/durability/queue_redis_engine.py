"""A process with a broker in Redis that stores jobs and works on them until it is killed; run by the tests beside it.

For each line of its input, a JSON object (:class:`EngineTask`), it forks one and reports on its output, a line each:
``pid <pid>``, ``open``, ``put <n>`` for every job that was stored, ``got <n> <redelivered>`` for every delivery,
``acking <n>`` and ``acked <n>`` before and after it is acknowledged, ``closed`` and, when it is dead, ``end``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.job import Job, QueueSpec
from iii_actors.brokers.redis_broker import RedisBroker
from iii_actors.clock import SystemClock
from tests.durability.storage_writer import WAIT_S, say, serve

QUEUES = ("__fn_queue::plain", "__fn_queue::ordered")
CREDIT = 16
LEASE_MS = 300


class EngineTask(NamedTuple):
    url: str
    first: int
    """The number of the first job."""
    count: int
    in_flight: int


class Worker:
    """Acknowledges what it gets, a little later, on another thread."""

    def __init__(self, broker: RedisBroker, queue: str) -> None:
        self._broker = broker
        self._queue = queue

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            say(f"got {delivery.job.receipt} {delivery.redelivered}")
        threading.Thread(target=self._work, args=(deliveries,), daemon=True).start()

    def _work(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            number = delivery.job.receipt
            say(f"acking {number}")

            def acked(ended: bool | None, error: Any, number: str = number) -> None:
                say(f"acked {number}" if ended else f"late {number}" if error is None else f"failed {number} {error}")

            self._broker.ack(delivery, acked)
            self._broker.grant(self._queue, 1)

    def expired(self, delivery: Delivery) -> None:
        raise AssertionError("there is no visibility time")


def work(task: EngineTask) -> None:
    clock = SystemClock()
    broker = RedisBroker(task.url, clock, LEASE_MS)
    broker.open()
    say("open")
    for queue in QUEUES:
        declared = threading.Event()
        broker.declare(queue, QueueSpec(ordered="ordered" in queue), lambda *_, declared=declared: declared.set())
        assert declared.wait(WAIT_S)
        broker.consume(queue, Worker(broker, queue))
        broker.grant(queue, CREDIT)
    room = threading.Semaphore(task.in_flight)

    def done_of(number: int) -> Any:
        def done(_: Any, error: Any) -> None:
            say(f"put {number}" if error is None else f"refused {number} {error}")
            room.release()

        return done

    for number in range(task.first, task.first + task.count):
        assert room.acquire(timeout=WAIT_S)
        queue = QUEUES[number % 2]
        broker.put(
            [
                Job(
                    id=f"id {number}",
                    receipt=str(number),
                    queue=queue,
                    function_id="f",
                    namespace="default",
                    data=b"x" * (number % 50),
                    created_at_ms=1,
                    group=f"group {number % 4}",
                )
            ],
            done_of(number),
        )
    for _ in range(task.in_flight):
        assert room.acquire(timeout=WAIT_S)
    broker.close()
    clock.stop()
    say("closed")


if __name__ == "__main__":
    serve(work, EngineTask)
