"""The journal in a file against a model of a few dictionaries: whatever comes, and when the disk fails in between."""

import sqlite3
import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from iii_actors.brokers import journal
from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from tests.storage.asking import outcome, result

QUEUES = st.sampled_from(["a", "b", "__fn_queue::ü"])
TEXTS = st.one_of(st.none(), st.sampled_from(["", "x", "\0", "é" * 40]))
TIMES = st.sampled_from([0, 1, 1_700_000_000_000, 1 << 80])
FAILURES = st.lists(st.builds(Failure, st.just("code"), st.sampled_from(["", "m" * 99]), st.just(5), TEXTS), max_size=2)
NOW_MS = int(ManualClock().now() * 1000)
LONGEST = (1 << 63) - 1


class Against(RuleBasedStateMachine):
    durability = "process"

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.number = 0
        self.jobs: dict[int, tuple[Job, int, int | None]] = {}
        self.totals: dict[str, dict[str, int]] = {}
        self.specs, self.paused, self.keys = {}, {}, {}
        self.mark, self.broken = 0, None
        self.open()

    def open(self):
        self.journal = SqliteJournal(
            Path(self.folder.name) / "queue.sqlite", self.clock, durability=self.durability, save_interval_ms=100
        )
        self.loaded = self.journal.open()

    def teardown(self):
        self.mend()
        self.journal.close()
        self.folder.cleanup()

    # --- the disk ----------------------------------------------------------------------------------------------------

    @property
    def table(self):
        return self.journal._writer._table

    @rule(error=st.sampled_from(["SQLITE_FULL", "SQLITE_IOERR"]))
    def fail(self, error):
        def write(pending):
            failure = sqlite3.OperationalError("as the test has it")
            failure.sqlite_errorcode, failure.sqlite_errorname = getattr(sqlite3, error), error
            raise failure

        self.table.write, self.broken = write, error

    @rule()
    def mend(self):
        vars(self.table).pop("write", None)
        self.broken = None

    @rule()
    def pass_time(self):
        self.clock.advance(1)

    def tell(self, *changes):
        _, error = outcome(lambda done: self.journal.write(changes, done))
        if self.broken is None or self.durability == "memory":
            assert error is None
        else:
            assert isinstance(error, BrokerUnavailable)
            assert "queue.sqlite" in str(error)

    # --- what may come -----------------------------------------------------------------------------------------------

    @rule(queue=QUEUES, spec=st.builds(QueueSpec, ordered=st.booleans(), max_jobs=st.integers(0, 9)))
    def declare(self, queue, spec):
        self.tell(journal.Declare(queue, spec))
        self.specs[queue] = spec
        self.paused.setdefault(queue, False)
        self.totals.setdefault(queue, dict.fromkeys(journal.Totals._fields, 0))

    @precondition(lambda self: self.specs)
    @rule(data=st.data(), count=st.integers(1, 4))
    def put(self, data, count):
        given = [self._job(data) for _ in range(count)]
        answer, error = outcome(self.journal.put, given, NOW_MS)
        if self.broken is not None and self.durability != "memory":
            assert isinstance(error, BrokerUnavailable)
            return
        assert error is None
        for (number, job, wait, until), receipt in zip(given, answer, strict=True):
            known = self.keys.get((job.queue, job.idempotency_key), (0, None)) if until else (0, None)
            if job.idempotency_key is not None and known[0] > NOW_MS:
                assert receipt == known[1]
                self.totals[job.queue]["duplicates"] += 1
                continue
            assert receipt is None
            self.jobs[number] = (replace(job, due_at_ms=min(job.due_at_ms, LONGEST)), wait, None)
            self.totals[job.queue]["enqueued"] += 1
            if until and job.idempotency_key is not None:
                self.keys[job.queue, job.idempotency_key] = (until, job.receipt)

    def _job(self, data):
        self.number += 1
        job = Job(
            id=f"id {self.number}",
            receipt=f"receipt {self.number // 2}",
            queue=data.draw(st.sampled_from(sorted(self.specs))),
            function_id="f",
            namespace="default",
            data=b'"%b"' % (b"x" * data.draw(st.sampled_from([0, 50, 9000]))),
            created_at_ms=self.number,
            due_at_ms=data.draw(TIMES),
            group=data.draw(TEXTS),
            priority=data.draw(st.integers(0, 255)),
            max_retries=data.draw(st.one_of(st.none(), st.just(7))),
            idempotency_key=data.draw(TEXTS),
            traceparent=data.draw(TEXTS),
        )
        return journal.NewJob(
            self.number, job, data.draw(st.integers(0, 9)), data.draw(st.sampled_from([0, 999, 2000]))
        )

    def _one(self, data, *, dead):
        numbers = [number for number, (_, _, at) in self.jobs.items() if dead is None or (at is not None) == dead]
        return data.draw(st.sampled_from(numbers)) if numbers else None

    @rule(data=st.data(), failures=FAILURES, due=TIMES, wait=st.integers(0, 9))
    def retry(self, data, failures, due, wait):
        if (number := self._one(data, dead=False)) is None:
            return
        job = self.jobs[number][0]
        self.tell(journal.Retry(job.queue, number, job.attempts + 1, failures, due, wait))
        job = replace(job, attempts=job.attempts + 1, failures=tuple(failures), due_at_ms=min(due, LONGEST))
        self.jobs[number] = job, wait, None
        self.totals[job.queue]["retried"] += 1

    @rule(data=st.data(), failures=FAILURES, at=st.integers(0, 3))
    def bury(self, data, failures, at):
        if (number := self._one(data, dead=False)) is None:
            return
        job, wait, _ = self.jobs[number]
        self.tell(journal.Bury(job.queue, number, job.attempts + 1, failures, at))
        self.jobs[number] = replace(job, attempts=job.attempts + 1, failures=tuple(failures)), wait, at

    @rule(data=st.data())
    def redrive(self, data):
        if (number := self._one(data, dead=True)) is None:
            return
        self.number += 1
        job = self.jobs.pop(number)[0]
        self.tell(journal.Redrive(job.queue, number, self.number))
        self.jobs[self.number] = replace(job, attempts=0, due_at_ms=0), 0, None
        self.totals[job.queue]["redriven"] += 1

    @rule(data=st.data(), text=st.sampled_from([None, b"1", b"2" * 5000]), retries=st.sampled_from([None, 3]))
    def edit(self, data, text, retries):
        if (number := self._one(data, dead=None)) is None or text is retries is None:
            return
        job, wait, dead = self.jobs[number]
        self.tell(journal.Edit(job.queue, number, text, retries))
        job = replace(job, data=text or job.data, max_retries=job.max_retries if retries is None else retries)
        self.jobs[number] = job, wait, dead

    @rule(data=st.data(), done=st.booleans(), more=st.integers(0, 3))
    def drop(self, data, done, more):
        if (number := self._one(data, dead=None)) is None:
            return
        queue = self.jobs[number][0].queue
        dropped = [n for n, (job, _, _) in self.jobs.items() if job.queue == queue][-more or len(self.jobs) :]
        # Some of them twice, and some that are not there.
        self.tell(journal.Drop(queue, [*dropped, number, number, 10**9 + more], done))
        for gone in {*dropped, number}:
            del self.jobs[gone]
            self.totals[queue]["done" if done else "removed"] += 1

    @precondition(lambda self: self.specs)
    @rule(data=st.data())
    def discard(self, data):
        queue = data.draw(st.sampled_from(sorted(self.specs)))
        self.tell(journal.Discard(queue))
        for number in [n for n, (job, _, at) in self.jobs.items() if job.queue == queue and at is not None]:
            del self.jobs[number]
            self.totals[queue]["removed"] += 1

    @precondition(lambda self: len(self.specs) > 1)
    @rule(data=st.data())
    def move(self, data):
        source, queue = data.draw(st.permutations(sorted(self.specs)))[:2]
        self.tell(journal.Move(source, queue, f"to {queue}", "there"))
        for number, (job, wait, at) in list(self.jobs.items()):
            if job.queue == source and at is None:
                self.jobs[number] = replace(job, queue=queue, function_id=f"to {queue}", namespace="there"), wait, at
                self.totals[source]["removed"] += 1
                self.totals[queue]["enqueued"] += 1

    @precondition(lambda self: self.specs)
    @rule(data=st.data())
    def forget(self, data):
        used = {job.queue for job, _, _ in self.jobs.values()}
        if empty := sorted(set(self.specs) - used):
            queue = data.draw(st.sampled_from(empty))
            self.tell(journal.Forget(queue))
            for book in (self.specs, self.paused, self.totals):
                del book[queue]
            self.keys = {key: told for key, told in self.keys.items() if key[0] != queue}

    @precondition(lambda self: self.specs)
    @rule(data=st.data(), paused=st.booleans())
    def pause(self, data, paused):
        queue = data.draw(st.sampled_from(sorted(self.specs)))
        self.tell(journal.Mark(self.number), journal.Pause(queue, paused))
        self.mark, self.paused[queue] = self.number, paused

    # --- what must be seen -------------------------------------------------------------------------------------------

    @invariant()
    def reads_are_as_the_model_has_it(self):
        numbers = [*range(self.number + 2)]
        found = result(self.journal.read, numbers, 10**9)
        assert found == [self.jobs[n][0] if n in self.jobs else None for n in numbers]

    @precondition(lambda self: self.broken is None and self.specs)
    @rule(data=st.data())
    def look(self, data):
        queue = data.draw(st.sampled_from(sorted(self.specs)))
        own = {n: kept for n, kept in self.jobs.items() if kept[0].queue == queue}
        for n, (job, wait, at) in own.items():
            assert result(self.journal.find, queue, job.id) == (n, job, wait, at is not None)
            assert result(self.journal.find, queue, job.receipt).job.receipt == job.receipt
        assert result(self.journal.find, queue, "nobody") is None
        dead = sorted((at, n) for n, (_, _, at) in own.items() if at is not None)
        for newest_first in (False, True):
            expected = [n for _, n in (reversed(dead) if newest_first else dead)]
            page = result(self.journal.dead, queue, newest_first, 1, 2)
            assert [letter.number for letter in page] == expected[1:3]

    @precondition(lambda self: self.broken is None)
    @rule()
    def start_again(self):
        self.journal.close()
        self.open()
        self.journal.close()
        self.open()
        expected = [
            journal.StoredQueue(
                queue,
                spec,
                self.paused[queue],
                journal.Totals(**self.totals[queue]),
                sum(at is not None and job.queue == queue for job, _, at in self.jobs.values()),
            )
            for queue, spec in sorted(self.specs.items())
        ]
        assert list(self.loaded.queues) == expected
        assert self.loaded.last_number == max(self.jobs, default=0)
        assert self.loaded.mark == self.mark
        for queue in self.specs:
            assert list(self.journal.rows(queue)) == [
                (n, job.group, job.priority, job.due_at_ms, wait, job.attempts)
                for n, (job, wait, at) in sorted(self.jobs.items())
                if job.queue == queue and at is None
            ]


class AgainstUnsaved(Against):
    durability = "memory"


TestWritten = Against.TestCase
TestUnsaved = AgainstUnsaved.TestCase
# Without shrinking, which takes longer than a test may.
TestWritten.settings = TestUnsaved.settings = settings(
    max_examples=12, stateful_step_count=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
