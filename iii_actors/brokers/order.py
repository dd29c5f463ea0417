"""The order book of one queue: which job is next, which wait for their time, which are in flight.

Pure: numbers in, numbers out; no clock, no I/O. Times are seconds on any clock that never goes back. A job's number
says how old it is: of two, the smaller one arrived earlier. The book trusts its owner: a number is given to it once.

Everything that happens to one job costs at most O(log n). A job that waits costs some 40 bytes. What is removed from
the middle is left where it stands, marked, and passed over later.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from msgspec import Struct

from iii_actors.brokers.job import JobState

__all__ = ["FRESH", "Delay", "Flight", "Order", "StandardOrder", "take_over"]

FRESH: Final = float("inf")
"""The rank of a job that is not a retry."""
_SLACK: Final = 64  # marked entries that are not worth a clearing


class Flight(Struct, eq=False):
    """One delivery of a job: its lease. The owner of the book keeps what it needs in the last three."""

    number: int
    group: str | None
    priority: int
    rank: float
    """When a retry became due; :data:`FRESH` for all others."""
    ended: bool = False
    deadline: float | None = None
    delivery: Any = None
    sink: Any = None

    def end(self) -> None:
        """Be over, and hold nobody any more."""
        self.ended = True
        self.delivery = self.sink = None


class Delay(NamedTuple):
    """A job that waits for its time. Sorts by it."""

    due: float
    number: int
    group: str | None
    priority: int
    tried: bool
    """It has failed before, so that it goes ahead of those that wait."""


class Order(ABC):
    """What both kinds have in common. Owned by one thread at a time."""

    ordered: bool

    def __init__(self) -> None:
        self.waiting = 0
        self.flying: dict[int, Flight] = {}
        self.delayed: dict[int, Delay] = {}
        self._times: list[Delay] = []
        """The delayed ones as a heap; one that :attr:`delayed` does not confirm is gone."""
        self._gone: set[int] = set()
        """Removed, but still standing where they stood."""

    def __len__(self) -> int:
        return self.waiting + len(self.delayed) + len(self.flying)

    def state(self, number: int) -> JobState:
        """Return the state of a job that is in the book."""
        if number in self.flying:
            return JobState.IN_FLIGHT
        return JobState.DELAYED if number in self.delayed else JobState.WAITING

    # --- coming ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def add(self, number: int, group: str | None = None, priority: int = 0, rank: float = FRESH) -> None:
        """Take in a job that waits. :param rank: of a retry: the time at which it became due."""

    def delay(self, number: int, group: str | None, priority: int, due: float, tried: bool) -> None:
        """Take in a job that waits for its time."""
        entry = Delay(due, number, group, priority, tried)
        self.delayed[number] = entry
        heapq.heappush(self._times, entry)
        if len(self._times) > _SLACK + 2 * len(self.delayed):
            self._times = list(self.delayed.values())
            heapq.heapify(self._times)

    def wake(self, now: float) -> None:
        """Let those wait in line whose time has come."""
        times, delayed = self._times, self.delayed
        while times and times[0].due <= now:
            entry = heapq.heappop(times)
            if delayed.get(entry.number) is entry:
                del delayed[entry.number]
                self._awake(entry)

    def next_due(self) -> float | None:
        """Return when the next one's time comes."""
        times = self._times
        while times and self.delayed.get(times[0].number) is not times[0]:
            heapq.heappop(times)
        return times[0].due if times else None

    @abstractmethod
    def _awake(self, entry: Delay) -> None: ...

    # --- going -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def peek(self) -> int | None:
        """Return the number that :meth:`take` would take."""

    @abstractmethod
    def take(self) -> Flight:
        """Put the next job in flight; only after :meth:`peek` has named it."""

    @abstractmethod
    def settle(self, flight: Flight) -> None:
        """Forget a job in flight: it is done, dead or removed."""

    @abstractmethod
    def retry(self, flight: Flight, due: float, now: float) -> None:
        """Let a job in flight wait for its next attempt."""

    @abstractmethod
    def release(self, flight: Flight) -> None:
        """Put a job in flight back where it was."""

    @abstractmethod
    def remove(self, number: int, group: str | None) -> None:
        """Forget a job that waits or is delayed, of that group."""

    @abstractmethod
    def clear(self, waiting: bool, delayed: bool) -> Sequence[int]:
        """Forget all of these states, and return their numbers."""

    @abstractmethod
    def adopt(self, other: Order) -> None:
        """Take over all that another book holds, flights too; that one is not to be used any more."""

    # --- looking -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def in_line(self) -> Iterator[int]:
        """Yield those that wait, in the order of their delivery as it stands. Not to be changed meanwhile."""

    @abstractmethod
    def ahead(self, count: int) -> Sequence[int]:
        """Return about the next so many numbers, quickly: what is worth being read ahead."""

    @abstractmethod
    def oldest(self) -> int | None:
        """Return the number of one that waits and is the oldest, or almost; None if there is none, or none at hand."""

    @abstractmethod
    def standing(self) -> Iterator[tuple[int, str | None, int, float]]:
        """Yield number, group, priority and rank of all that wait, by ascending numbers but for a few."""

    def by_time(self, count: int) -> Sequence[int]:
        """Return the numbers of the first so many of those that are delayed, by their times."""
        return [entry.number for entry in heapq.nsmallest(count, self.delayed.values())]


def take_over(order: Order, other: Order) -> None:
    """Let one book take in what waits or is delayed in another, with the places that they had."""
    for number, group, priority, rank in other.standing():
        order.add(number, group, priority, rank)
    for due, number, group, priority, tried in other.delayed.values():
        order.delay(number, group, priority, due, tried)


class _Level:
    """What waits with one priority."""

    __slots__ = ("back", "early", "fresh")

    def __init__(self) -> None:
        self.fresh: deque[int] = deque()
        """In order of arrival, ascending."""
        self.back: list[int] = []
        """A heap: what came to stand between those, having been in flight or delayed."""
        self.early: list[tuple[float, int]] = []
        """A heap of retries."""


class StandardOrder(Order):
    """Higher priorities first; of one priority: retries by the time at which they became due, then by arrival."""

    ordered = False

    def __init__(self) -> None:
        super().__init__()
        self._levels: dict[int, _Level] = {}
        self._descending: list[int] = []
        self._groups: dict[int, str] = {}
        """Of those that have one: it means nothing here, but does where they may be moved to."""

    def add(self, number: int, group: str | None = None, priority: int = 0, rank: float = FRESH) -> None:
        self.waiting += 1
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = _Level()
            self._descending = sorted(self._levels, reverse=True)
        if group is not None:
            self._groups[number] = group
        if rank != FRESH:
            heapq.heappush(level.early, (rank, number))
        elif level.fresh and number < level.fresh[-1]:
            heapq.heappush(level.back, number)
        else:
            level.fresh.append(number)

    def _awake(self, entry: Delay) -> None:
        self.add(entry.number, entry.group, entry.priority, entry.due if entry.tried else FRESH)

    def peek(self) -> int | None:
        gone = self._gone
        if not self.waiting:
            if gone:
                self._tidy()
            return None
        for priority in self._descending:
            level = self._levels[priority]
            if level.early or level.back or gone:
                number = self._head(level)
                if number is not None:
                    return number
            elif level.fresh:
                return level.fresh[0]
        return None

    def _head(self, level: _Level) -> int | None:
        """Return the first of a level, once what is gone is out of its way."""
        gone = self._gone
        while level.early and level.early[0][1] in gone:
            gone.discard(heapq.heappop(level.early)[1])
        while level.back and level.back[0] in gone:
            gone.discard(heapq.heappop(level.back))
        while level.fresh and level.fresh[0] in gone:
            gone.discard(level.fresh.popleft())
        if level.early:
            return level.early[0][1]
        if level.back and not (level.fresh and level.fresh[0] < level.back[0]):
            return level.back[0]
        return level.fresh[0] if level.fresh else None

    def take(self) -> Flight:
        for priority in self._descending:
            level = self._levels[priority]
            if level.fresh or level.back or level.early:
                break
        rank = FRESH
        if level.early:
            rank, number = heapq.heappop(level.early)
        elif level.back and not (level.fresh and level.fresh[0] < level.back[0]):
            number = heapq.heappop(level.back)
        else:
            number = level.fresh.popleft()
        self.waiting -= 1
        flight = Flight(number, self._groups.pop(number, None) if self._groups else None, priority, rank)
        self.flying[number] = flight
        return flight

    def settle(self, flight: Flight) -> None:
        flight.end()
        del self.flying[flight.number]

    def retry(self, flight: Flight, due: float, now: float) -> None:
        self.settle(flight)
        if due <= now:
            self.add(flight.number, flight.group, flight.priority, due)
        else:
            self.delay(flight.number, flight.group, flight.priority, due, True)

    def release(self, flight: Flight) -> None:
        self.settle(flight)
        level = self._levels.get(flight.priority)
        if level is not None and flight.rank == FRESH and (not level.fresh or flight.number < level.fresh[0]):
            self.waiting += 1
            level.fresh.appendleft(flight.number)
            if flight.group is not None:
                self._groups[flight.number] = flight.group
        else:
            self.add(flight.number, flight.group, flight.priority, flight.rank)

    def remove(self, number: int, group: str | None) -> None:
        if self.delayed.pop(number, None) is not None:
            return
        self.waiting -= 1
        self._groups.pop(number, None)
        self._gone.add(number)
        if len(self._gone) > _SLACK + self.waiting:
            self._tidy()

    def _tidy(self) -> None:
        gone = self._gone
        for level in self._levels.values():
            level.fresh = deque(number for number in level.fresh if number not in gone)
            level.back = sorted(number for number in level.back if number not in gone)
            level.early = sorted(entry for entry in level.early if entry[1] not in gone)
        gone.clear()

    def clear(self, waiting: bool, delayed: bool) -> Sequence[int]:
        numbers: list[int] = []
        if waiting:
            numbers += [number for number, *_ in self.standing()]
            self.waiting = 0
            self._levels.clear()
            self._descending.clear()
            self._groups.clear()
            self._gone.clear()
        if delayed:
            numbers += self.delayed
            self.delayed.clear()
            self._times.clear()
        return numbers

    def adopt(self, other: Order) -> None:
        self.flying.update(other.flying)
        take_over(self, other)

    def in_line(self) -> Iterator[int]:
        gone = self._gone
        for priority in self._descending:
            level = self._levels[priority]
            yield from (number for _, number in sorted(level.early) if number not in gone)
            yield from (number for number in heapq.merge(sorted(level.back), level.fresh) if number not in gone)

    def ahead(self, count: int) -> Sequence[int]:
        numbers: list[int] = []
        for priority in self._descending:
            level = self._levels[priority]
            numbers += [number for _, number in heapq.nsmallest(count - len(numbers), level.early)]
            missing = count - len(numbers)
            later = heapq.merge(heapq.nsmallest(missing, level.back), level.fresh) if level.back else level.fresh
            numbers += islice(later, missing)
            if len(numbers) >= count:
                break
        return [number for number in numbers if number not in self._gone] if self._gone else numbers

    def oldest(self) -> int | None:
        if not self.waiting:
            return None
        heads = []
        for level in self._levels.values():
            self._head(level)
            heads += [level.early[0][1]] if level.early else []
            heads += level.back[:1]
            heads += islice(level.fresh, 1)
        return min(heads)

    def standing(self) -> Iterator[tuple[int, str | None, int, float]]:
        gone, groups = self._gone, self._groups
        for priority, level in self._levels.items():
            for number in heapq.merge(sorted(level.back), level.fresh):
                if number not in gone:
                    yield number, groups.get(number), priority, FRESH
            for rank, number in level.early:
                if number not in gone:
                    yield number, groups.get(number), priority, rank
