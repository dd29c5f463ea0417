"""Brokers on one real Redis, each behind a network of its own that can fail."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.job import Counts, Failure, Job, QueueSpec
from iii_actors.brokers.redis_broker import RedisBroker
from iii_actors.clock import SystemClock
from tests.support.redis import RedisServer
from tests.support.tcp_proxy import Proxy

__all__ = [
    "QUEUE",
    "WAIT_S",
    "Answers",
    "Keeper",
    "RedisLab",
    "consume",
    "counts",
    "declare",
    "engine_at",
    "failure",
    "job",
    "redis_lab",
    "result",
    "until",
]

WAIT_S = 20.0
QUEUE = "__fn_queue::orders"


class Answers(queue.SimpleQueue[tuple[Any, Any]]):
    """A ``done`` that keeps what it is told."""

    def __call__(self, result: Any, error: Any) -> None:
        self.put((result, error))

    def one(self) -> tuple[Any, Any]:
        return self.get(timeout=WAIT_S)


def result(operation: Callable[..., None], *arguments: Any) -> Any:
    answers = Answers()
    operation(*arguments, answers)
    found, error = answers.one()
    if error is not None:
        raise error
    return found


def until(holds: Callable[[], object]) -> None:
    """Wait for something that no event tells of."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


class Keeper:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.late: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.then: Callable[[], None] = lambda: None
        """Called when a delivery has expired."""

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.came.put(delivery)

    def expired(self, delivery: Delivery) -> None:
        self.then()
        self.late.put(delivery)

    def next(self) -> Delivery:
        return self.came.get(timeout=WAIT_S)


class RedisLab:
    """A server, and engines on it."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.clock = SystemClock()
        self._brokers: list[RedisBroker] = []
        self._proxies: list[Proxy] = []

    def engine(self, lease_s: float = 30.0) -> tuple[RedisBroker, Proxy]:
        """Open a broker behind a network of its own."""
        network = Proxy(self.server.port)
        self._proxies.append(network)
        broker = engine_at(f"redis://127.0.0.1:{network.port}", self.clock, lease_s)
        self._brokers.append(broker)
        return broker, network

    def close(self) -> None:
        for broker in self._brokers:
            broker.close()
        for network in self._proxies:
            network.close()
        self.clock.stop()


def engine_at(url: str, clock: SystemClock, lease_s: float) -> RedisBroker:
    broker = RedisBroker(url, clock, int(lease_s * 1000))
    broker.open()
    return broker


@contextmanager
def redis_lab(server: RedisServer) -> Iterator[RedisLab]:
    """Give a lab on a server that holds nothing; one that a test has killed is started again."""
    try:
        with server.client() as client:
            client.flushall()
    except redis.ConnectionError:
        server.start()
    lab = RedisLab(server)
    try:
        yield lab
    finally:
        lab.close()


def job(data: object = 1, name: str = QUEUE, **fields: Any) -> Job:
    given: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "receipt": str(uuid.uuid4()),
        "function_id": "orders::on",
        "namespace": "default",
        "created_at_ms": int(time.time() * 1000),
    }
    return Job(queue=name, data=str(data).encode(), **{**given, **fields})


def declare(broker: RedisBroker, name: str = QUEUE, **spec: Any) -> None:
    result(broker.declare, name, QueueSpec(**spec))


def consume(broker: RedisBroker, credit: int = 10, name: str = QUEUE) -> Keeper:
    keeper = Keeper()
    broker.consume(name, keeper)
    broker.grant(name, credit)
    return keeper


def counts(broker: RedisBroker, name: str = QUEUE) -> Counts:
    """Count, and see that the book balances."""
    found: Counts = result(broker.counts, name)
    parts = found.done + found.dead + found.removed + found.waiting + found.delayed + found.in_flight
    assert found.enqueued == parts, found
    return found


def failure(message: str = "it broke") -> Failure:
    return Failure("handler_error", message, int(time.time() * 1000))
