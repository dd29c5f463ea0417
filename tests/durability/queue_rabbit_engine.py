"""A process with a broker in RabbitMQ that stores jobs and works on them until it is killed; run by the test beside it.

It takes and says what the one for Redis does.
"""

from __future__ import annotations

import threading
from typing import Any

from iii_actors.brokers.job import Job, QueueSpec
from iii_actors.brokers.rabbit_broker import RabbitBroker
from iii_actors.clock import SystemClock
from iii_actors.config.queue import QueueRabbitSettings
from tests.durability.queue_redis_engine import CREDIT, QUEUES, EngineTask, Worker
from tests.durability.storage_writer import WAIT_S, say, serve


def work(task: EngineTask) -> None:
    clock = SystemClock()
    broker = RabbitBroker(QueueRabbitSettings(amqp_url=task.url), clock)
    broker.open()
    say("open")
    for queue in QUEUES:
        broker.declare(queue, QueueSpec(ordered="ordered" in queue), lambda *_: None)
        broker.consume(queue, Worker(broker, queue))  # type: ignore[arg-type]
        broker.grant(queue, CREDIT)
    room = threading.Semaphore(task.in_flight)

    def done_of(number: int) -> Any:
        def done(_: Any, error: Any) -> None:
            say(f"put {number}" if error is None else f"refused {number} {error}")
            room.release()

        return done

    for number in range(task.first, task.first + task.count):
        assert room.acquire(timeout=WAIT_S)
        job = Job(
            id=f"id {number}",
            receipt=str(number),
            queue=QUEUES[number % 2],
            function_id="f",
            namespace="default",
            data=b"x" * (number % 50),
            created_at_ms=1,
            group=f"group {number % 4}",
        )
        broker.put([job], done_of(number))
    for _ in range(task.in_flight):
        assert room.acquire(timeout=WAIT_S)
    broker.close()
    clock.stop()
    say("closed")


if __name__ == "__main__":
    serve(work, EngineTask)
