"""Jobs that wait for a thread: a bounded number of them, and of bytes they keep."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["Backlog", "Job", "Refuse", "WaitingJob", "refuse_all"]

logger = logging.getLogger(__name__)

Job = Callable[[], None]
Refuse = Callable[[str], None]


class WaitingJob(NamedTuple):
    """A job, the bytes it keeps, and whom to tell why if it is not run after all."""

    job: Job
    size: int
    refuse: Refuse | None


class Backlog:
    """A first-in-first-out queue with two bounds. Reservations count as if the job was here already.

    Not thread-safe: its owner's lock guards it.
    """

    __slots__ = ("_bytes", "_jobs", "_max_bytes", "_max_jobs", "_reserved")

    def __init__(self, max_jobs: int, max_bytes: int) -> None:
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._jobs: deque[WaitingJob] = deque()
        self._reserved = 0
        self._bytes = 0

    def __len__(self) -> int:
        """How many jobs are here, reservations not counted."""
        return len(self._jobs)

    @property
    def total(self) -> int:
        """How many jobs are here or will be."""
        return len(self._jobs) + self._reserved

    def room(self, size: int) -> bool:
        """Return whether there is room for one more job that keeps so many bytes."""
        return len(self._jobs) + self._reserved < self._max_jobs and self._bytes + size <= self._max_bytes

    def reserve(self, size: int) -> None:
        """Count a job that waits elsewhere."""
        self._reserved += 1
        self._bytes += size

    def release(self, size: int) -> None:
        """It does not wait there any more."""
        self._reserved -= 1
        self._bytes -= size

    def append(self, waiting: WaitingJob) -> None:
        """Put a job last; the owner has asked for :meth:`room`."""
        self._jobs.append(waiting)
        self._bytes += waiting.size

    def put_back(self, waiting: WaitingJob) -> None:
        """Put a job first, where it was."""
        self._jobs.appendleft(waiting)
        self._bytes += waiting.size

    def take(self) -> WaitingJob:
        """Take the first job out."""
        waiting = self._jobs.popleft()
        self._bytes -= waiting.size
        return waiting

    def clear(self) -> list[WaitingJob]:
        """Take all jobs out; reservations stay."""
        jobs = list(self._jobs)
        self._jobs.clear()
        self._bytes -= sum(waiting.size for waiting in jobs)
        return jobs


def refuse_all(jobs: Iterable[WaitingJob], reason: str) -> None:
    """Tell each job's owner why it is not run; without any lock."""
    for waiting in jobs:
        if waiting.refuse is None:
            logger.warning("A job on the handler pool was not run: %s", reason)
            continue
        try:
            waiting.refuse(reason)
        except Exception:
            logger.exception("Refusing a job failed")
