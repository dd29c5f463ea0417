"""What waits to be written: the last word on each job, and no more. (What is seen of it: `test_sqlite_model`.)"""

import pytest

from iii_actors.brokers import journal
from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.journal import NewJob
from iii_actors.brokers.sqlite_pending import Batch, Named, Pending
from iii_actors.brokers.sqlite_rows import Stored

FAILED = [Failure("c", "m", 1)]


@pytest.fixture
def pending():
    return Pending({"q": 3, "other": 8}, 8)


def put(pending, number, size=10):
    job = Job(
        id=f"{number}",
        receipt="r",
        queue="q",
        function_id="f",
        namespace="n",
        data=b"x" * size,
        created_at_ms=1,
        idempotency_key=f"k{number}",
    )
    given = NewJob(number, job, 0, 99)
    pending.put(given, Stored.new(given, 3))


def test_a_job_that_comes_and_goes_leaves_what_is_counted(pending):
    put(pending, 1)
    pending.change(journal.Retry("q", 1, 1, FAILED, 5, 5))
    pending.change(journal.Drop("q", [1], True))
    batch = pending.last
    assert (batch.new, batch.patches, batch.drops) == ({}, {}, {})
    assert batch.totals == {3: {"enqueued": 1, "retried": 1, "done": 1}}
    assert pending.seen(1) is None
    assert pending


def test_the_last_change_of_a_job_takes_the_earlier_ones_place(pending):
    for attempt in range(1, 50):
        pending.change(journal.Retry("q", 1, attempt, FAILED, 5, 5))
    pending.change(journal.Bury("q", 1, 50, FAILED, 7))
    pending.change(journal.Redrive("q", 1, 2))
    pending.change(journal.Edit("q", 2, b"y", None))
    (patch,) = pending.last.patches.values()
    assert (patch.number, patch.columns["number"], patch.columns["attempts"]) == (1, 2, 0)
    assert patch.columns["data"] == b"y"
    pending.change(journal.Drop("q", [2], False))
    assert pending.last.patches == {}
    assert list(pending.last.drops.values()) == [[1]]
    assert pending.seen(1) is pending.seen(2) is None


def test_a_change_of_a_queue_stands_between_those_before_it_and_after_it(pending):
    put(pending, 1)
    pending.change(journal.Move("q", "other", "g", "m"))
    put(pending, 2)
    assert [type(step) for step in pending.steps] == [Batch, Named, Batch]
    assert (pending.seen(1).queue, pending.seen(1).function_id) == (8, "g")
    assert pending.seen(2).queue == 3
    assert pending.seen(9) == (9, [pending.steps[1]])


def test_what_has_come_since_can_be_forgotten(pending):
    put(pending, 1)
    before = pending.begin()
    put(pending, 2)
    pending.change(journal.Drop("q", [1], True))
    pending.change(journal.Declare("new", QueueSpec()))
    pending.change(journal.Forget("other"))
    assert pending.queues == {"q": 3, "new": 9}
    pending.restore(before)
    assert pending.queues == {"q": 3, "other": 8}
    assert pending.seen(1).number == 1
    assert pending.seen(2) == (2, [])
    assert (pending.key((3, "k1")), pending.key((3, "k2"))) == ((99, "r"), None)
    pending.change(journal.Declare("new", QueueSpec()))
    assert pending.queues["new"] > 9, "a number is not used twice"


def test_what_waits_is_measured(pending):
    put(pending, 1, 5000)
    assert 5000 < pending.size < 5100
    before = pending.begin()
    put(pending, 2, 5000)
    pending.restore(before)
    assert pending.size < 5100
    pending.clear()
    assert (pending.size, bool(pending)) == (0, False)


def test_a_text_that_is_none_is_refused_before_anything_changes(pending):
    for wrong in (
        journal.Declare("\ud800", QueueSpec()),
        journal.Move("q", "other", "\ud800", "n"),
        journal.Retry("q", 1, 1, [Failure("\ud800", "m", 1)], 1, 1),
    ):
        with pytest.raises(UnicodeEncodeError):
            pending.change(wrong)
    assert not pending
    with pytest.raises(KeyError):
        pending.change(journal.Drop("nobody", [1], True))
