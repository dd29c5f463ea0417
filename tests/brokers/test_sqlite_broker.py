"""The broker over a file: what it does not read, and what it does while the disk fails."""

import queue
import sqlite3

import pytest

from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.job import Job, QueueSpec
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from tests.brokers.test_sqlite_journal import break_disk, mend_disk
from tests.storage.asking import WAIT_S, Answers, outcome, result


def job(number):
    return Job(
        id=f"id {number}",
        receipt=f"r {number}",
        queue="q",
        function_id="f",
        namespace="n",
        data=b"%d" % number,
        created_at_ms=number,
    )


class Taker:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.came = queue.SimpleQueue()

    def deliver(self, deliveries):
        for delivery in deliveries:
            self.came.put(delivery)

    def next(self):
        return self.came.get(timeout=WAIT_S)


@pytest.fixture
def opened(tmp_path):
    made = []

    def one():
        while made:
            made.pop().close()
        clock = ManualClock()
        journal = SqliteJournal(tmp_path / "queue.sqlite", clock, durability="process")
        broker = LocalBroker(journal, clock)
        broker.open()
        made.append(broker)
        result(broker.declare, "q", QueueSpec())
        return broker, journal, clock

    yield one
    while made:
        made.pop().close()


def test_a_steady_flow_reads_nothing(opened, monkeypatch):
    broker, journal, _ = opened()
    reads, table = [], journal._writer._table
    real = table.read_small
    monkeypatch.setattr(table, "read_small", lambda numbers: reads.extend(numbers) or real(numbers))
    taker, answers = Taker(), Answers()
    broker.consume("q", taker)
    broker.grant("q", 10)
    for number in range(1, 400):
        broker.put([job(number)], answers.done())
        if number > 20:
            delivery = taker.next()
            broker.ack(delivery, answers.done())
            broker.grant("q", 1)
    assert all(error is None for _, _, error in answers.take(399 + 379))
    assert not reads


def test_what_waited_before_the_start_is_read_in_batches(opened, monkeypatch):
    broker, _, _ = opened()
    result(broker.put, [job(number) for number in range(1, 301)])
    broker, journal, _ = opened()
    calls, table = [], journal._writer._table
    real = table.read_small
    monkeypatch.setattr(table, "read_small", lambda numbers: calls.append(len(numbers)) or real(numbers))
    taker = Taker()
    broker.consume("q", taker)
    broker.grant("q", 300)
    assert [taker.next().job.data for _ in range(300)] == [b"%d" % number for number in range(1, 301)]
    assert len([count for count in calls if count]) <= 30


def test_while_the_disk_fails_jobs_are_worked_on_and_none_twice(opened):
    broker, journal, clock = opened()
    result(broker.put, [job(number) for number in range(1, 4)])
    taker = Taker()
    broker.consume("q", taker)
    broker.grant("q", 3)
    first = [taker.next() for _ in range(3)]
    break_disk(journal)
    _, error = outcome(broker.put, [job(4)])
    assert isinstance(error, BrokerUnavailable)
    _, error = outcome(broker.ack, first[0])
    assert isinstance(error, BrokerUnavailable)
    assert result(broker.counts, "q").done == 1
    mend_disk(journal)
    clock.advance(1)
    result(broker.ack, first[1])
    broker, _, _ = opened()
    taker = Taker()
    broker.consume("q", taker)
    broker.grant("q", 9)
    again = taker.next()
    assert (again.job.data, again.redelivered) == (b"3", True)
    counts = result(broker.counts, "q")
    assert (counts.enqueued, counts.done, counts.in_flight, counts.waiting) == (3, 2, 1, 0)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("DELETE FROM bodies WHERE number = 2", "has gone from its file"),
        ("UPDATE bodies SET body = x'00' WHERE number = 2", "job number 2 is damaged"),
    ],
)
def test_a_job_that_is_not_whole_is_given_up_and_the_others_are_delivered(opened, tmp_path, caplog, harm, words):
    broker, _, _ = opened()
    result(broker.put, [job(number) for number in range(1, 4)])
    broker.close()
    with sqlite3.connect(tmp_path / "queue.sqlite") as connection:
        connection.execute(harm)
    connection.close()
    broker, _, _ = opened()
    taker = Taker()
    broker.consume("q", taker)
    broker.grant("q", 3)
    assert [taker.next().job.data for _ in range(2)] == [b"1", b"3"]
    assert words in caplog.text
    counts = result(broker.counts, "q")
    assert counts.enqueued == counts.removed + counts.in_flight == 3
