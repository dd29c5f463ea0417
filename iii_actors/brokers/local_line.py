"""What the local broker knows of one queue."""

from __future__ import annotations

from iii_actors.brokers.contract import Sink
from iii_actors.brokers.job import Counts, Job, QueueSpec
from iii_actors.brokers.journal import StoredQueue, Totals
from iii_actors.brokers.order import Order, StandardOrder
from iii_actors.brokers.order_groups import GroupedOrder

__all__ = ["NEVER", "Line"]

NEVER = float("inf")
_HIGHEST_PRIORITY = 255


class Line:
    """One queue: its order, its book, its consumer. Belongs to the broker's actor."""

    def __init__(self, stored: StoredQueue) -> None:
        self.key = stored.queue
        self.spec = stored.spec
        self.paused = stored.paused
        self.dead = stored.dead
        self.order: Order = GroupedOrder() if stored.spec.ordered else StandardOrder()
        self.sink: Sink | None = None
        self.credit = 0
        self.pending = 0
        """Jobs handed to the journal, not yet known to be stored."""
        self.again: set[int] = set()
        """Jobs whose earlier delivery may have reached a worker."""
        self.dirty = False
        """There may be something to be delivered."""
        self.alarm = NEVER
        """When the line is looked at next for what has become due."""
        self.kept = 0
        """How many of those that wait have their job in memory beside the journal."""
        self.reading = False
        """Jobs at its head are being read."""
        self.epoch = 0
        """Changes whenever what is being read may be out of date."""
        self.enqueued, self.done, self.removed, self.redriven, self.retried, self.duplicates = stored.totals

    @classmethod
    def new(cls, key: str, spec: QueueSpec) -> Line:
        return cls(StoredQueue(key, spec, False, Totals(), 0))

    def apply(self, spec: QueueSpec) -> None:
        """Take another spec; jobs that came without a group are one group where there is order now."""
        if spec.ordered != self.spec.ordered:
            order: Order = GroupedOrder() if spec.ordered else StandardOrder()
            order.adopt(self.order)
            self.order = order
        self.spec = spec

    def full(self, more: int) -> bool:
        """Return whether so many more are too many; as many dead letters are too many as jobs that live."""
        limit = self.spec.max_jobs
        return limit > 0 and (len(self.order) + self.pending + more > limit or self.dead >= limit)

    def empty(self) -> bool:
        return not (len(self.order) or self.pending or self.dead)

    def priority(self, job: Job) -> int:
        return min(max(job.priority, 0), self.highest_priority)

    @property
    def highest_priority(self) -> int:
        highest = self.spec.max_priority
        return _HIGHEST_PRIORITY if highest is None else highest

    def deadline(self) -> float:
        """Return when the visibility time of the first job in flight ends."""
        ends = (flight.deadline for flight in self.order.flying.values() if flight.deadline is not None)
        return min(ends, default=NEVER)

    def counts(self) -> Counts:
        """Count, but for the age of the oldest."""
        return Counts(
            enqueued=self.enqueued,
            done=self.done,
            removed=self.removed,
            waiting=self.order.waiting,
            delayed=len(self.order.delayed),
            in_flight=len(self.order.flying),
            dead=self.dead,
            redriven=self.redriven,
            retried=self.retried,
            duplicates=self.duplicates,
            paused=self.paused,
        )
