"""`kill -9` of engines that share queues in RabbitMQ: no job is lost, and few are done again.

An acknowledgement is the last that RabbitMQ hears of a job, and nobody hears that it has: one that was just given when the
engine was killed may not have arrived, and its job is delivered again, marked as such.
"""

import os
import queue
import random
import signal

import pytest

from iii_actors.brokers.job import QueueSpec
from iii_actors.clock import SystemClock
from tests.brokers.rabbit.rig import Node
from tests.durability.queue_redis_engine import QUEUES, EngineTask
from tests.durability.storage_process import writer

IN_FLIGHT = 32
ROUNDS = int(os.environ.get("III_ACTORS_KILL_ROUNDS") or 50)
WAIT_S = 30.0


@pytest.fixture
def node():
    clock = SystemClock()
    with Node(clock) as made:
        made.keys.update(QUEUES)
        yield made
    clock.stop()


class Rest:
    """Works off what is left."""

    def __init__(self, broker, key):
        self._broker, self._key = broker, key
        self.came = queue.SimpleQueue()

    def deliver(self, deliveries):
        for delivery in deliveries:
            self.came.put(delivery)
            self._broker.ack(delivery)
            self._broker.grant(self._key, 1)

    def expired(self, delivery):
        raise AssertionError


def ask(operation, *arguments):
    answers = queue.SimpleQueue()
    operation(*arguments, lambda *answer: answers.put(answer))
    result, error = answers.get(timeout=WAIT_S)
    assert error is None, error
    return result


def test_what_was_stored_is_done_whoever_is_killed(node):
    chance = random.Random(7)
    put, acked, got = set(), set(), set()
    again = 0
    with writer(module="tests.durability.queue_rabbit_engine") as process:
        for number in range(ROUNDS):
            pid = process.start(EngineTask(node.url, number * 100_000, 100_000, IN_FLIGHT))
            lines = [process.line() for _ in range(0 if number % 10 == 5 else chance.randrange(1, 400))]
            os.kill(pid, signal.SIGKILL)
            lines += process.rest()
            for line in lines:
                word, _, rest = line.partition(" ")
                who, _, redelivered = rest.partition(" ")
                if word == "got":
                    assert redelivered == "True" or who not in got, "delivered twice without saying so"
                    again += who in acked
                    got.add(who)
                elif word in ("put", "acked"):
                    (put if word == "put" else acked).add(who)
                else:
                    assert word in ("open", "acking"), line
    broker = node.broker()
    broker.open()
    for key in QUEUES:
        ask(broker.declare, key, QueueSpec(ordered="ordered" in key))
        rest = Rest(broker, key)
        broker.consume(key, rest)
        broker.grant(key, 100)
        while (counts := ask(broker.counts, key)).waiting or counts.in_flight or not rest.came.empty():
            while not rest.came.empty():
                delivery = rest.came.get()
                again += delivery.job.receipt in acked
                got.add(delivery.job.receipt)
    assert len(put) > ROUNDS
    assert not put - got, "lost"
    assert again <= ROUNDS * 2 * IN_FLIGHT
