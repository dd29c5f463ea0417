"""An empty place in the session's RabbitMQ: what a test has made there is dropped at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pika

from iii_actors.brokers.rabbit_broker import RabbitBroker
from iii_actors.brokers.rabbit_names import pause_mark, topology
from iii_actors.clock import Clock
from iii_actors.config.queue import QueueRabbitSettings
from tests.brokers.contract.lab import WAIT_S, Backend
from tests.support.rabbitmq import shared_rabbitmq

__all__ = ["Node", "by_hand", "eventually", "message"]


class Node:
    """Makes brokers on the session's RabbitMQ, and drops at the end what they have declared there."""

    def __init__(self, clock: Clock) -> None:
        self.server = shared_rabbitmq()
        self.clock = clock
        self.url = self.server.url
        self._brokers: list[RabbitBroker] = []
        self.keys: set[str] = set()
        self.entities: list[str] = []
        """Names of other queues and exchanges that a test has made."""

    def broker(self, **settings: object) -> RabbitBroker:
        node = self

        class Noted(RabbitBroker):
            def declare(self, queue, spec, done):
                super().declare(queue, spec, done)
                node.keys.update(self._known)

        made = Noted(QueueRabbitSettings(**{"amqp_url": self.url, **settings}), self.clock)
        self._brokers.append(made)
        return made

    def backend(self) -> Backend:
        return Backend(
            make=self.broker,
            pass_time=lambda ms: threading.Event().wait(ms / 1000) and None,
            now_ms=lambda: int(self.clock.now() * 1000),
            quiet_s=0.05,
            # Figures begin anew with each engine, and queues are known when they are declared.
            restarts=False,
            step_ms=150,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in self._brokers:
            broker.close()
        with by_hand(self) as channel:
            for key in self.keys:
                place = topology(key)
                if place is not None:
                    for queue in filter(None, (place.main, place.dead, place.retry, pause_mark(key))):
                        channel.queue_delete(queue)
                    for exchange in filter(None, (place.exchange, place.dead_exchange, place.retry_exchange)):
                        channel.exchange_delete(exchange)
            for name in self.entities:
                channel.queue_delete(name)
                channel.exchange_delete(name)


@contextmanager
def by_hand(node: Node) -> Iterator[Any]:
    """A channel of the test's own, with confirms: a publication that is not routed or stored raises."""
    with node.server.connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def eventually(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    waiting, pause = WAIT_S, threading.Event()
    while not true():
        assert waiting > 0, "it never came to be"
        pause.wait(0.01)
        waiting -= 0.01


def message(body: bytes, **properties: object) -> tuple[bytes, pika.BasicProperties]:
    """A message as another program makes it."""
    return body, pika.BasicProperties(content_type="application/json", delivery_mode=2, **properties)
