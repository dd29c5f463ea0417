"""An engine with ``iii-queue`` on a clock that the test moves, its workers, and the book that must always balance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any

from websockets.exceptions import ConnectionClosed

import iii_actors
from iii_actors.builtin.queue import Queue
from iii_actors.clock import ManualClock
from tests.support.asking import bind
from tests.support.peer import WAIT_S, Frame, Peer, peers

_numbers = count()


class QueueSite:
    """An engine, and workers connected to it; with ``clock=None`` time goes on by itself."""

    def __init__(
        self, config: dict[str, Any] | None = None, clock: ManualClock | None = None, reader: str = "shared"
    ) -> None:
        self._stack = ExitStack()
        listener = {"name": "iii-worker-manager", "config": {"port": 0, "reader": reader}}
        workers = [listener, {"name": "iii-queue", "config": config}]
        self.clock = clock
        options: dict[str, Any] = {} if clock is None else {"clock": clock}
        self.engine = self._stack.enter_context(iii_actors.Engine(iii_actors.EngineConfig(workers=workers), **options))
        self.join: Callable[..., Peer] = self._stack.enter_context(peers(self.engine.url))
        self.operator = self.join()

    def close(self) -> None:
        with suppress(ConnectionClosed):  # an engine that was stopped has closed its workers' sockets
            self._stack.close()

    @property
    def running(self) -> bool:
        return self.engine._state == "running"

    @property
    def worker(self) -> Queue:
        return next(one for one in self.engine._builtins if isinstance(one, Queue))

    def ask(self, name: str, data: Any = None, **members: Any) -> Any:
        """Call one of the queue's functions, by the part of its id after ``engine::queue::`` or in full."""
        function_id = name if name.startswith("iii::") else f"engine::queue::{name}"
        return self.operator.call(function_id, data, **members)

    # --- producing ---------------------------------------------------------------------------------------------------

    def enqueue(
        self, function_id: str, data: Any = None, queue: str = "default", namespace: str | None = None, **extras: Any
    ) -> str:
        """Enqueue through the action, and return the receipt."""
        members = {} if namespace is None else {"namespace": namespace}
        action = {"type": "enqueue", "queue": queue, **extras}
        receipt: str = self.operator.call(function_id, data, action=action, **members)["messageReceiptId"]
        return receipt

    def publish(self, topic: str, data: Any = None, **extras: Any) -> None:
        assert self.ask("iii::durable::publish", {"topic": topic, "data": data, **extras}) is None

    # --- consuming ---------------------------------------------------------------------------------------------------

    def subscriber(self, topic: str, function_id: str = "on", trigger_id: str | None = None, **config: Any) -> Peer:
        """A worker of its own that has subscribed; its calls are frames to expect."""
        peer = self.join()
        subscribe(peer, topic, function_id, trigger_id, **config)
        return peer

    # --- the book ----------------------------------------------------------------------------------------------------

    def books(self, name: str | None = None) -> list[Frame]:
        found: list[Frame] = self.ask("stats", {} if name is None else {"queue": name})["queues"]
        return found

    def book(self, name: str) -> Frame:
        """The sums over all queues of a name."""
        rows = self.books(name)
        keys = ("enqueued", "done", "dead", "removed", "waiting", "delayed", "in_flight", "retried", "redriven")
        return {key: sum(row[key] for row in rows) for key in keys}

    def until(self, name: str, **wanted: int) -> Frame:
        """Wait until a name's book says so, and return it."""
        book: Frame = {}

        def said() -> bool:
            nonlocal book
            book = self.book(name)
            return wanted.items() <= book.items()

        until(said, lambda: f"{name}: {book}, not {wanted}")
        return book

    def balanced(self) -> None:
        """The equation holds for every queue whose broker counts exactly."""
        for row in self.books():
            if not row["exact"]:
                continue
            held = sum(row[key] for key in ("done", "dead", "removed", "waiting", "delayed", "in_flight"))
            assert row["enqueued"] == held, row
            assert row["balanced"], row


def until(condition: Callable[[], bool], problem: Callable[[], str]) -> None:
    """Ask again and again, for as long as tests wait for anything; what is asked takes its time by itself."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, problem()


def subscribe(peer: Peer, topic: str, function_id: str = "on", trigger_id: str | None = None, **config: Any) -> str:
    """Register a function and bind it; returns the trigger's id."""
    peer.register(function_id)
    trigger_id = trigger_id or f"subscription-{next(_numbers)}"
    bind(peer, trigger_id, "durable:subscriber", function_id, config={"topic": topic, **config})
    return trigger_id


@contextmanager
def queue_sites() -> Iterator[Callable[..., QueueSite]]:
    """Give a maker of engines; each must balance in the end, and is closed."""
    made: list[QueueSite] = []

    def make(config: dict[str, Any] | None = None, clock: ManualClock | None = None, **options: Any) -> QueueSite:
        site = QueueSite(config, clock, **options)
        made.append(site)
        return site

    try:
        yield make
        for site in made:
            if site.running:
                site.balanced()
    finally:
        for site in made:
            site.close()


def call_of(peer: Peer, function_id: str = "on") -> Frame:
    """The next call of a function."""
    return peer.expect(type="invokefunction", function_id=function_id)


def fail(peer: Peer, frame: Frame, code: str = "boom", message: str = "no") -> None:
    peer.answer(frame, error={"code": code, "message": message})
