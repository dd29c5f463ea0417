"""The journal in a file: who answers when, what is refused, and what happens in time."""

import logging
import sqlite3
import threading

import pytest

from iii_actors.actor import stats
from iii_actors.brokers import journal
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.journal import NewJob
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from tests.storage.asking import WAIT_S, Answers, outcome, result

NOW_MS = int(ManualClock().now() * 1000)
FAILED = [Failure("c", "m", 1)]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def opened(tmp_path, clock):
    """A maker of journals over one file, with a queue; each closes the one before."""
    made = []

    def one(durability="process", **options):
        while made:
            made.pop().close()
        made.append(SqliteJournal(tmp_path / "queue.sqlite", clock, durability=durability, **options))
        made[0].loaded = made[0].open()
        tell(made[0], journal.Declare("q", QueueSpec()))
        return made[0]

    yield one
    while made:
        made.pop().close()


def tell(made, *changes):
    result(lambda done: made.write(changes, done))


def new(number, until=0, **fields):
    given = {"id": f"id {number}", "receipt": f"r {number}", "queue": "q", "function_id": "f", "namespace": "n"}
    return NewJob(number, Job(**{**given, "data": b"%d" % number, "created_at_ms": 1, **fields}), 0, until)


def numbers(made):
    return [row[0] for row in made.rows("q")]


class Held:
    """The writer, kept busy until :meth:`go`."""

    def __init__(self, made):
        self._go, there = threading.Event(), threading.Event()

        def hold(_, __):
            there.set()
            assert self._go.wait(WAIT_S)

        made.read([], 1, hold)
        assert there.wait(WAIT_S)

    def go(self):
        self._go.set()


# --- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["disk", "process", "memory"])
def test_answers_come_in_order_on_the_thread_of_the_actor_whose_figures_are_shown(opened, durability):
    made, answers, threads = opened(durability), Answers(), []
    made.read([], 1, lambda *_: threads.append(threading.current_thread()))
    held = Held(made)
    for n in range(1, 4):
        made.put([new(n)], 0, answers.done(("put", n)))
        made.read([n], 99, answers.done(("read", n)))
        made.write([journal.Bury("q", n, 1, FAILED, n)], answers.done(("buried", n)))
        made.find("q", f"r {n}", answers.done(("found", n)))
        made.dead("q", True, 0, 9, answers.done(("dead", n)))
    held.go()
    came = answers.take(15)
    assert [tag for tag, _, _ in came] == [
        (w, n) for n in (1, 2, 3) for w in ("put", "read", "buried", "found", "dead")
    ]
    assert all(error is None for _, _, error in came)
    assert [len(answer) for (what, _), answer, _ in came if what == "dead"] == [1, 2, 3]
    assert threads[0] is not threading.current_thread()
    figures = stats(made.actors()[0])
    assert (figures.kind, figures.failed) == ("threaded", 0)


def test_an_answer_that_fails_keeps_no_other_from_its_own(opened, caplog):
    made, answers = opened(), Answers()

    def wrong(_, __):
        raise RuntimeError("the caller's fault")

    held = Held(made)
    made.put([new(1)], 0, wrong)
    made.put([new(2)], 0, answers.done())
    held.go()
    assert answers.next() == (None, [None], None)
    assert "could not be given" in caplog.text


def test_what_is_read_has_a_limit_but_for_the_first(opened):
    made = opened()
    sizes = [10, 1000, 10, 1000]
    result(made.put, [new(n, data=b"x" * size) for n, size in enumerate(sizes, 1)], 0)
    assert [job.id for job in result(made.read, [2, 1, 3, 4], 1)] == ["id 2"]
    assert [job.id for job in result(made.read, [1, 3, 2, 4], 1500)] == ["id 1", "id 3", "id 2"]
    assert result(made.read, [9, 1], 1)[0] is None
    assert len(result(made.read, [1, 2, 3, 4], 4000)) == 4


def test_large_jobs_are_read_as_far_as_there_is_room(opened):
    made = opened()
    sizes = [20_000, 10, 50_000, 10]
    result(made.put, [new(n, data=b"x" * size) for n, size in enumerate(sizes, 1)], 0)
    tell(made, journal.Retry("q", 3, 4, FAILED, 0, 0))
    assert [job.id for job in result(made.read, [3, 2, 1], 50_000)] == ["id 3"]
    assert [job.id for job in result(made.read, [1, 2, 3, 4], 30_000)] == ["id 1", "id 2"]
    assert [len(job.data) for job in result(made.read, [1, 9, 2, 3, 4], 1 << 20) if job] == sizes


def test_what_is_stored_unwritten_has_the_same_limit(opened):
    made = opened("memory")
    result(made.put, [new(n, data=b"x" * 1000) for n in range(1, 5)], 0)
    assert len(result(made.read, [1, 2, 3, 4], 2500)) == 2


def test_of_jobs_put_together_one_that_cannot_be_stored_takes_all_with_it(opened):
    made = opened()
    _, error = outcome(made.put, [new(1), new(2, id="\ud800")], 0)
    assert isinstance(error, BrokerUnavailable)
    _, error = outcome(made.put, [new(3), new(4, queue="never declared")], 0)
    assert isinstance(error, BrokerUnavailable)
    assert result(made.put, [new(5)], 0) == [None]
    assert result(made.read, [1, 2, 3, 4, 5], 99)[:4] == [None] * 4
    assert opened().loaded.queues[0].totals.enqueued == 1


def test_a_group_with_a_job_that_is_no_text_stores_the_others(opened):
    made, answers = opened(), Answers()
    held = Held(made)
    made.put([new(1)], 0, answers.done(1))
    made.put([new(2, function_id="\ud800")], 0, answers.done(2))
    made.put([new(3)], 0, answers.done(3))
    held.go()
    came = {tag: error for tag, _, error in answers.take(3)}
    assert came[1] is came[3] is None
    assert isinstance(came[2], BrokerUnavailable)
    assert numbers(opened()) == [1, 3]


def test_a_failure_whose_text_is_none_spoils_nothing_that_comes_later(opened):
    made = opened()
    result(made.put, [new(1), new(2)], 0)
    wrong = journal.Retry("q", 1, 1, [Failure("c", "\ud800", 1)], 0, 0)
    _, error = outcome(lambda done: made.write([wrong, journal.Drop("q", [2], True)], done))
    assert error is not None
    tell(made, journal.Retry("q", 1, 2, FAILED, 0, 0))
    assert [row[5] for row in opened().rows("q")] == [2]


# --- too much, and too late ----------------------------------------------------------------------------------------------


def test_when_too_much_waits_jobs_are_refused_and_what_has_happened_is_not(opened, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.sqlite_journal.STORE_WAITING", 3)
    made, answers = opened(), Answers()
    held = Held(made)
    for n in range(1, 6):
        made.put([new(n)], 0, answers.done(n))
    made.write([journal.Drop("q", [1], True)], answers.done("dropped"))
    refused = answers.take(2)
    assert [tag for tag, _, _ in refused] == [4, 5]
    assert all("too much is waiting" in str(error) for _, _, error in refused)
    held.go()
    assert [tag for tag, _, error in answers.take(4) if error is None] == [1, 2, 3, "dropped"]
    assert numbers(opened()) == [2, 3]


def test_waiting_jobs_may_have_so_many_bytes(opened, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.sqlite_journal.STORE_WAITING_BYTES", 1000)
    made, answers = opened(), Answers()
    held = Held(made)
    for n in range(1, 4):
        made.put([new(n, data=b"x" * 600)], 0, answers.done(n))
    assert [answers.next()[0], answers.next()[0]] == [2, 3]
    held.go()
    assert answers.next()[0] == 1
    assert result(made.put, [new(9, data=b"x" * 5000)], 0) == [None]


def test_what_comes_after_the_end_is_answered(opened):
    made = opened()
    made.close()
    asked = [
        (made.put, [new(1)], 0),
        (lambda done: made.write([journal.Drop("q", [1], True)], done),),
        (made.read, [1], 1),
        (made.find, "q", "1"),
        (made.dead, "q", True, 0, 1),
    ]
    for operation, *arguments in asked:
        assert isinstance(outcome(operation, *arguments)[1], BrokerClosed)
    made.write([journal.Drop("q", [1], True)])
    made.close()


def test_what_came_before_the_end_is_carried_out(opened):
    made, answers = opened(), Answers()
    for n in range(1, 50):
        made.put([new(n)], 0, answers.done())
    made.close()
    assert all(error is None for _, _, error in answers.take(49))
    assert numbers(opened()) == [*range(1, 50)]


def test_what_comes_while_it_ends_is_answered(opened):
    made, answers = opened(), Answers()
    made.close()
    made._closed = False  # as another thread may see it
    made.read([1], 1, answers.done())
    made.put([new(1)], 0, answers.done())
    made._closed = True
    assert all(isinstance(error, BrokerClosed) for _, _, error in answers.take(2))


def test_closing_waits_for_a_disk_that_hangs_only_so_long(opened, monkeypatch, caplog):
    monkeypatch.setattr("iii_actors.brokers.sqlite_journal.QUEUE_CLOSE_S", 0.01)
    made, answers = opened(), Answers()
    held = Held(made)
    made.put([new(1)], 0, answers.done())
    made.close()
    assert "closing takes longer" in caplog.text
    held.go()
    assert answers.next()[2] is None
    assert made._writer.actor_stopped.wait(WAIT_S)
    assert numbers(opened()) == [1]


def test_closing_what_was_never_opened_is_nothing(tmp_path, clock):
    SqliteJournal(tmp_path / "queue.sqlite", clock).close()
    assert not list(tmp_path.iterdir())


# --- in time -------------------------------------------------------------------------------------------------------------


def break_disk(made):
    def write(pending):
        error = sqlite3.OperationalError("as the test has it")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"
        raise error

    made._writer._table.write = write


def mend_disk(made):
    del made._writer._table.write


def written(made):
    """Return the numbers of the jobs in the file, whatever waits to be written."""
    result(made.read, [], 1)  # so that the writer has carried out what it was told before
    return [row[0] for row in made._file.connection.execute("SELECT number FROM jobs ORDER BY number").fetchall()]


def test_what_could_not_be_written_is_written_on_its_own(opened, clock, caplog):
    caplog.set_level(logging.INFO, "iii_actors.brokers")
    made = opened()
    result(made.put, [new(1), new(2)], 0)
    break_disk(made)
    for _ in range(3):
        _, error = outcome(lambda done: made.write([journal.Drop("q", [1], True)], done))
        assert isinstance(error, BrokerUnavailable)
        clock.advance(1)
    _, error = outcome(made.find, "q", "id 2")
    assert isinstance(error, BrokerUnavailable)
    assert result(made.read, [1, 2], 1)[0] is None
    mend_disk(made)
    clock.advance(1)
    assert written(made) == [2]
    logged = [record.message for record in caplog.records]
    assert sum("kept in memory" in line for line in logged) == 1
    assert sum("written again" in line for line in logged) == 1


def test_a_disk_that_fails_to_the_end_is_told(opened, caplog):
    made = opened()
    result(made.put, [new(1)], 0)
    break_disk(made)
    outcome(lambda done: made.write([journal.Drop("q", [1], True)], done))
    made.close()
    assert "come again" in caplog.text
    assert numbers(opened()) == [1]


def test_a_disk_that_cannot_be_read_keeps_no_answer_back(opened, clock):
    made = opened()

    def next_ending():
        raise sqlite3.OperationalError("as the test has it")

    made._writer._table.next_ending = next_ending
    assert result(made.put, [new(1, NOW_MS + 5, idempotency_key="k")], NOW_MS) == [None]
    del made._writer._table.next_ending
    clock.advance(60)
    assert keys(made) == 0


def test_unsaved_jobs_are_saved_in_time_and_those_that_are_done_by_then_are_not(opened, clock):
    made = opened("memory", save_interval_ms=500)
    clock.advance(1)
    assert written(made) == []
    result(made.put, [new(1), new(2)], 0)
    tell(made, journal.Drop("q", [1], True))
    clock.advance(0.4)
    assert written(made) == []
    clock.advance(0.2)
    assert written(made) == [2]
    totals = made._file.connection.execute("SELECT enqueued, done FROM queues").fetchone()
    assert totals == (2, 1)


def test_too_much_unsaved_is_saved_early(opened, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.sqlite_writer.STORE_UNSAVED_BYTES", 1000)
    made = opened("memory")
    for n in range(1, 4):
        result(made.put, [new(n, data=b"x" * 600)], 0)
    assert written(made) == [1, 2]


def keys(made):
    result(made.read, [], 1)
    return made._file.connection.execute("SELECT count(*) FROM keys").fetchone()[0]


def test_keys_are_forgotten_when_their_time_is_over(opened, clock):
    made = opened()
    result(made.put, [new(n, NOW_MS + 5000, idempotency_key=f"{n}") for n in range(1, 4)], NOW_MS)
    result(made.put, [new(9, NOW_MS + 900_000, idempotency_key="9")], NOW_MS)
    assert result(made.put, [new(10, NOW_MS + 5000, idempotency_key="1")], NOW_MS + 4999) == ["r 1"]
    assert result(made.put, [new(11, NOW_MS + 6000, idempotency_key="1")], NOW_MS + 5000) == [None]
    clock.advance(5)
    assert keys(made) == 2
    assert opened().loaded.queues[0].totals.duplicates == 1


def test_without_keys_nothing_is_looked_for(opened, clock):
    made = opened()
    for n in range(1, 4):
        result(made.put, [new(n, NOW_MS + n, idempotency_key="k")], NOW_MS + n)
    clock.advance(2)
    assert keys(made) == 0
    result(made.read, [], 1)
    assert made._writer._sweeping is None


def test_more_keys_than_there_may_be_are_forgotten_early(opened, clock, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.sqlite_writer.QUEUE_KEYS", 10)
    monkeypatch.setattr("iii_actors.brokers.sqlite_writer.STORE_SWEEP", 4)
    made = opened()
    result(made.put, [new(n, NOW_MS + 900_000 + n, idempotency_key=f"{n}") for n in range(1, 31)], NOW_MS)
    clock.advance(1)
    for _ in range(6):
        result(made.read, [], 1)
    assert keys(made) == 10
    assert result(made.put, [new(99, NOW_MS, idempotency_key="30")], NOW_MS) == ["r 30"]
