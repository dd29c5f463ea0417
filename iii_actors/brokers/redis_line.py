"""What an engine knows of one queue in Redis: who gets its jobs here, and which it has out."""

from __future__ import annotations

from typing import Final, NamedTuple

from iii_actors.brokers.contract import Delivery, Sink
from iii_actors.brokers.job import QueueSpec

__all__ = ["NEVER", "Flying", "Lease", "Line"]

NEVER: Final = float("inf")


class Lease(NamedTuple):
    """Names one delivery."""

    entry: str
    """In the queue's stream; never used twice."""
    score: int
    """The job's place in line, should it go back there."""


class Flying(NamedTuple):
    """A delivery whose end has not been told."""

    delivery: Delivery
    sink: Sink
    deadline: float
    """By the monotonic clock: when its visibility time is over; :data:`NEVER` if there is none."""


class Line:
    """Owned by the carrier's thread."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.spec: QueueSpec | None = None
        """As declared here, or found at the start; what Redis loses is made again with it."""
        self.sink: Sink | None = None
        self.credit = 0
        self.hungry = False
        """Redis knows that this engine waits for jobs: it need not ask, it is told."""
        self.joined = False
        """This engine is in the queue's consumer group."""
        self.stirred = False
        """To be looked at with the present parcel."""
        self.flying: dict[str, Flying] = {}
        """By entry."""
        self.alarm = NEVER
        """By the monotonic clock: when the line is to be looked at."""

    @property
    def active(self) -> bool:
        return self.sink is not None or bool(self.flying)

    def deadline(self, now: float) -> float:
        """Return when the next visibility time is over."""
        if self.spec is None or self.spec.visibility_ms is None:
            return NEVER
        return min((one.deadline for one in self.flying.values() if one.deadline > now), default=NEVER)
