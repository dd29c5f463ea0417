"""The threads a handler pool knows: its own, and those of others that run one of its jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from iii_worker.backlog import Job
from iii_worker.blocking import Place

if TYPE_CHECKING:
    from iii_worker.pool import HandlerPool

__all__ = ["Guest", "Handover", "PoolThread"]


class PoolThread(Place):
    """A thread of the pool: what it is to do next, and the lock it is parked on. The pool's lock guards all of it."""

    __slots__ = ("counted", "epoch", "job", "overdue", "pool", "wake")

    def __init__(self, pool: HandlerPool, job: Job) -> None:
        super().__init__()
        self.pool = pool
        self.job: Job | None = job
        self.wake = threading.Lock()
        self.wake.acquire()
        self.epoch = 0
        """Counts the jobs it has had; 0: it has not been started."""
        self.overdue = False
        """Its job was given up on; it stands aside until that ends."""
        self.counted = True
        """Whether it is among the running ones, rather than aside."""

    def step_aside(self) -> None:
        self.pool.step_aside(self)

    def come_back(self) -> None:
        self.pool.come_back(self)


class Guest(Place):
    """A thread of somebody else's that runs a job of the pool."""

    __slots__ = ("pool",)

    def __init__(self, pool: HandlerPool) -> None:
        super().__init__()
        self.pool = pool


class Handover(NamedTuple):
    """A running job, as others may refer to it; a later job of the same thread is not meant."""

    thread: PoolThread
    epoch: int
