"""The journal in memory: what the contract suite does not see."""

from __future__ import annotations

import pytest

from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.journal import Bury, Declare, Drop, Edit, Forget, Move, NewJob, Redrive, Retry
from iii_actors.brokers.memory import MemoryJournal
from tests.brokers.local_rig import FAILURE, job


@pytest.fixture
def journal():
    made = MemoryJournal()
    made.open()
    for queue in ("q", "other"):
        declare(made, queue)
    return made


def declare(journal, queue):
    journal.write([Declare(queue, None)])


def asked(operation, *arguments):
    answers = []
    operation(*arguments, lambda result, error: answers.append(error if error is not None else result))
    (answer,) = answers
    return answer


def put(journal, *jobs, number=1, until=0, now=0):
    return asked(journal.put, [NewJob(number + n, one, 0, until) for n, one in enumerate(jobs)], now)


def test_nothing_is_left_of_a_job_that_is_dropped(journal):
    put(journal, job(1), job(2))
    journal.write([Retry("q", 1, 1, (FAILURE,), 5, 5), Bury("q", 1, 2, (FAILURE,), 9)])
    journal.write([Drop("q", (1, 2, 3), True)])
    assert journal.table == {}
    assert journal._names == {}
    assert journal._bytes == 0
    assert not journal._queues["q"].dead


def test_names_follow_a_job_to_its_new_number(journal):
    put(journal, job(1))
    journal.write([Bury("q", 1, 1, (FAILURE,), 9), Redrive("q", 1, 7)])
    found = asked(journal.find, "q", "receipt-1")
    assert (found.number, found.dead, found.job.attempts, found.job.failures) == (7, False, 0, (FAILURE,))
    journal.write([Drop("q", (7,), True)])
    assert asked(journal.find, "q", "id-1") is None


def test_copies_share_a_receipt(journal):
    copies = [job(1, receipt="both"), job(2, receipt="both", queue="other"), job(3, receipt="both")]
    put(journal, *copies)
    assert asked(journal.find, "other", "both").number == 2
    journal.write([Drop("q", (1,), True)])
    assert asked(journal.find, "q", "both").number == 3
    journal.write([Drop("q", (3,), True)])
    assert asked(journal.find, "other", "both").number == 2
    assert asked(journal.find, "q", "both") is None
    journal.write([Drop("other", (2,), True)])
    assert journal._names == {}


def test_moved_jobs_are_found_where_they_are(journal):
    put(journal, job(1), job(2))
    journal.write([Bury("q", 2, 1, (FAILURE,), 9), Move("q", "other", "g", "shop")])
    moved = asked(journal.find, "other", "id-1").job
    assert (moved.queue, moved.function_id, moved.namespace) == ("other", "g", "shop")
    assert asked(journal.find, "q", "id-1") is None
    assert asked(journal.find, "q", "id-2").dead


def test_keys_that_are_over_go_and_the_number_of_keys_is_bounded(journal, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.memory.QUEUE_KEYS", 3)
    for n in range(5):
        put(journal, job(n, idempotency_key=f"k{n}"), number=n + 1, until=100 + n)
    assert journal._keys == 3
    assert put(journal, job(9, idempotency_key="k4"), number=9, until=200, now=50) == ["receipt-4"]
    assert put(journal, job(10, idempotency_key="k0"), number=10, until=200, now=50) == [None]  # forgotten early
    for n in range(11, 14):
        put(journal, job(n, idempotency_key=f"k{n}"), number=n, until=1_000, now=150 + n)
    assert journal._keys == len(journal._queues["q"].keys)
    assert set(journal._queues["q"].keys) <= {"k0", "k11", "k12", "k13"}
    journal.write([Forget("q")])
    assert journal._keys == 0


def test_the_same_key_twice_in_one_call(journal):
    jobs = [job(1, idempotency_key="k"), job(2, idempotency_key="k")]
    assert put(journal, *jobs, until=100) == [None, "receipt-1"]
    assert list(journal.table) == [1]


def test_bytes_are_bounded(journal, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.memory.QUEUE_MEMORY_BYTES", 3)
    put(journal, job(1), job(2))
    error = put(journal, job(3), job(4), number=3)
    assert isinstance(error, BrokerUnavailable)
    assert "file_based" in str(error)
    assert list(journal.table) == [1, 2]
    put(journal, job(3), number=3)
    journal.write([Drop("q", (1,), False), Edit("q", 2, b"", 5)])
    assert put(journal, job(5), job(6), number=5) == [None, None]


def test_after_the_end(journal):
    journal.close()
    assert isinstance(put(journal, job(1)), BrokerClosed)
    assert isinstance(asked(journal.write, []), BrokerClosed)
    assert isinstance(asked(journal.find, "q", "id-1"), BrokerClosed)
    assert isinstance(asked(journal.dead, "q", True, 0, 1), BrokerClosed)
