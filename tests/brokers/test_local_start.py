"""The local broker's start on what a journal holds."""

from __future__ import annotations

import pytest

from iii_actors import limits
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.journal import Loaded, Mark, NewJob, StoredQueue, Totals
from iii_actors.brokers.local import LocalBroker
from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from tests.brokers.late_journal import LateJournal
from tests.brokers.local_rig import Rig, job


def restarted(*rows, mark=0, last=100):
    """Start on a journal with one queue: rows as ``(number, due_at_ms, wait_ms, attempts)``."""
    queue = StoredQueue("q", QueueSpec(), False, Totals(enqueued=len(rows)), 0)
    given = [(number, None, 0, due, wait, attempts) for number, due, wait, attempts in rows]
    journal = LateJournal(Loaded([queue], last, mark), given)
    journal.inner.write([])
    rig = Rig(journal)
    jobs = [
        NewJob(number, job(number, due_at_ms=due, attempts=attempts), wait, 0) for number, due, wait, attempts in rows
    ]
    journal.inner.put(jobs, 0, lambda _, __: None)
    return rig


def deliver_all(rig):
    rig.broker.grant("q", 100)
    while rig.journal.run():
        pass
    return [(int(delivery.job.data), delivery.redelivered) for delivery in rig.sink.got]


def test_what_may_have_been_delivered_before_the_start_is_marked():
    rig = restarted((5, 0, 0, 0), (9, 0, 0, 0), (12, 0, 0, 0), mark=9)
    assert deliver_all(rig) == [(5, True), (9, True), (12, False)]
    rig.broker.close()


def test_new_numbers_are_beyond_every_mark():
    rig = restarted(mark=500, last=100)
    rig.put(job(1))
    assert deliver_all(rig) == [(1, False)]
    rig.broker.close()


def test_the_mark_is_written_before_what_it_is_for():
    rig = restarted((5, 0, 0, 0))
    rig.broker.grant("q", 1)
    while rig.journal.requests and rig.journal.requests[0][0] != "write":
        rig.journal.run(rig.journal.requests[0][0])
    assert rig.sink.got == []
    rig.journal.run()
    while rig.journal.run():
        pass
    marks = [change.number for change in rig.journal.changes if isinstance(change, Mark)]
    assert marks == [5 + limits.QUEUE_MARK_STEP]
    assert rig.sink.texts() == ["5"]
    rig.broker.close()


def test_a_full_disk_does_not_stop_deliveries():
    rig = restarted((5, 0, 0, 0))
    rig.journal.failing = {"write"}
    assert deliver_all(rig) == [(5, False)]
    rig.broker.close()


def test_delays_go_on_after_a_start_and_never_longer_than_they_were():
    now_ms = int(ManualClock().now() * 1000)
    rig = restarted(
        (1, now_ms + 3_000, 10_000, 0),  # three of its ten seconds are left
        (2, now_ms + 86_400_000, 2_000, 1),  # decided by a clock that was a day ahead
        (3, now_ms - 5_000, 1_000, 2),  # due long ago
        (4, now_ms - 9_000, 1_000, 2),
        (5, 0, 0, 0),
        mark=50,
    )
    assert deliver_all(rig) == [(4, True), (3, True), (5, True)]
    assert rig.counts().delayed == 2
    rig.clock.advance(2)
    assert deliver_all(rig)[3:] == [(2, True)]
    rig.clock.advance(1)
    assert deliver_all(rig)[4:] == [(1, False)]  # it cannot have been delivered before
    rig.broker.close()


def test_an_error_at_the_start_names_the_worker():
    class Broken(LateJournal):
        def open(self):
            raise ConfigError("/somewhere/queue.sqlite", "it is damaged", "restore it")

    with pytest.raises(ConfigError) as caught:
        LocalBroker(Broken(), ManualClock(), "iii-queue").open()
    assert str(caught.value) == (
        "failed to create worker 'iii-queue': /somewhere/queue.sqlite: it is damaged; restore it"
    )
