"""Who may run a tick, where several engines have the same job (cron.md §5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import NamedTuple

__all__ = ["Locks", "NoLocks", "Tick"]


class Tick(NamedTuple):
    """One tick of one job."""

    job_id: str
    second: int
    """When it is to be, seconds since the epoch."""


class Locks(ABC):
    """The right to run a job, from taking it until it is released. Used from one thread, which it may keep waiting."""

    @abstractmethod
    def take(self, ticks: Sequence[Tick]) -> Collection[str]:
        """Return the ids of the jobs that may run; a tick refused is lost. Never raises."""

    @abstractmethod
    def release(self, job_ids: Sequence[str]) -> None:
        """Give back what was taken. What is not held is passed over; never raises."""

    @abstractmethod
    def keep(self) -> None:
        """Look after what is held; to be called about once a second. Never raises."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back and end the connection, if there is one."""


class NoLocks(Locks):
    """The adapter ``kv``: this engine is alone, and its scheduler runs no job twice at a time."""

    def take(self, ticks: Sequence[Tick]) -> Collection[str]:
        return {tick.job_id for tick in ticks}

    def release(self, job_ids: Sequence[str]) -> None:
        pass

    def keep(self) -> None:
        pass

    def close(self) -> None:
        pass
