"""A Redis that comes back with what it had on its disk: all of it, or what was there a while ago."""

from pathlib import Path

import pytest

from tests.brokers.redis_lab import QUEUE, Answers, consume, counts, declare, job, redis_lab, result, until
from tests.support.redis import redis_server

LEASE_S = 1.0


@pytest.fixture
def lab():
    with redis_server() as server, redis_lab(server) as made:
        yield made


@pytest.fixture
def broker(lab):
    made, _ = lab.engine(LEASE_S)
    declare(made)
    return made


def save(lab):
    with lab.server.client() as client:
        client.save()
        assert (Path(client.config_get("dir")["dir"]) / "dump.rdb").exists()


def restart(lab, broker):
    """Kill it, let the engine see it, and start it again; returns when the engine has it back."""
    lab.server.kill()
    answers = Answers()
    broker.counts(QUEUE, answers)
    assert answers.one()[1] is not None
    lab.server.start()

    def back():
        broker.counts(QUEUE, answers)
        return answers.one()[1] is None

    until(back)


def test_jobs_and_leases_are_as_they_were(lab, broker):
    keeper = consume(broker, 1)
    result(broker.put, [job("in hand"), job("waits")])
    delivery = keeper.next()
    save(lab)
    restart(lab, broker)
    assert result(broker.ack, delivery) is True
    broker.grant(QUEUE, 1)
    other = keeper.next()
    assert (other.job.data, other.redelivered) == (b"waits", False)
    assert result(broker.ack, other) is True
    found = counts(broker)
    assert (found.enqueued, found.done) == (2, 2)


def test_what_was_done_after_the_snapshot_is_done_again_and_says_so(lab, broker):
    keeper = consume(broker, 5)
    result(broker.put, [job("done")])
    delivery = keeper.next()
    save(lab)
    assert result(broker.ack, delivery) is True
    result(broker.put, [job("lost")])
    keeper.next()
    restart(lab, broker)
    again = keeper.next()
    assert (again.job.data, again.redelivered) == (b"done", True)
    assert result(broker.ack, again) is True
    found = counts(broker)
    assert (found.enqueued, found.done) == (1, 1)


def test_an_engine_that_starts_meanwhile_robs_nobody(lab, broker):
    keeper = consume(broker, 1)
    result(broker.put, [job("in hand"), job("waits", due_at_ms=0)])
    keeper.next()
    save(lab)
    lab.server.kill()
    lab.server.start()
    heir, _ = lab.engine(LEASE_S)
    heirs = consume(heir, 5)
    assert heirs.next().job.data == b"waits"
    assert result(heir.queues) == [QUEUE]
    assert counts(heir).in_flight == 2
