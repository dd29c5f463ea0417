"""The scheduler: the one actor that knows all jobs and fires them (cron.md §4)."""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple

from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.actor import Round, handles
from iii_actors.builtin.base import Desk
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.cron.agenda import Agenda, Due
from iii_actors.builtin.cron.job import Job, Run
from iii_actors.builtin.cron.locks import Locks, Tick
from iii_actors.clock import Timer
from iii_actors.core.messages import BindTrigger
from iii_actors.core.refs import Core
from iii_actors.core.tracing import PRODUCER
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import CRON_BACK_S, CRON_FAILURES_LOGGED_PER_S, CRON_LATE_S, CRON_LOOK_S, CRON_MAX_JOBS
from iii_actors.wire import messages as wire

__all__ = ["Pause", "Scheduler", "UseLocks"]

logger = logging.getLogger(__name__)


class UseLocks(NamedTuple):
    """Asked of the scheduler: use these locks from now on; every job is scheduled anew (cron.md §6)."""

    locks: Locks


class Pause(NamedTuple):
    """Told: fire nothing any more; what runs is left to its worker."""


class _Look(NamedTuple):
    """From the clock: see what is due."""


class _GiveBack(NamedTuple):
    """From the scheduler to itself: release the locks of the runs that have ended."""


class _Decided(NamedTuple):
    """From the call of a condition: its outcome."""

    run: Run
    result: Raw
    error: wire.ErrorBody | None


class _Over(NamedTuple):
    """From the call of a function: it has ended."""

    run: Run
    error: wire.ErrorBody | None


class Scheduler(Desk):
    """Serves the trigger type ``cron``. A thread of its own, for schedules are computed and locks waited for.

    The wall clock is read when something is due and at least once a second. A tick that is found late is fired once,
    or passed over if it is later than :data:`~iii_actors.limits.CRON_LATE_S`; ticks between it and now are dropped.

    :param worker_id: the built-in worker's id.
    :param calls: makes the calls; not stopped here.
    :param locks: closed when the scheduler stops or gets others.
    """

    def __init__(self, core: Core, worker_id: str, calls: Calls, locks: Locks) -> None:
        super().__init__(core)
        self.provider_id = worker_id
        self._clock = core.clock
        self._observing = core.observing
        self._calls = calls
        self._locks = locks
        self._jobs: dict[str, Job] = {}
        self._agenda = Agenda()
        self._runs = 0
        """How many have begun and not ended."""
        self._over: list[str] = []
        """Jobs whose locks are to be given back."""
        self._logged_second = 0
        self._logged = 0
        """Failed runs in that second of the clock."""
        self._paused = False
        self._seen = self._clock.now()
        self._timer: Timer | None = None
        self._timer_at = 0.0

    # --- jobs --------------------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def _bind(self, request: BindTrigger) -> None:
        if request.answer_to is not None:
            # Told, not asked: the type has changed hands, and this is a binding that stood before.
            self._drop(request.trigger.id)
        super()._bind(request)

    def bind(self, trigger: Trigger) -> None:
        if trigger.id in self._jobs:
            raise TriggerRegistrationFailed(f"Cron job '{trigger.id}' is already registered")
        if len(self._jobs) >= CRON_MAX_JOBS:
            raise TriggerRegistrationFailed(f"there are {len(self._jobs)} cron jobs already, which is the limit")
        job = Job(trigger)
        self._fire_due()
        self._agenda.add(job.id, job.when, int(self._seen))
        self._jobs[job.id] = job
        self._wind()

    def unbind(self, trigger: Trigger) -> None:
        self._drop(trigger.id)

    def _drop(self, job_id: str) -> None:
        """Forget a job and free its lock; a run that is with its worker goes on there, and nobody waits for it."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._agenda.remove(job_id)
            self._end(job)
            self._give_back(_GiveBack())

    @handles(UseLocks)
    def use(self, message: UseLocks) -> None:
        for job in self._jobs.values():
            self._end(job)
        self._give_back(_GiveBack())
        self._locks.close()
        self._locks = message.locks
        self._seen = self._clock.now()
        self._agenda.restart(int(self._seen))
        self._wind()

    @handles(Pause)
    def pause(self, _: Pause) -> None:
        self._paused = True

    # --- time --------------------------------------------------------------------------------------------------------

    @handles(_Look)
    def look(self, _: _Look) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._locks.keep()
            self._fire_due()
        finally:
            self._wind()

    def _fire_due(self) -> None:
        if self._paused:
            return
        now = self._clock.now()
        if now < self._seen - CRON_BACK_S:
            logger.warning("iii-cron: the clock was set back by %.0f s; all jobs are scheduled anew", self._seen - now)
            self._agenda.restart(int(now))
        self._seen = now
        due = self._agenda.take_due(int(now))
        if due:
            try:
                self._fire(due, now)
            finally:
                self._agenda.settle(int(now))

    def _wind(self) -> None:
        """Set the clock's timer for the next look."""
        next_second = self._agenda.next_second
        if next_second is None and not self._runs:
            return
        delay_s = CRON_LOOK_S
        if next_second is not None:
            delay_s = min(delay_s, max(0.0, next_second - self._clock.now()))
        at = self._clock.monotonic() + delay_s
        if self._timer is not None:
            if at >= self._timer_at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._clock.call_later(delay_s, partial(self._tell, _Look()))

    # --- runs --------------------------------------------------------------------------------------------------------

    def _fire(self, due: list[Due], now: float) -> None:
        runs = []
        for second, job_ids in due:
            if second < now - CRON_LATE_S:
                late = "iii-cron: %d jobs, of which %s, were due %.0f s ago: passed over"
                logger.warning(late, len(job_ids), job_ids[0], now - second)
                continue
            for job_id in job_ids:
                job = self._jobs[job_id]
                if job.run is None:
                    runs.append(Run(job, second))
        taken = self._locks.take([Tick(run.job.id, run.second) for run in runs])
        now = self._clock.now()
        # Each worker's calls leave in one write.
        with Round():
            for run in runs:
                if run.job.id in taken:
                    self._begin(run, now)

    def _begin(self, run: Run, now: float) -> None:
        job = run.job
        job.run = run
        self._runs += 1
        run.payload = job.payload(run.second, now)
        if job.condition is None:
            self._invoke(run)
        else:
            self._calls.call(
                job.condition,
                run.payload,
                lambda result, error: self._tell(_Decided(run, result, error)),
                namespace=job.trigger.namespace,
            )

    def _invoke(self, run: Run) -> None:
        job = run.job
        tracer = self._observing.tracer
        if tracer is not None:
            run.span = tracer.begin(f"call {job.trigger.function_id}", PRODUCER)
        self._calls.call(
            job.trigger.function_id,
            run.payload,
            lambda _, error: self._tell(_Over(run, error)),
            namespace=job.trigger.namespace,
            metadata=job.metadata,
            traceparent=run.span.traceparent if run.span is not None else None,
        )

    @handles(_Decided)
    def decided(self, outcome: _Decided) -> None:
        """Go on, unless the condition says exactly ``false`` or cannot say anything (cron.md §4)."""
        run, error = outcome.run, outcome.error
        job = run.job
        if job.run is not run:
            return
        if error is not None:
            self._complain(
                "Cron job %s: its condition %s failed, so %s is not called: %s: %s",
                job.id,
                job.condition,
                job.trigger.function_id,
                error.code,
                error.message,
            )
        elif bytes(outcome.result) != b"false":
            self._invoke(run)
            return
        self._end(job)

    @handles(_Over)
    def over(self, outcome: _Over) -> None:
        job, error = outcome.run.job, outcome.error
        span = outcome.run.span
        if span is not None:
            told = (("job_id", job.id), ("function_id", job.trigger.function_id), ("faas.trigger", "timer"))
            span.end(told, error)
        if job.run is not outcome.run:
            return
        if error is not None:
            self._complain("Cron job %s: %s failed: %s: %s", job.id, job.trigger.function_id, error.code, error.message)
        self._end(job)

    def _complain(self, text: str, *told: object) -> None:
        """Log a run that has failed, unless too many have in this second; those are counted."""
        second = int(self._clock.monotonic())
        if second != self._logged_second:
            if self._logged > CRON_FAILURES_LOGGED_PER_S:
                logger.warning("iii-cron: %d more runs failed", self._logged - CRON_FAILURES_LOGGED_PER_S)
            self._logged_second, self._logged = second, 0
        self._logged += 1
        if self._logged <= CRON_FAILURES_LOGGED_PER_S:
            logger.warning(text, *told)

    def _end(self, job: Job) -> None:
        if job.run is not None:
            job.run = None
            self._runs -= 1
            if not self._over:
                # Of many runs that end together all locks are given back at once.
                self._tell(_GiveBack())
            self._over.append(job.id)

    @handles(_GiveBack)
    def _give_back(self, _: _GiveBack) -> None:
        over, self._over = self._over, []
        if over:
            self._locks.release(over)

    def _tell(self, message: object) -> None:
        """Tell this actor, from whichever thread."""
        try:
            self.actor_ref.tell(message)
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._locks.close()
