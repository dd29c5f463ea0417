"""The statements: each finds what it needs through a tree, whatever else is there."""

import sqlite3

import pytest

from iii_actors.brokers import journal
from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.journal import NewJob
from iii_actors.brokers.sqlite_pending import Pending
from iii_actors.brokers.sqlite_rows import Stored
from iii_actors.brokers.sqlite_table import LAYOUTS, Table


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:", isolation_level=None)
    for statement in LAYOUTS[0]:
        made.execute(statement)
    yield made
    made.close()


@pytest.fixture
def table(connection):
    return Table(connection)


def new(number, queue="a", **fields):
    given = {"id": f"id {number}", "receipt": f"r {number}", "queue": queue, "function_id": "f", "namespace": "n"}
    return NewJob(number, Job(**{**given, "data": b"1", "created_at_ms": number, **fields}), 0, 5000 + number)


def fill(table, jobs, *changes):
    pending = Pending({}, 0)
    for queue in ("a", "b"):
        pending.change(journal.Declare(queue, QueueSpec()))
    for one in jobs:
        pending.put(one, Stored.new(one, pending.queues[one.job.queue]))
    for change in changes:
        pending.change(change)
    table.write(pending)
    pending.clear()
    return pending


def test_no_statement_reads_more_than_it_must(connection, table):
    jobs = [new(n, "ab"[n % 2], idempotency_key=f"{n}") for n in range(1, 10_000)]
    failures = [Failure("c", "m", 1)]
    pending = fill(table, jobs, *(journal.Bury("a", n, 1, failures, n) for n in range(2, 2000, 2)))
    connection.execute("ANALYZE")
    seen = []
    connection.set_trace_callback(seen.append)
    list(table.rows(1))
    table.read([5, 6, 7])
    table.read_small([5, 6, 7])
    table.find(1, "id 8000")
    table.find(2, "r 8001")
    table.dead(1, True, 5, 10)
    table.key((1, "8"))
    table.next_ending()
    for change in (
        journal.Drop("a", [4000, 4002], True),
        journal.Retry("a", 4004, 1, failures, 1, 1),
        journal.Redrive("a", 2, 10_000),
        journal.Edit("a", 4006, b"2", 1),
        journal.Discard("a"),
    ):
        pending.change(change)
    table.write(pending)
    table.forget_keys(5100, 10, 10)
    connection.set_trace_callback(None)
    asked = [
        text
        for text in seen
        if text.lstrip().startswith(("SELECT", "WITH", "DELETE", "UPDATE")) and "count(*)" not in text
    ]
    assert len(asked) >= 15
    for statement in asked:
        plan = [line[3] for line in connection.execute("EXPLAIN QUERY PLAN " + statement)]
        over = [
            line
            for line in plan
            if line.startswith("SCAN") and not line.startswith(("SCAN part", "SCAN jobs USING INDEX dead"))
        ]
        ending = [line for line in over if "INDEX ending" not in line]
        assert not ending, (statement, plan)


def test_jobs_with_one_fingerprint_are_told_apart(connection, table):
    fill(table, [new(n) for n in range(1, 9)])
    connection.execute("UPDATE jobs SET id = 7, receipt = 7")
    mark, wanted = 7, "id 5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iii_actors.brokers.sqlite_table.fingerprint", lambda _: mark)
        assert table.find(1, wanted).number == 5
        assert table.find(1, "r 6").number == 6
        assert table.find(1, "id 9") is None


def test_of_several_with_one_receipt_the_oldest_is_found(table):
    fill(table, [new(5000, receipt="r"), new(9000, receipt="r"), new(70, receipt="r"), new(80, id="r")])
    assert table.find(1, "r").number == 80
    assert table.find(1, "id 5000").number == 5000


def test_a_write_that_fails_has_written_nothing(connection, table):
    pending = fill(table, [new(1)])
    pending.put(new(2), Stored.new(new(2), 1))
    pending.put(new(3), Stored.new(new(3), 1)._replace(function_id=None))
    pending.change(journal.Drop("a", [1], True))
    with pytest.raises(sqlite3.Error):
        table.write(pending)
    assert not connection.in_transaction
    assert [row[0] for row in table.rows(1)] == [1]
    assert connection.execute("SELECT enqueued, done FROM queues WHERE id = 1").fetchone() == (1, 0)


def test_rows_come_by_number_across_the_parts_of_the_index(table):
    numbers = [1, 511, 512, 513, 100_000, 99_999, 1024]
    fill(table, [new(n) for n in numbers])
    assert [row[0] for row in table.rows(1)] == sorted(numbers)


def test_large_jobs_are_measured_and_not_read(table):
    sizes = [10, 16_000, 17_000, 90_000]
    fill(table, [new(n, data=b"x" * size) for n, size in enumerate(sizes, 1)])
    found, larger = table.read_small([4, 3, 2, 1, 9])
    assert sorted(found) == [1, 2]
    assert {n: size // 1000 for n, size in larger.items()} == {3: 17, 4: 90}


def test_a_group_is_one_text_for_all_its_jobs(table):
    fill(table, [new(n, group=f"customer {n % 2}") for n in range(1, 100)])
    assert len({id(row[1]) for row in list(table.rows(1))}) == 2


def test_keys_are_forgotten_those_that_end_first(table):
    fill(table, [new(n, idempotency_key=f"{n}") for n in range(1, 11)])
    assert (table.keys, table.next_ending()) == (10, 5001)
    assert table.forget_keys(5004, 100, 3) == 3
    assert table.forget_keys(5004, 100, 3) == 1
    assert table.forget_keys(5004, 100, 3) == 0
    assert table.forget_keys(5004, 4, 100) == 2
    assert (table.keys, table.next_ending()) == (4, 5007)
    assert table.key((1, "6")) is None
    assert table.key((1, "7")) == (5007, "r 7")
