"""What is seldom done with a local broker: queues come and go, operators look and mend.

Runs inside the broker's actor. A job is looked for in the journal, which may answer later; whatever has happened to the
job meanwhile makes it be looked for once more, so that nobody acts on what is not true any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from msgspec import msgpack
from msgspec.structs import replace

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerClosed, QueueNotFound
from iii_actors.brokers.job import Counts, Job, JobState, Listed, Outcome, QueueSpec, Selection
from iii_actors.brokers.journal import Declare, Discard, Drop, Edit, Forget, Found, Move, Pause, Redrive, edited
from iii_actors.brokers.local_core import Core, Errand
from iii_actors.brokers.local_line import Line
from iii_actors.brokers.order import take_over
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_AHEAD_BYTES, QUEUE_REDRIVE_PAGE

__all__ = ["Desk"]


class Desk:
    """The errands of one broker; each takes the arguments of the broker's method of that name."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def _line(self, queue: str, done: Done[Any]) -> Line | None:
        line = self._core.lines.get(queue)
        if line is None:
            done(None, QueueNotFound(queue))
        return line

    # --- queues ------------------------------------------------------------------------------------------------------

    def declare(self, queue: str, spec: QueueSpec, done: Done[None]) -> None:
        line = self._core.lines.get(queue)
        if line is None:
            self._core.lines[queue] = Line.new(queue, spec)
            self._core.write(Declare(queue, spec), done)
            # A job that comes in this same batch goes to the journal at once, and must find its queue there.
            self._core.flush()
            return
        if line.spec == spec:
            done(None, None)
            return
        line.apply(spec)
        self._core.mark_dirty(line)
        self._core.write(Declare(queue, spec), done)

    def forget(self, queue: str, done: Done[bool]) -> None:
        line = self._core.lines.get(queue)
        if line is None or not line.empty():
            done(False, None)
            return
        del self._core.lines[queue]
        self._core.write(Forget(queue), done, True)

    def queues(self, done: Done[Sequence[str]]) -> None:
        done(sorted(self._core.lines), None)

    def pause(self, queue: str, paused: bool, done: Done[bool]) -> None:
        line = self._line(queue, done)
        if line is None:
            return
        if line.paused == paused:
            done(False, None)
            return
        line.paused = paused
        self._core.mark_dirty(line)
        self._core.write(Pause(queue, paused), done, True)

    def counts(self, queue: str, done: Done[Counts]) -> None:
        line = self._line(queue, done)
        if line is None:
            return
        oldest = line.order.oldest()
        counts = line.counts()
        if oldest is None:
            done(counts, None)
            return

        def came(jobs: Sequence[Job | None]) -> None:
            job = jobs[0]
            done(counts if job is None else replace(counts, oldest_waiting_ms=job.created_at_ms), None)

        self._bodies([oldest], came, done)

    def move(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        old = self._line(source, done)
        line = self._line(queue, done) if old is not None else None
        if old is None or line is None:
            return
        count = old.order.waiting + len(old.order.delayed)
        numbers = [number for number, *_ in old.order.standing()] + list(old.order.delayed)
        self._touched(old, numbers)
        take_over(line.order, old.order)
        old.order.clear(waiting=True, delayed=True)
        old.removed += count
        line.enqueued += count
        line.epoch += 1
        self._core.write(Move(source, queue, function_id, namespace), done, Outcome(count))
        self._core.look_later(line)
        self._core.mark_dirty(line)

    # --- looking -----------------------------------------------------------------------------------------------------

    def list(self, queue: str, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]) -> None:
        line = self._line(queue, done)
        if line is None:
            return
        order = line.order
        if state is JobState.DEAD:
            self._core.flush()
            answer = _then(lambda page: [_listed(found.job, state) for found in page], done)
            self._core.journal.dead(queue, True, offset, limit, answer)
            return
        if state is JobState.WAITING:
            numbers = list(islice(order.in_line(), offset, offset + limit))
        elif state is JobState.DELAYED:
            numbers = list(order.by_time(offset + limit)[offset:])
        else:
            jobs = [flight.delivery.job for flight in islice(order.flying.values(), offset, offset + limit)]
            done([_listed(job, state) for job in jobs], None)
            return
        self._bodies(numbers, lambda jobs: done([_listed(job, state) for job in jobs if job is not None], None), done)

    def _bodies(self, numbers: Sequence[int], then: Callable[[Sequence[Job | None]], None], done: Done[Any]) -> None:
        """Get jobs by numbers, from memory if all are there."""
        self._core.flush()
        held = [self._core.jobs.get(number) for number in numbers]
        if self._core.instant or None not in held:
            then(held)
            return

        def came(jobs: Sequence[Job | None] | None, error: EngineError | None) -> None:
            if jobs is None:
                done(None, error)
            else:
                then(jobs)

        self._core.journal.read(numbers, QUEUE_AHEAD_BYTES, came)

    def find(self, queue: str, id: str, done: Done[Listed]) -> None:  # noqa: A002 - the protocol's word
        self._look(queue, id, done, lambda line, found: done(_listed(found.job, _state(line, found)), None), None)

    def _look(self, queue: str, id: str, done: Done[Any], then: Callable[[Line, Found], None], absent: Any) -> None:  # noqa: A002
        """Find a job as it is at this moment, and go on with it inside the actor."""
        line = self._line(queue, done)
        if line is None:
            return
        core = self._core
        core.flush()
        since = core.looks.begin()

        def came(found: Found | None, error: EngineError | None) -> None:
            stale = found is not None and core.looks.stale(since, found.number)
            core.looks.end()
            if error is not None:
                done(None, error)
            elif core.closed:
                done(None, BrokerClosed())
            elif found is None:
                done(absent, None)
            elif stale or core.lines.get(queue) is not line:
                self._look(queue, id, done, then, absent)
            else:
                then(line, found)

        core.journal.find(queue, id, core.back(came))

    # --- mending -----------------------------------------------------------------------------------------------------

    def redrive(self, queue: str, id: str | None, done: Done[Outcome]) -> None:  # noqa: A002
        if id is not None:

            def found_one(line: Line, found: Found) -> None:
                if found.dead:
                    self._revive(line, found)
                    self._core.answer_written(done, Outcome(1))
                else:
                    done(Outcome(0), None)

            self._look(queue, id, done, found_one, Outcome(0))
            return
        line = self._line(queue, done)
        if line is not None:
            self._redrive_page(line, line.dead, 0, done)

    def _redrive_page(self, line: Line, left: int, count: int, done: Done[Outcome]) -> None:
        """Put back a page of dead letters, oldest first, and go on until all are back that there were at first."""
        core = self._core
        core.flush()
        since = core.looks.begin()

        def came(page: Sequence[Found] | None, error: EngineError | None) -> None:
            fresh = [found for found in page or () if not core.looks.stale(since, found.number)][:left]
            core.looks.end()
            if error is not None:
                done(None, error)
                return
            for found in fresh:
                self._revive(line, found)
            if page and left > len(fresh):
                core.later(Errand(self._redrive_page, (line, left - len(fresh), count + len(fresh)), done))
            else:
                core.answer_written(done, Outcome(count + len(fresh)))

        core.journal.dead(line.key, False, 0, min(left, QUEUE_REDRIVE_PAGE), core.back(came))

    def _revive(self, line: Line, found: Found) -> None:
        core = self._core
        core.number += 1
        core.looks.touch(found.number)
        line.dead -= 1
        line.redriven += 1
        line.order.add(core.number, found.job.group, line.priority(found.job))
        core.write(Redrive(line.key, found.number, core.number), None)
        core.mark_dirty(line)

    def remove(self, queue: str, selection: Selection, done: Done[Outcome]) -> None:
        states, id = selection  # noqa: A001 - the protocol's word
        if id is not None:

            def found_one(line: Line, found: Found) -> None:
                state = _state(line, found)
                if state in states:
                    self._take_out(line, found, state)
                    self._core.answer_written(done, Outcome(1))
                else:
                    done(Outcome(0), None)

            self._look(queue, id, done, found_one, Outcome(0))
            return
        line = self._line(queue, done)
        if line is None:
            return
        count = self._purge(line, states)
        self._core.answer_written(done, Outcome(count))

    def _take_out(self, line: Line, found: Found, state: JobState) -> None:
        number = found.number
        if state is JobState.DEAD:
            line.dead -= 1
        elif state is JobState.IN_FLIGHT:
            line.order.settle(line.order.flying[number])
            line.again.discard(number)
        else:
            line.order.remove(number, found.job.group)
        self._touched(line, (number,))
        line.removed += 1
        self._core.write(Drop(line.key, (number,), False), None)
        self._core.mark_dirty(line)

    def _purge(self, line: Line, states: frozenset[JobState]) -> int:
        """Drop all jobs of some states."""
        order = line.order
        numbers = list(order.clear(JobState.WAITING in states, JobState.DELAYED in states))
        if JobState.IN_FLIGHT in states:
            flights = list(order.flying.values())
            for flight in flights:
                order.settle(flight)
            numbers += [flight.number for flight in flights]
        count = len(numbers)
        if numbers:
            self._touched(line, numbers)
            line.again.difference_update(numbers)
            self._core.write(Drop(line.key, numbers, False), None)
        if JobState.DEAD in states and line.dead:
            count += line.dead
            line.dead = 0
            self._core.looks.touch_all()
            self._core.write(Discard(line.key), None)
        line.removed += count
        self._core.mark_dirty(line)
        return count

    def edit(self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]) -> None:  # noqa: A002
        def found_one(line: Line, found: Found) -> None:
            if _state(line, found) is JobState.IN_FLIGHT:
                done(False, None)
                return
            self._core.looks.touch(found.number)
            line.epoch += 1
            if not self._core.instant and found.number in self._core.jobs:
                self._core.let_go(line, found.number)
                self._core.keep(line, found.number, edited(found.job, data, max_retries))
            self._core.write(Edit(queue, found.number, data, max_retries), done, True)

        self._look(queue, id, done, found_one, False)

    def _touched(self, line: Line, numbers: Sequence[int]) -> None:
        """Note that these are not what they were, or not there any more."""
        line.epoch += 1
        for number in numbers:
            self._core.looks.touch(number)
            if not self._core.instant:
                self._core.let_go(line, number)


def _state(line: Line, found: Found) -> JobState:
    return JobState.DEAD if found.dead else line.order.state(found.number)


def _listed(job: Job, state: JobState) -> Listed:
    return Listed(job, state, len(msgpack.encode(job)))


def _then(change: Callable[[Any], Any], done: Done[Any]) -> Done[Any]:
    """Return a ``done`` that changes the result first."""
    return lambda result, error: done(None if error is not None else change(result), error)
