"""The order of a queue as plainly as it can be written: a list of jobs, looked through each time."""

from __future__ import annotations

from dataclasses import dataclass, field

from iii_actors.brokers.order import FRESH

__all__ = ["PlainJob", "PlainOrder"]


@dataclass
class PlainJob:
    number: int
    group: str | None
    priority: int
    rank: float = FRESH
    due: float = 0.0
    tried: bool = False
    state: str = "waiting"


@dataclass
class PlainOrder:
    ordered: bool
    jobs: dict[int, PlainJob] = field(default_factory=dict)

    def of(self, state: str) -> list[PlainJob]:
        return [job for job in self.jobs.values() if job.state == state]

    def wake(self, now: float) -> None:
        for job in self.of("delayed"):
            if job.due <= now:
                job.state = "waiting"
                job.rank = job.due if job.tried else FRESH

    def in_line(self) -> list[int]:
        """Return what waits, in order; of an ordered queue what would go now, and behind it the rest."""
        waiting = self.of("waiting")
        if not self.ordered:
            return [job.number for job in sorted(waiting, key=lambda one: (-one.priority, one.rank, one.number))]
        free = [job for job in waiting if self._is_head(job)]
        return [job.number for job in sorted(free, key=lambda one: (one.rank, one.number))]

    def _is_head(self, job: PlainJob) -> bool:
        others = [one for one in self.jobs.values() if one.group == job.group and one is not job]
        return all(one.state != "flying" and one.number > job.number for one in others)

    def next(self) -> int | None:
        return next(iter(self.in_line()), None)

    def retry(self, number: int, due: float, now: float) -> None:
        job = self.jobs[number]
        job.tried, job.due = True, due
        if due <= now:
            job.state, job.rank = "waiting", due
        else:
            job.state = "delayed"

    def turn(self) -> None:
        """Be the other kind from now on."""
        self.ordered = not self.ordered
        if not self.ordered:
            for job in self.jobs.values():
                job.priority = 0
