"""Several engines on the same queues."""

from __future__ import annotations

import pytest

from iii_actors.brokers.job import QueueSpec
from tests.brokers.contract.lab import texts


@pytest.fixture
def pair(lab):
    """Two brokers on one place: a queue, declared with both."""
    if not lab.abilities.shared:
        pytest.skip("the queues of this broker are one engine's own")
    name = lab.queue()
    other = lab.another()
    lab.result(other.declare, name, QueueSpec())
    return name, other


def test_each_job_goes_to_one_of_them(lab, pair):
    name, other = pair
    here, there = lab.consume(name, 20), lab.consume(name, 20, other)
    lab.put(name, *range(30))
    seen = []
    while len(seen) < 30:
        for consumer, broker in ((here, lab.broker), (there, other)):
            while not consumer._came.empty():
                delivery = consumer.next()
                seen += texts([delivery])
                assert lab.result(broker.ack, delivery) is True
                broker.grant(name, 1)
    assert sorted(seen, key=int) == [str(n) for n in range(30)]
    here.nothing()
    there.nothing()
    lab.expect(name, enqueued=30, done=30)


def test_what_one_stores_the_other_gets_at_once(lab, pair):
    name, other = pair
    there = lab.consume(name, 5, other)
    there.nothing()
    lab.put(name, 1)
    delivery = there.next()
    assert texts([delivery]) == ["1"]
    assert lab.result(other.ack, delivery) is True
    lab.expect(name, enqueued=1, done=1)


def test_a_pause_holds_for_both(lab, pair):
    name, other = pair
    there = lab.consume(name, 5, other)
    lab.result(lab.broker.pause, name, True)
    lab.put(name, 1)
    there.nothing()
    assert lab.result(other.counts, name).paused is True
    lab.result(lab.broker.pause, name, False)
    assert texts([there.next()]) == ["1"]


def test_what_a_closed_one_held_goes_to_the_other(lab, pair):
    name, other = pair
    there = lab.consume(name, 1, other)
    lab.put(name, 1)
    there.next()
    here = lab.consume(name, 5)
    here.nothing()
    other.close()
    lab._brokers.remove(other)
    delivery = here.next()
    assert texts([delivery]) == ["1"]
    assert delivery.redelivered is True
    lab.ack(delivery)
    lab.expect(name, enqueued=1, done=1)
