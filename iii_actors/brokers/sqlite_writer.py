"""The actor that owns a file of queues: all that waits goes into one transaction, answered when it is written.

What has happened in the broker and cannot be written stays with it, is seen by whoever reads, and is written as soon as
that is possible; a job that cannot be written is refused.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pykka

from iii_actors.actor import Round, ThreadedActor, handles
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.sqlite_file import QueueFile
from iii_actors.brokers.sqlite_pending import Pending
from iii_actors.brokers.sqlite_requests import (
    Answer,
    Dead,
    Find,
    Put,
    Read,
    Request,
    Write,
    looked,
    stored_under,
)
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import (
    QUEUE_KEYS,
    QUEUE_KEYS_LOOK_S,
    QUEUE_WRITE_AGAIN_S,
    STORE_GROUP,
    STORE_SAVE_FLOOR_MS,
    STORE_SWEEP,
    STORE_SWEEP_PAUSE_S,
    STORE_UNSAVED_BYTES,
)
from iii_actors.storage.sqlite_errors import may_pass_alone, said

__all__ = ["Close", "Work", "Writer"]

logger = logging.getLogger(__name__)


class Work(NamedTuple):
    """Told: requests wait."""


class Close(NamedTuple):
    """Asked: carry out what waits, write it, let go of the file."""


class _Save(NamedTuple):
    """Told by the clock: write out what is not written."""


class _Sweep(NamedTuple):
    """Told by the clock: forget the keys whose time is over."""


class Writer(ThreadedActor):
    """Owns the file and what is not in it yet.

    :param save_interval_ms: None: every answer waits for the commit; else nothing waits, and so often all is written.
    """

    def __init__(self, file: QueueFile, clock: Clock, save_interval_ms: int | None) -> None:
        super().__init__()
        self._file = file
        self._table = file.table
        self._clock = clock
        self._pending = Pending(file.queues, max(file.queues.values(), default=0))
        self._save_s = None
        if save_interval_ms is not None:
            self._save_s = max(save_interval_ms, STORE_SAVE_FLOOR_MS) / 1000
        self._saving: Timer | None = None
        self._sweeping: Timer | None = None
        self._failing: Exception | None = None
        """Why the last attempt to write failed."""
        self._closed = False
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._told = False
        """A :class:`Work` is on its way."""
        self.bytes_done = 0
        """How many bytes of jobs have been carried out since the start."""

    # --- taking in, on the caller's thread ---------------------------------------------------------------------------

    def take_in(self, request: Request) -> None:
        """Let a request wait for its turn: never refused, as one that tells what has happened must not be."""
        with self._lock:
            self._waiting.append(request)
            tell, self._told = not self._told, True
        if tell:
            self._tell_oneself()

    def _tell_oneself(self) -> None:
        try:
            self.actor_ref.tell(Work())
        except pykka.ActorDeadError:
            self.refuse_waiting()

    def refuse_waiting(self) -> None:
        """Say that it is too late, once the actor has stopped."""
        with self._lock:
            late, self._waiting, self._told = self._waiting, deque(), False
        for request in late:
            if request.done is not None:
                request.done(None, BrokerClosed())

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    # --- groups ------------------------------------------------------------------------------------------------------

    @handles(Work)
    def work(self, _: Work) -> None:
        """Carry out what waits, as much of it as goes into one transaction."""
        with self._lock:
            self._told = False
        self._carry_out(self._next_group())
        if self._waiting:
            # By way of the mailbox, so that timers and closing have their turn.
            with self._lock:
                tell, self._told = not self._told, True
            if tell:
                self._tell_oneself()

    def _next_group(self) -> list[Request]:
        """Take out what stands first: requests that go together, or one that goes alone."""
        group: list[Request] = []
        waiting = self._waiting
        # Nobody else takes anything out, so what stands first stays first.
        while waiting and len(group) < STORE_GROUP:
            if isinstance(waiting[0], Find | Dead):
                return group or [waiting.popleft()]
            group.append(waiting.popleft())
        return group

    def _carry_out(self, group: Sequence[Request]) -> None:
        if not group:
            return
        try:
            answers = self._results(group)
        except Exception as error:
            logger.exception("%s: a group of %d requests failed", self._file.path, len(group))
            answers = [(None, self._said(error))] * len(group)
        self.bytes_done += sum(one.size for one in group if isinstance(one, Put))
        self._plan_save()
        self._plan_sweep()
        # One round, so that all answers to one peer leave in one write.
        with Round():
            for request, answer in zip(group, answers, strict=True):
                if request.done is None:
                    continue
                try:
                    request.done(*answer)
                except Exception:
                    logger.exception("%s: the answer to a request could not be given", self._file.path)

    def _results(self, group: Sequence[Request]) -> Sequence[Answer]:
        """Return each one's result, written as far as it must be."""
        if self._closed:
            return [(None, BrokerClosed())] * len(group)
        first = group[0]
        if isinstance(first, Find | Dead):
            return [self._looked(first)]
        if self._save_s is not None:
            return self._unwritten_results(group)
        before = self._pending.begin()
        answers = [self._run(request) for request in group]
        try:
            self._write_out()
        except Exception as failure:
            self._pending.restore(before)
            return self._results_apart(group, answers, failure)
        return answers

    def _results_apart(self, group: Sequence[Request], together: Sequence[Answer], failure: Exception) -> list[Answer]:
        """Answer a group that could not be written: what has happened stays, and jobs may fit one by one."""
        answers = list(together)
        happened = [nth for nth, request in enumerate(group) if isinstance(request, Write)]
        for nth in happened:
            answers[nth] = self._run(group[nth])
        apart = may_pass_alone(failure)
        if self._pending:
            error = self._tried() if apart else self._failed(failure)
            for nth in happened:
                answers[nth] = (None, answers[nth][1] or error)
        for nth, request in enumerate(group):
            if isinstance(request, Put) and answers[nth][1] is None:
                answers[nth] = self._put_alone(request) if apart else (None, self._said(failure))
        return answers

    def _put_alone(self, request: Put) -> Answer:
        """Store jobs of which it is not known whether they can be."""
        before = self._pending.begin()
        answer = self._run(request)
        if answer[1] is None:
            try:
                self._write_out()
            except Exception as failure:
                answer = None, self._said(failure)
        if answer[1] is not None:
            self._pending.restore(before)
        return answer

    def _unwritten_results(self, group: Sequence[Request]) -> Sequence[Answer]:
        """Carry out in memory. When too much is unsaved, save first; while that fails, jobs are refused."""
        if self._pending.size > STORE_UNSAVED_BYTES and self._failing is None:
            self._tried()
        if self._failing is None or self._pending.size <= STORE_UNSAVED_BYTES:
            return [self._run(request) for request in group]
        refusal = self._said(self._failing)
        return [(None, refusal) if isinstance(one, Put) else self._run(one) for one in group]

    # --- one request -------------------------------------------------------------------------------------------------

    def _run(self, request: Request) -> Answer:
        """Carry out without writing."""
        try:
            if isinstance(request, Put):
                return stored_under(request, self._pending, self._table), None
            if isinstance(request, Read):
                return request.answer(self._pending, self._table), None
            if isinstance(request, Write):
                return None, self._happened(request)
            return looked(request, self._pending, self._table), None
        except Exception as error:
            return None, self._said(error)

    def _happened(self, request: Write) -> EngineError | None:
        """Take in all that can be; return the last error."""
        refusal = None
        for change in request.changes:
            try:
                self._pending.change(change)
            except Exception as error:
                logger.exception("%s: a change of a queue is lost", self._file.path)
                refusal = self._said(error)
        return refusal

    def _looked(self, request: Find | Dead) -> Answer:
        """Look into the file, in which everything has to be for that."""
        error = self._tried() if self._pending else None
        return self._run(request) if error is None else (None, error)

    def _said(self, error: Exception) -> EngineError:
        """Return what the caller is told of an error."""
        if isinstance(error, EngineError):
            return error
        if not isinstance(error, (sqlite3.Error, UnicodeEncodeError)):
            logger.error("%s: a request failed", self._file.path, exc_info=error)
        return BrokerUnavailable(said(self._file.path, error))

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write_out(self) -> None:
        """Write all that is not written; an error means that nothing of it has been."""
        if not self._pending:
            self._pending.clear()
            return
        self._table.write(self._pending)
        self._pending.clear()
        if self._failing is not None:
            logger.info("%s: written again", self._file.path)
            self._failing = None

    def _tried(self) -> EngineError | None:
        """Write what has happened; what cannot be written stays where it is, and is tried again. Return the error."""
        try:
            self._write_out()
        except Exception as error:
            return self._failed(error)
        return None

    def _failed(self, failure: Exception) -> EngineError:
        """Log it, once for all that fails until it is over; return what is told."""
        refusal = self._said(failure)
        if self._failing is None:
            logger.error("%s; what is not written is kept in memory", refusal)
        self._failing = failure
        return refusal

    def _plan_save(self) -> None:
        """See that what is not written will be."""
        if self._saving is None and self._pending and not self._closed:
            delay = self._save_s if self._save_s is not None else QUEUE_WRITE_AGAIN_S
            self._saving = self._clock.call_later(delay, self._teller(_Save()))

    def _teller(self, message: _Save | _Sweep) -> Callable[[], object]:
        return lambda: self.actor_ref.tell(message)

    @handles(_Save)
    def save_now(self, _: _Save) -> None:
        self._saving = None
        if not self._closed:
            self._tried()
            self._plan_save()
            self._plan_sweep()

    # --- keys that have ended ----------------------------------------------------------------------------------------

    def _plan_sweep(self) -> None:
        if self._sweeping is not None or self._closed or not self._table.keys:
            return
        try:
            due = self._table.next_ending()
        except sqlite3.Error:
            due = None  # the disk fails; it is looked for again
        if not self._table.keys:
            return
        # Others may come that are remembered for a shorter time.
        delay = due / 1000 - self._clock.now() if due is not None else QUEUE_KEYS_LOOK_S
        if self._table.keys > QUEUE_KEYS:
            delay = 0.0
        delay = min(max(delay, STORE_SWEEP_PAUSE_S), QUEUE_KEYS_LOOK_S)
        self._sweeping = self._clock.call_later(delay, self._teller(_Sweep()))

    @handles(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        """Forget some, and let others in between."""
        self._sweeping = None
        if self._closed:
            return
        try:
            gone = self._table.forget_keys(int(self._clock.now() * 1000), QUEUE_KEYS, STORE_SWEEP)
        except sqlite3.Error as error:
            logger.warning("%s; ended keys are forgotten later", said(self._file.path, error))
            gone = 0
        if gone < STORE_SWEEP:
            self._plan_sweep()
        else:
            self.actor_ref.tell(_Sweep())

    # --- the end -----------------------------------------------------------------------------------------------------

    @handles(Close)
    def close(self, _: Close) -> None:
        """Carry out what waits, write it, work the log in, let go."""
        if self._closed:
            return
        while self._waiting:
            self._carry_out(self._next_group())
        if self._tried() is not None:
            logger.error("%s: the disk fails to the end: jobs that were done meanwhile come again", self._file.path)
        self._closed = True
        for timer in (self._saving, self._sweeping):
            if timer is not None:
                timer.cancel()
        try:
            self._file.close()
        except sqlite3.Error as error:
            logger.warning("%s; the next start works its log in", said(self._file.path, error))
