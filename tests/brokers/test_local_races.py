"""Producers, workers and an operator, all at the same time, with real threads and real time."""

from __future__ import annotations

import queue
import random
import threading
from collections import Counter, defaultdict

import pytest

from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.memory import MemoryJournal
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import SystemClock

WAIT_S = 60
PRODUCERS, WORKERS, EACH = 3, 3, 120
CREDIT = 16


class Crowd:
    """Workers that take what is delivered, and end each delivery in one of the four ways."""

    def __init__(self, broker: LocalBroker) -> None:
        self.broker = broker
        self.work: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.under_way: set[str] = set()
        self.groups_under_way: set[str | None] = set()
        self.ended: Counter[str] = Counter()
        self.order: dict[str | None, list[int]] = defaultdict(list)
        self.wrong: list[str] = []
        self.finished = threading.Event()

    def deliver(self, deliveries):
        for delivery in deliveries:
            self.work.put(delivery)

    def expired(self, delivery):
        self.wrong.append(f"expired: {delivery}")

    def labour(self, seed: int, ordered: bool) -> None:
        choice = random.Random(seed)
        while (delivery := self.work.get()) is not None:
            job = delivery.job
            with self.lock:
                if job.id in self.under_way or (ordered and job.group in self.groups_under_way):
                    self.wrong.append(f"twice at a time: {job}")
                self.under_way.add(job.id)
                self.groups_under_way.add(job.group)
            fate = choice.random()
            with self.lock:
                self.under_way.discard(job.id)
                self.groups_under_way.discard(job.group)
                if fate < 0.8:
                    self.ended[job.id] += 1
                    self.order[job.group].append(int(job.data))
            if fate < 0.7:
                self.broker.ack(delivery)
            elif fate < 0.8:
                self.broker.bury(delivery, Failure("boom", "no", 1))
            elif fate < 0.9:
                self.broker.retry(delivery, Failure("boom", "no", 1), 0)
            else:
                self.broker.release(delivery)
            self.broker.grant("q", 1)
            if sum(self.ended.values()) == PRODUCERS * EACH:
                self.finished.set()


def answer(operation, *arguments):
    came: queue.SimpleQueue[tuple[object, object]] = queue.SimpleQueue()
    operation(*arguments, lambda result, error: came.put((result, error)))
    result, error = came.get(timeout=WAIT_S)
    assert error is None, error
    return result


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_every_job_ends_once(tmp_path, kind, ordered):
    clock = SystemClock()
    journal = MemoryJournal() if kind == "memory" else SqliteJournal(tmp_path / "q", clock, durability="process")
    broker = LocalBroker(journal, clock)
    broker.open()
    answer(broker.declare, "q", QueueSpec(ordered=ordered))
    crowd = Crowd(broker)
    broker.consume("q", crowd)
    broker.grant("q", CREDIT)

    def produce(start: int) -> None:
        for n in range(start, start + EACH):
            job = Job(
                id=f"id-{n}",
                receipt=f"receipt-{n}",
                queue="q",
                function_id="f",
                namespace="default",
                data=b"%d" % n,
                created_at_ms=1,
                group=f"{start}-{n % 4}",
            )
            answer(broker.put, [job])

    threads = [threading.Thread(target=produce, args=(1_000 * n,)) for n in range(PRODUCERS)]
    threads += [threading.Thread(target=crowd.labour, args=(n, ordered)) for n in range(WORKERS)]
    for thread in threads:
        thread.start()
    paused = False
    while not crowd.finished.wait(0.01):
        paused = not paused
        answer(broker.pause, "q", paused)
        counts = answer(broker.counts, "q")
        parts = counts.done + counts.dead + counts.waiting + counts.delayed + counts.in_flight
        assert counts.enqueued == parts
        assert counts.in_flight <= CREDIT + WORKERS
    for _ in range(WORKERS):
        crowd.work.put(None)
    for thread in threads:
        thread.join(WAIT_S)
    counts = answer(broker.counts, "q")
    broker.close()
    clock.stop()
    assert not crowd.wrong
    assert set(crowd.ended.values()) == {1}
    assert len(crowd.ended) == counts.enqueued == PRODUCERS * EACH
    assert counts.done + counts.dead == counts.enqueued
    if ordered:
        assert all(numbers == sorted(numbers) for numbers in crowd.order.values())
