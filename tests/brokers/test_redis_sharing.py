"""Several engines on one Redis: who gets what, and who takes over from whom."""

import threading
import time
from collections import Counter

import pytest

from iii_actors.brokers.job import JobState, Selection
from tests.brokers.redis_lab import (
    QUEUE,
    WAIT_S,
    Answers,
    Keeper,
    consume,
    counts,
    declare,
    failure,
    job,
    redis_lab,
    result,
    until,
)
from tests.support.redis import redis_server

LEASE_S = 0.3


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def lab(server):
    with redis_lab(server) as made:
        yield made


@pytest.fixture
def pair(lab):
    """Two engines with long leases, both with the queue."""
    one, _ = lab.engine()
    two, _ = lab.engine()
    for broker in (one, two):
        declare(broker)
    return one, two


class Worker(Keeper):
    """Acknowledges what it gets, and writes down what it was."""

    def __init__(self, broker, seen, enough):
        super().__init__()
        self.broker = broker
        self.count = 0
        self._seen = seen
        self._enough = enough

    def deliver(self, deliveries):
        for delivery in deliveries:
            self.count += 1
            self._seen.append((delivery.job.group, int(delivery.job.data)))
            self.broker.ack(delivery, lambda ended, error: self._enough.release() if ended else None)
        self.broker.grant(QUEUE, len(deliveries))


def worked_off(brokers, count, credit):
    """Let every broker have a worker until so many jobs are done; returns what they saw and who did how many."""
    seen, enough = [], threading.Semaphore(0)
    workers = [Worker(broker, seen, enough) for broker in brokers]
    for worker in workers:
        worker.broker.consume(QUEUE, worker)
        worker.broker.grant(QUEUE, credit)
    for _ in range(count):
        assert enough.acquire(timeout=WAIT_S)
    return seen, [worker.count for worker in workers]


# --- while all live ----------------------------------------------------------------------------------------------------


def test_racing_engines_do_no_job_twice_and_both_do_some(pair):
    one, two = pair
    result(one.put, [job(n) for n in range(600)])
    seen, shares = worked_off(pair, 600, 5)
    assert Counter(seen) == Counter((None, n) for n in range(600))
    assert min(shares) > 0
    found = counts(two)
    assert (found.enqueued, found.done) == (600, 600)


def test_groups_keep_their_order_whoever_serves_them(pair):
    one, two = pair
    declare(one, ordered=True)
    result(two.put, [job(n, group=f"g{n % 7}") for n in range(350)])
    seen, shares = worked_off(pair, 350, 3)
    assert min(shares) > 0
    for group in range(7):
        assert [n for name, n in seen if name == f"g{group}"] == list(range(group, 350, 7))


def test_an_engine_that_is_full_lets_the_others_know(pair):
    one, two = pair
    full, idle = consume(one, 1), consume(two, 1)
    result(one.put, [job("a")])
    until(lambda: full.came.qsize() + idle.came.qsize() == 1)
    result(one.put, [job("b")])
    until(lambda: full.came.qsize() == idle.came.qsize() == 1)


def test_an_engine_that_wants_no_more_passes_word_on(pair):
    one, two = pair
    keeper = consume(one, 5)
    until(lambda: one._carrier_actor.lines[QUEUE].hungry)
    one.grant(QUEUE, -5)
    other = consume(two, 5)
    for n in range(4):
        result(two.put, [job(n)])
    assert [other.next().job.data for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    two.grant(QUEUE, -1)
    result(two.put, [job("waits")])
    one.grant(QUEUE, 1)
    assert keeper.next().job.data == b"waits"


def test_an_idle_engine_learns_of_what_becomes_due(lab, pair):
    producer, _ = lab.engine()
    declare(producer)
    keeper = consume(pair[0])
    until(lambda: pair[0]._carrier_actor.lines[QUEUE].hungry)
    due = int(time.time() * 1000) + 150
    result(producer.put, [job(due_at_ms=due + 60_000), job("soon", due_at_ms=due)])
    assert keeper.next().job.data == b"soon"
    assert time.time() * 1000 >= due - 1
    assert keeper.came.empty()


def test_a_job_that_one_engine_removes_is_not_the_others_any_more(pair):
    one, two = pair
    keeper = consume(two)
    mine = job()
    result(one.put, [mine])
    delivery = keeper.next()
    assert result(one.find, QUEUE, mine.receipt).state is JobState.IN_FLIGHT
    assert result(one.remove, QUEUE, Selection(frozenset({JobState.IN_FLIGHT}), mine.id)).count == 1
    assert result(two.ack, delivery) is False
    assert counts(one).removed == 1


# --- when one dies -----------------------------------------------------------------------------------------------------


def test_what_an_engine_left_goes_to_another_after_the_lease(lab):
    dead, network = lab.engine(LEASE_S)
    declare(dead)
    held = consume(dead, 2)
    result(dead.put, [job("a"), job("b"), job("c")])
    late = [held.next(), held.next()]
    started = time.monotonic()
    network.cut()
    heir, _ = lab.engine(LEASE_S)
    declare(heir)
    keeper = consume(heir, 5)
    first = keeper.next()
    assert (first.job.data, first.redelivered) == (b"c", False)
    came = [keeper.next(), keeper.next()]
    assert time.monotonic() - started > LEASE_S * 0.9
    assert [(one.job.data, one.job.attempts, one.redelivered) for one in came] == [(b"a", 0, True), (b"b", 0, True)]
    network.mend()
    answers = Answers()
    for delivery in late:
        dead.ack(delivery, answers)
    assert [answers.one(), answers.one()] == [(False, None)] * 2
    assert [result(heir.ack, one) for one in (first, *came)] == [True] * 3
    assert counts(heir).done == 3


def test_a_group_goes_on_with_the_job_that_the_dead_engine_had(lab):
    dead, network = lab.engine(LEASE_S)
    declare(dead, ordered=True)
    held = consume(dead, 5)
    result(dead.put, [job(n, group="g") for n in range(3)])
    assert held.next().job.data == b"0"
    network.cut()
    heir, _ = lab.engine(LEASE_S)
    keeper = consume(heir, 5)
    for n in range(3):
        delivery = keeper.next()
        assert delivery.job.data == str(n).encode()
        assert delivery.redelivered is (n == 0)
        assert result(heir.ack, delivery) is True
    assert counts(heir).done == 3


def test_a_lease_is_renewed_for_as_long_as_the_engine_lives(lab):
    slow, _ = lab.engine(LEASE_S)
    other, _ = lab.engine(LEASE_S)
    declare(slow)
    held = consume(slow)
    result(slow.put, [job(n) for n in range(5)])
    out = [held.next() for _ in range(5)]
    keeper = consume(other)
    assert not threading.Event().wait(LEASE_S * 3)  # nothing can be waited for: nothing is to happen
    assert keeper.came.empty()
    assert [result(slow.ack, one) for one in out] == [True] * 5


def test_more_jobs_than_one_step_renews_stay_where_they_are(lab, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.redis_tending.QUEUE_TEND_JOBS", 2)
    slow, _ = lab.engine(LEASE_S)
    other, _ = lab.engine(LEASE_S)
    declare(slow)
    held = consume(slow)
    result(slow.put, [job(n) for n in range(5)])
    out = [held.next() for _ in range(5)]
    keeper = consume(other)
    assert not threading.Event().wait(LEASE_S * 3)
    assert keeper.came.empty()
    assert [result(slow.ack, one) for one in out] == [True] * 5


def test_jobs_that_a_consumer_cannot_take_come_again(lab, caplog):
    broker, _ = lab.engine(LEASE_S)
    declare(broker)
    keeper = Keeper()

    class Clumsy(Keeper):
        def deliver(self, deliveries):
            broker.consume(QUEUE, keeper)
            broker.grant(QUEUE, 5)
            raise ValueError("dropped")

    broker.consume(QUEUE, Clumsy())
    broker.grant(QUEUE, 5)
    result(broker.put, [job()])
    assert keeper.next().redelivered is True
    assert "could not be handed over" in caplog.text


def test_nobody_is_robbed_because_redis_was_away_for_longer_than_a_lease(lab):
    brokers = [lab.engine(LEASE_S) for _ in range(2)]
    declare(brokers[0][0])
    keepers = [consume(broker, 1) for broker, _ in brokers]
    for n in range(2):
        result(brokers[0][0].put, [job(n)])
    out = [keeper.next() for keeper in keepers]
    for _, network in brokers:
        network.cut()
    for broker, _ in brokers:
        broker.put([job("refused")], lambda *_: None)
    assert not threading.Event().wait(LEASE_S * 2)  # the lease is over before Redis is back
    for _, network in brokers:
        network.mend()
    for (broker, _), delivery in zip(brokers, out, strict=True):
        until(lambda broker=broker: broker._carrier_actor._up)
        assert result(broker.ack, delivery) is True
    assert counts(brokers[0][0]).done == 2


def test_an_engine_that_closes_gives_back_at_once(pair):
    one, two = pair
    held = consume(one, 5)
    result(one.put, [job(n) for n in range(3)])
    for _ in range(3):
        held.next()
    keeper = consume(two, 5)
    one.close()
    came = [keeper.next() for _ in range(3)]
    assert [(one.job.data, one.redelivered) for one in came] == [(b"0", True), (b"1", True), (b"2", True)]


def test_dead_engines_are_struck_off_the_group(lab, monkeypatch):
    gone, network = lab.engine(0.1)
    declare(gone)
    consume(gone)
    until(lambda: gone._carrier_actor.lines[QUEUE].hungry)
    result(gone.put, [job()])
    network.cut()
    heir, _ = lab.engine(0.1)
    keeper = consume(heir)
    delivery = keeper.next()
    result(heir.ack, delivery)
    with lab.server.client() as client:
        (name,) = client.keys("*:flight")
        until(lambda: len(client.xinfo_consumers(name, "g")) == 1)


# --- visibility --------------------------------------------------------------------------------------------------------


def test_a_job_that_is_out_for_too_long_goes_to_another_engine(pair):
    one, two = pair
    for broker in pair:
        declare(broker, visibility_ms=200)
    slow = consume(one, 1)
    slow.then = lambda: one.grant(QUEUE, -1)
    result(one.put, [job()])
    delivery = slow.next()
    keeper = consume(two, 1)
    again = keeper.next()
    assert (again.job.attempts, again.redelivered, again.job.failures[0].code) == (1, True, "visibility_timeout")
    assert slow.late.get(timeout=WAIT_S) == delivery
    assert result(one.ack, delivery) is False
    assert result(two.bury, again, failure()) is True
    found = counts(one)
    assert (found.dead, found.retried) == (1, 1)
