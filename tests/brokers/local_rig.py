"""A local broker on a journal that answers late, with one queue and one consumer."""

from __future__ import annotations

from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.local import LocalBroker
from iii_actors.clock import ManualClock
from tests.brokers.late_journal import LateJournal

__all__ = ["FAILURE", "Rig", "Sink", "job"]

FAILURE = Failure("boom", "it broke", 1)


def job(n, **fields):
    """Make a job that can be told by its number."""
    given = {"id": f"id-{n}", "receipt": f"receipt-{n}", "queue": "q", "data": b"%d" % n, **fields}
    return Job(function_id="f", namespace="default", created_at_ms=1, **given)


class Sink:
    def __init__(self):
        self.got = []
        self.gone = []

    def deliver(self, deliveries):
        self.got += deliveries

    def expired(self, delivery):
        self.gone.append(delivery)

    def texts(self):
        return [delivery.job.data.decode() for delivery in self.got]


class Rig:
    """A broker on a late journal, with one queue and one consumer."""

    def __init__(self, journal=None, spec=None):
        self.clock = ManualClock()
        self.journal = journal or LateJournal()
        self.broker = LocalBroker(self.journal, self.clock)
        self.broker.open()
        self.sink = Sink()
        self.answers = []
        self.broker.declare("q", spec or QueueSpec(), self.done)
        self.broker.consume("q", self.sink)

    def done(self, result, error):
        self.answers.append(error if error is not None else result)

    def last(self):
        """Return the newest answer, and forget all."""
        answer = self.answers[-1]
        self.answers.clear()
        return answer

    def put(self, *jobs):
        self.broker.put(jobs, self.done)
        self.journal.run()
        return self.last()

    def counts(self):
        self.broker.counts("q", self.done)
        self.journal.run()
        counts = self.last()
        parts = counts.done + counts.dead + counts.removed + counts.waiting + counts.delayed + counts.in_flight
        assert counts.enqueued == parts
        return counts
