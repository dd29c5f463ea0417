"""The local broker over a journal that answers late, or with errors."""

from __future__ import annotations

import pytest

from iii_actors import limits
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable, QueueFull
from iii_actors.brokers.job import JobState, QueueSpec, Selection
from iii_actors.brokers.journal import Drop, Retry
from tests.brokers.late_journal import LateJournal
from tests.brokers.local_rig import FAILURE, Rig, Sink, job


@pytest.fixture
def rig():
    made = Rig()
    made.journal.run()
    made.answers.clear()
    yield made
    made.counts()
    made.broker.close()


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_job_is_answered_for_and_delivered_when_it_is_stored(rig):
    rig.broker.grant("q", 1)
    rig.broker.put([job(1)], rig.done)
    assert rig.answers == []
    assert rig.sink.got == []
    rig.journal.run()
    assert rig.answers[0][0].receipt == "receipt-1"
    assert rig.sink.texts() == ["1"]


def test_a_put_that_fails_leaves_nothing_behind(rig):
    rig.broker.declare("q", QueueSpec(max_jobs=1), rig.done)
    rig.broker.grant("q", 5)
    rig.journal.failing = {"put"}
    assert isinstance(rig.put(job(1)), BrokerUnavailable)
    assert rig.sink.got == []
    assert rig.counts().enqueued == 0
    rig.journal.failing.clear()
    assert rig.put(job(2))[0].receipt == "receipt-2"
    assert rig.sink.texts() == ["2"]


def test_what_is_on_its_way_to_the_disk_counts_for_the_limit(rig):
    rig.broker.declare("q", QueueSpec(max_jobs=2), rig.done)
    rig.broker.put([job(1)], rig.done)
    rig.broker.put([job(2)], rig.done)
    rig.broker.put([job(3)], rig.done)
    assert isinstance(rig.last(), QueueFull)
    rig.broker.forget("q", rig.done)
    assert rig.last() is False
    rig.journal.run()
    assert rig.counts().waiting == 2


def test_as_many_dead_letters_as_jobs_may_live_stop_the_queue():
    rig = Rig(spec=QueueSpec(max_jobs=2))
    for n in range(2):
        rig.put(job(n))
        rig.broker.grant("q", 1)
        rig.journal.run()
        rig.broker.bury(rig.sink.got[n], FAILURE)
    assert isinstance(rig.put(job(2)), QueueFull)
    rig.broker.remove("q", Selection(frozenset({JobState.DEAD}), "id-0"), rig.done)
    rig.journal.run()
    assert rig.put(job(3))[0].receipt == "receipt-3"
    rig.broker.close()


def test_an_answer_that_cannot_be_written_has_happened_all_the_same(rig):
    rig.put(job(1), job(2))
    rig.broker.grant("q", 2)
    rig.journal.run()
    rig.journal.failing = {"write"}
    rig.broker.ack(rig.sink.got[0], rig.done)
    rig.broker.retry(rig.sink.got[1], FAILURE, 0, rig.done)
    rig.journal.run()
    assert all(isinstance(answer, BrokerUnavailable) for answer in rig.answers)
    assert len(rig.answers) == 2
    rig.broker.grant("q", 1)
    rig.journal.run()
    assert rig.sink.texts() == ["1", "2", "2"]
    assert rig.counts().done == 1


def test_one_batch_of_messages_is_one_write(rig):
    rig.put(*(job(n) for n in range(5)))
    rig.broker.grant("q", 5)
    rig.journal.run()
    rig.journal.changes.clear()

    class Eager(Sink):
        def deliver(self, deliveries):
            for delivery in deliveries:
                rig.broker.ack(delivery)

    rig.broker.consume("q", Eager())
    rig.put(*(job(n) for n in range(10, 15)))
    rig.broker.grant("q", 5)
    assert len(rig.journal.requests) == 1
    assert [type(change) for change in rig.journal.changes] == [Drop] * 5


# --- reading ahead ----------------------------------------------------------------------------------------------------


def test_what_waits_beyond_the_bound_is_read_back_in_order(rig, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.local_core.QUEUE_AHEAD_JOBS", 10)
    rig.put(*(job(n) for n in range(50)))
    rig.broker.grant("q", 50)
    while rig.journal.run():
        pass
    assert rig.sink.texts() == [str(n) for n in range(50)]
    assert sum(map(len, rig.journal.reads)) == 40


def test_nothing_is_read_for_what_fits(rig):
    rig.put(*(job(n) for n in range(50)))
    rig.broker.grant("q", 50)
    assert rig.sink.texts() == [str(n) for n in range(50)]
    assert rig.journal.reads == []


def test_a_read_that_fails_is_made_again(rig, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.local_core.QUEUE_AHEAD_JOBS", 0)
    rig.put(job(1))
    rig.journal.failing = {"read"}
    rig.broker.grant("q", 1)
    rig.journal.run()
    assert rig.sink.got == []
    rig.journal.failing.clear()
    assert rig.journal.run() == 0  # not at once
    rig.clock.advance(limits.QUEUE_READ_AGAIN_S)
    rig.journal.run()
    assert rig.sink.texts() == ["1"]


def test_a_job_that_has_gone_from_its_file_is_given_up(rig, monkeypatch, caplog):
    monkeypatch.setattr("iii_actors.brokers.local_core.QUEUE_AHEAD_JOBS", 0)
    rig.put(job(1), job(2))
    del rig.journal.inner.table[1]
    rig.broker.grant("q", 2)
    while rig.journal.run():
        pass
    assert rig.sink.texts() == ["2"]
    assert "has gone from its file" in caplog.text
    assert rig.counts().removed == 1


def test_what_was_read_before_it_changed_is_not_delivered(rig, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.local_core.QUEUE_AHEAD_JOBS", 0)
    rig.put(job(1), job(2))
    rig.broker.grant("q", 2)
    read = rig.journal.requests.popleft()
    if read[0] == "write":  # the mark
        read[1]()
        read = rig.journal.requests.popleft()
    assert read[0] == "read"
    rig.broker.remove("q", Selection(frozenset({JobState.WAITING})), rig.done)
    rig.put(job(3))
    read[1]()
    while rig.journal.run():
        pass
    assert rig.sink.texts() == ["3"]
    assert rig.counts().removed == 2


def test_the_bytes_read_ahead_are_bounded(rig, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.local_core.QUEUE_AHEAD_BYTES", 3_000)
    rig.put(*(job(n) for n in range(20)))
    assert len(rig.broker._actor.jobs) < 10
    rig.broker.grant("q", 20)
    while rig.journal.run():
        pass
    assert rig.sink.texts() == [str(n) for n in range(20)]
    for delivery in rig.sink.got:
        rig.broker.ack(delivery)
    assert rig.broker._actor.jobs == {}
    assert rig.broker._actor._bytes == 0


# --- looking for one job ----------------------------------------------------------------------------------------------


def test_what_happens_while_a_job_is_looked_for_is_seen(rig):
    rig.put(job(1))
    rig.broker.grant("q", 1)
    rig.journal.run()
    rig.broker.remove("q", Selection(frozenset({JobState.IN_FLIGHT}), "id-1"), rig.done)
    rig.broker.ack(rig.sink.got[0])  # the journal had found it before that
    rig.journal.run()
    assert rig.last().count == 0
    assert rig.counts().done == 1


def test_of_two_who_redrive_the_same_one_does(rig):
    rig.put(job(1))
    rig.broker.grant("q", 1)
    rig.journal.run()
    rig.broker.bury(rig.sink.got[0], FAILURE)
    for _ in range(2):
        rig.broker.redrive("q", "id-1", rig.done)
    rig.journal.run()
    assert [answer.count for answer in rig.answers] == [1, 0]
    rig.answers.clear()
    assert rig.counts().redriven == 1


def test_an_edit_is_seen_by_what_is_held_in_memory(rig):
    rig.put(job(1))
    rig.broker.edit("q", "id-1", b"new", None, rig.done)
    rig.journal.run()
    assert rig.last() is True
    rig.broker.grant("q", 1)
    rig.journal.run()
    assert rig.sink.texts() == ["new"]


# --- time -------------------------------------------------------------------------------------------------------------


def test_many_delayed_jobs_are_one_timer_and_no_work(rig):
    now_ms = int(rig.clock.now() * 1000)
    rig.broker.put([job(n, due_at_ms=now_ms + 60_000 + n) for n in range(1_000)], rig.done)
    rig.journal.run()
    assert len([entry for entry in rig.clock._heap if not entry[2].cancelled]) == 1
    handled = rig.broker._actor.handled
    rig.clock.advance(59)
    assert rig.broker._actor.handled == handled
    rig.broker.grant("q", 2_000)
    rig.clock.advance(2)
    while rig.journal.run():
        pass
    assert rig.sink.texts() == [str(n) for n in range(1_000)]


def test_a_clock_that_is_set_back_strands_nobody(rig):
    rig.put(job(1), job(2, due_at_ms=int(rig.clock.now() * 1000) + 5_000))
    rig.broker.grant("q", 5)
    rig.journal.run()
    rig.broker.retry(rig.sink.got[0], FAILURE, int(rig.clock.now() * 1000) + 2_000)
    rig.clock._now -= 86_400
    rig.clock.advance(2)
    rig.journal.run()
    assert rig.sink.texts() == ["1", "1"]
    rig.clock.advance(3)
    rig.journal.run()
    assert rig.sink.texts() == ["1", "1", "2"]


@pytest.mark.parametrize("due_at_ms", [1 << 62, 1 << 80])
def test_times_that_never_come(rig, due_at_ms):
    rig.put(job(1, due_at_ms=due_at_ms))
    rig.clock.advance(10 * limits.QUEUE_LOOK_S)
    assert rig.counts().delayed == 1


def test_retries_are_written_with_how_long_they_wait(rig):
    rig.put(job(1))
    rig.broker.grant("q", 1)
    rig.journal.run()
    due = int(rig.clock.now() * 1000) + 1_500
    rig.broker.retry(rig.sink.got[0], FAILURE, due)
    (change,) = [change for change in rig.journal.changes if isinstance(change, Retry)]
    assert change == Retry("q", 1, 1, (FAILURE,), due, 1_500)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_what_was_handed_in_before_the_end_is_answered():
    rig = Rig()
    rig.broker.put([job(1)], rig.done)
    rig.broker.close()
    assert rig.answers[-1][0].receipt == "receipt-1"
    rig.broker.put([job(2)], rig.done)
    assert isinstance(rig.last(), BrokerClosed)
    assert not rig.broker._actor.actor_ref.is_alive()


def test_a_disk_that_hangs_at_the_end_is_not_waited_for_by_producers():
    class Hanging(LateJournal):
        def close(self):
            """Give up, as after the time that closing may take."""

    rig = Rig(Hanging())
    rig.broker.put([job(1)], rig.done)
    rig.broker.find("q", "id-1", rig.done)
    rig.answers.clear()
    rig.broker.close()
    rig.journal.run()
    assert len(rig.answers) == 2 + 1  # the queue's declaration, too
    assert sum(isinstance(answer, BrokerClosed) for answer in rig.answers) == 2


def test_a_sink_that_fails_stops_nobody_else(rig, caplog):
    class Broken(Sink):
        def deliver(self, deliveries):
            raise RuntimeError("no")

    rig.broker.declare("other", QueueSpec(), rig.done)
    rig.broker.consume("q", Broken())
    rig.put(job(1))
    rig.broker.grant("q", 1)
    rig.journal.run()
    assert "a delivery failed" in caplog.text
    assert rig.counts().in_flight == 1
    rig.broker.consume("q", rig.sink)
    rig.broker.grant("q", 1)
    rig.put(job(2))
    rig.journal.run()
    assert rig.sink.texts() == ["2"]
