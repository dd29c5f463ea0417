"""Which schedule is due when: a heap. Jobs with one and the same schedule share an entry, and its arithmetic.

Pure, but for what the schedules remember; belongs to one thread.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from iii_actors.builtin.cron.expression import Expression
from iii_actors.builtin.cron.zones import next_after

__all__ = ["Agenda", "Due", "When"]

logger = logging.getLogger(__name__)

_SPARE: Final = 64
"""So many entries of schedules without jobs may lie in the heap whatever its size."""


class When(NamedTuple):
    """A schedule as its trigger names it."""

    expression: Expression
    zone: ZoneInfo | None = None
    """None is UTC."""


class _Plan:
    """The jobs of one schedule."""

    __slots__ = ("jobs", "schedule", "when")

    def __init__(self, when: When) -> None:
        from iii_actors.builtin.cron.calendar import Schedule  # noqa: PLC0415 - croniter is for those who have jobs

        self.when = when
        self.schedule = Schedule(when.expression)
        self.jobs: dict[str, None] = {}
        """Ids, in the order of registration."""


class Due(NamedTuple):
    """A tick."""

    second: int
    """When it was to be, seconds since the epoch."""
    job_ids: list[str]


class Agenda:
    """The schedules of all jobs. Seconds are whole ones since the epoch, UTC."""

    def __init__(self) -> None:
        self._plans: dict[When, _Plan] = {}
        self._when: dict[str, When] = {}
        self._heap: list[tuple[int, int, _Plan]] = []
        self._numbers = itertools.count()
        self._dead = 0
        """How many of the heap's entries are of schedules without jobs, at most."""
        self._taken: list[tuple[int, _Plan]] = []

    def __len__(self) -> int:
        return len(self._when)

    def add(self, job_id: str, when: When, now: int) -> None:
        """Enter a job that is not there yet; its first tick is after ``now``, and what is due then has been taken."""
        plan = self._plans.get(when)
        if plan is None:
            plan = self._plans[when] = _Plan(when)
            self._schedule(plan, now)
        plan.jobs[job_id] = None
        self._when[job_id] = when

    def remove(self, job_id: str) -> None:
        """Strike a job out; unknown ones are no mistake."""
        when = self._when.pop(job_id, None)
        if when is None:
            return
        plan = self._plans[when]
        del plan.jobs[job_id]
        if not plan.jobs:
            del self._plans[when]
            self._dead += 1
            if self._dead > len(self._plans) + _SPARE:
                self._sweep()

    @property
    def next_second(self) -> int | None:
        """When the next tick is, at the earliest; None if there is none to come."""
        while self._heap and not self._heap[0][2].jobs:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: int) -> list[Due]:
        """Take out the ticks that are due, each schedule's once; :meth:`settle` enters the next ones."""
        while self._heap and self._heap[0][0] <= now:
            second, _, plan = heapq.heappop(self._heap)
            if plan.jobs:
                self._taken.append((second, plan))
            else:
                self._dead -= 1
        return [Due(second, list(plan.jobs)) for second, plan in self._taken]

    def settle(self, now: int) -> None:
        """Look up when each schedule that was taken out is next, after ``now``."""
        taken, self._taken = self._taken, []
        for _, plan in taken:
            if plan.jobs:
                self._reschedule(plan, now)

    def restart(self, now: int) -> None:
        """Look up every schedule anew, for the clock is another one."""
        self._heap.clear()
        self._dead = 0
        for plan in self._plans.values():
            self._reschedule(plan, now)

    def _schedule(self, plan: _Plan, now: int) -> None:
        second = next_after(plan.schedule, plan.when.zone, now)
        if second is not None:
            heapq.heappush(self._heap, (second, next(self._numbers), plan))

    def _reschedule(self, plan: _Plan, now: int) -> None:
        """The same, where one schedule's failure must not stop the others."""
        try:
            self._schedule(plan, now)
        except Exception:
            logger.exception("iii-cron: the next time of %s cannot be computed; it fires no more", list(plan.jobs))

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].jobs]
        heapq.heapify(self._heap)
        self._dead = 0
