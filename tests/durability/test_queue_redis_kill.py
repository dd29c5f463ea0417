"""`kill -9` of engines that share queues in Redis: no job is lost, and only what was in flight is done again."""

import os
import random
import signal
import threading
from contextlib import closing

from iii_actors.brokers.redis_broker import RedisBroker
from iii_actors.clock import SystemClock
from tests.brokers.redis_lab import WAIT_S, result
from tests.durability.queue_redis_engine import LEASE_MS, QUEUES, EngineTask
from tests.durability.storage_process import writer
from tests.support.redis import redis_server

IN_FLIGHT = 32
ROUNDS = 50
MODULE = "tests.durability.queue_redis_engine"


class Book:
    """What was said of the jobs, over all rounds."""

    def __init__(self):
        self.put, self.acked, self.got = set(), set(), set()

    def enter(self, lines):
        """Take down what one engine has said; another one may be saying things at the same time."""
        for line in lines:
            word, _, rest = line.partition(" ")
            number, _, redelivered = rest.partition(" ")
            if word == "got":
                assert number not in self.acked, "delivered though it was done"
                assert redelivered == "True" or number not in self.got, "delivered twice without saying so"
                self.got.add(number)
            elif word in ("put", "acked"):
                getattr(self, word).add(number)
            else:
                assert word in ("open", "acking", "closed"), line


class Rest:
    """Works off what is left."""

    def __init__(self, broker, queue, book, done):
        self._broker, self._queue, self._book, self._done = broker, queue, book, done

    def deliver(self, deliveries):
        for delivery in deliveries:
            self._book.enter([f"got {delivery.job.receipt} {delivery.redelivered}"])
            self._broker.ack(delivery, lambda *_: self._done.release())
            self._broker.grant(self._queue, 1)

    def expired(self, delivery):
        raise AssertionError


def work_off(url, book):
    """Do all that is left, as one more engine; returns the queues' books."""
    clock = SystemClock()
    broker = RedisBroker(url, clock, LEASE_MS)
    broker.open()
    counts = []
    with closing(broker):
        for queue in QUEUES:
            found = result(broker.counts, queue)
            left = found.waiting + found.in_flight + found.delayed
            done = threading.Semaphore(0)
            broker.consume(queue, Rest(broker, queue, book, done))
            broker.grant(queue, 100)
            for _ in range(left):
                assert done.acquire(timeout=WAIT_S), result(broker.counts, queue)
            counts.append(result(broker.counts, queue))
    clock.stop()
    return counts


def test_what_was_stored_is_done_whoever_is_killed():
    chance = random.Random(7)
    book = Book()
    with redis_server() as server, writer(module=MODULE) as process:
        for number in range(ROUNDS):
            pid = process.start(EngineTask(server.url, number * 100_000, 100_000, IN_FLIGHT))
            lines = [process.line() for _ in range(0 if number % 10 == 5 else chance.randrange(1, 400))]
            os.kill(pid, signal.SIGKILL)
            lines += process.rest()
            book.enter(lines)
        counts = work_off(server.url, book)
    assert len(book.put) > ROUNDS
    assert not book.put - book.got, "lost"
    for found in counts:
        assert found.enqueued == found.done
    assert sum(found.enqueued for found in counts) >= len(book.put)
    assert sum(found.enqueued for found in counts) <= len(book.put) + ROUNDS * IN_FLIGHT


def test_two_engines_of_which_one_is_killed():
    book = Book()
    with redis_server() as server, writer(module=MODULE) as doomed, writer(module=MODULE) as other:
        pid = doomed.start(EngineTask(server.url, 0, 100_000, IN_FLIGHT))
        other.start(EngineTask(server.url, 1_000_000, 1_500, IN_FLIGHT))
        lines = [doomed.line() for _ in range(1_000)]
        os.kill(pid, signal.SIGKILL)
        lines += doomed.rest()
        survivor = list(other.rest())
        assert survivor[-1] == "closed"
        for line in (*lines, *survivor):
            word, _, rest = line.partition(" ")
            if word == "put":
                book.put.add(rest)
            elif word == "got":
                number, _, redelivered = rest.partition(" ")
                assert redelivered == "True" or number not in book.got, "delivered twice without saying so"
                book.got.add(number)
        book.acked = {line.partition(" ")[2] for line in (*lines, *survivor) if line.startswith("acked")}
        counts = work_off(server.url, book)
    assert not book.put - book.got, "lost"
    assert all(found.enqueued == found.done for found in counts)
