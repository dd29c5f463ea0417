"""The order book of a queue with order: strictly by arrival within a group, the groups beside each other.

A group is blocked while its oldest job is in flight or waits for its time. Of the groups that are not, the one goes
first whose oldest job is a retry (those by the time at which they became due), then the one whose oldest job is oldest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from iii_actors.brokers.order import FRESH, Delay, Flight, Order, take_over

__all__ = ["GroupedOrder"]

_SLACK: Final = 64  # entries of which looking through all is no effort

_Members = int | list[int]
"""The jobs of a group, without the one in flight: its number if there is one, a heap if there are more."""


class GroupedOrder(Order):
    """Priorities mean nothing here, and are forgotten. A group that holds nothing costs nothing."""

    ordered = True

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[str | None, _Members] = {}
        self._busy: dict[str | None, int] = {}
        """Groups with jobs in flight, and how many: one, unless they took off while the queue had no order."""
        self._ready: list[tuple[float, int, str | None]] = []
        """A heap of (rank, number, group): the heads of groups. One that :meth:`_is_next` denies is stale."""
        self._ranks: dict[int, float] = {}
        """Of the retries among those that wait."""

    def add(self, number: int, group: str | None = None, priority: int = 0, rank: float = FRESH) -> None:
        self.waiting += 1
        if rank != FRESH:
            self._ranks[number] = rank
        if self._insert(number, group):
            self._offer(group)

    def delay(self, number: int, group: str | None, priority: int, due: float, tried: bool) -> None:
        super().delay(number, group, 0, due, tried)
        self._insert(number, group)

    def _awake(self, entry: Delay) -> None:
        self.waiting += 1
        if entry.tried:
            self._ranks[entry.number] = entry.due
        if self._head(entry.group) == entry.number:
            self._offer(entry.group)

    def _insert(self, number: int, group: str | None) -> bool:
        """Put a number among its group's; returns whether it is the first of them."""
        members = self._groups.get(group)
        if members is None:
            self._groups[group] = number
            return True
        if isinstance(members, int):
            members = self._groups[group] = sorted((members, number))
        else:
            heapq.heappush(members, number)
        return members[0] == number

    def _head(self, group: str | None) -> int | None:
        """Return the oldest of a group, not counting the one in flight; takes away what is gone."""
        gone = self._gone
        while (members := self._groups.get(group)) is not None:
            number = members if isinstance(members, int) else members[0]
            if number not in gone:
                return number
            gone.discard(number)
            self._pop(group)
        return None

    def _pop(self, group: str | None) -> None:
        members = self._groups[group]
        if isinstance(members, int):
            del self._groups[group]
            return
        heapq.heappop(members)
        if len(members) == 1:
            self._groups[group] = members[0]

    def _offer(self, group: str | None) -> None:
        """Let a group have its turn, if nothing blocks it."""
        if group not in self._busy:
            number = self._head(group)
            if number is not None and number not in self.delayed:
                heapq.heappush(self._ready, (self._ranks.get(number, FRESH), number, group))

    def _is_next(self, number: int, group: str | None) -> bool:
        return group not in self._busy and number not in self.delayed and self._head(group) == number

    def peek(self) -> int | None:
        ready = self._ready
        while ready:
            _, number, group = ready[0]
            if self._is_next(number, group):
                return number
            heapq.heappop(ready)
        return None

    def take(self) -> Flight:
        _, number, group = heapq.heappop(self._ready)
        self._pop(group)
        self._busy[group] = 1
        self.waiting -= 1
        flight = Flight(number, group, 0, self._ranks.pop(number, FRESH))
        self.flying[number] = flight
        return flight

    def _land(self, flight: Flight) -> None:
        flight.end()
        del self.flying[flight.number]
        flights = self._busy.pop(flight.group)
        if flights > 1:
            self._busy[flight.group] = flights - 1

    def settle(self, flight: Flight) -> None:
        self._land(flight)
        self._offer(flight.group)

    def retry(self, flight: Flight, due: float, now: float) -> None:
        self._land(flight)
        if due <= now:
            self.waiting += 1
            self._ranks[flight.number] = due
            self._insert(flight.number, flight.group)
        else:
            self.delay(flight.number, flight.group, 0, due, True)
        self._offer(flight.group)

    def release(self, flight: Flight) -> None:
        self._land(flight)
        self.waiting += 1
        if flight.rank != FRESH:
            self._ranks[flight.number] = flight.rank
        self._insert(flight.number, flight.group)
        self._offer(flight.group)

    def remove(self, number: int, group: str | None) -> None:
        if self.delayed.pop(number, None) is None:
            self.waiting -= 1
            self._ranks.pop(number, None)
        was_head = self._head(group) == number
        self._gone.add(number)
        if was_head:
            self._offer(group)
        if len(self._gone) > _SLACK + self.waiting + len(self.delayed):
            self._rebuild([*self._members()])

    def adopt(self, other: Order) -> None:
        for flight in other.flying.values():
            self.flying[flight.number] = flight
            flight.priority = 0
            self._busy[flight.group] = self._busy.get(flight.group, 0) + 1
        take_over(self, other)

    def clear(self, waiting: bool, delayed: bool) -> Sequence[int]:
        numbers: list[int] = []
        kept = []
        for number, group in self._members():
            if delayed if number in self.delayed else waiting:
                numbers.append(number)
            else:
                kept.append((number, group))
        if waiting:
            self.waiting = 0
            self._ranks.clear()
        if delayed:
            self.delayed.clear()
            self._times.clear()
        self._rebuild(kept)
        return numbers

    def _members(self) -> Iterator[tuple[int, str | None]]:
        gone = self._gone
        for group, members in self._groups.items():
            for number in (members,) if isinstance(members, int) else members:
                if number not in gone:
                    yield number, group

    def _rebuild(self, members: Sequence[tuple[int, str | None]]) -> None:
        """Make everything anew from numbers and their groups."""
        self._gone.clear()
        self._groups.clear()
        self._ready.clear()
        for number, group in members:
            self._insert(number, group)
        for group in self._groups:
            self._offer(group)

    # --- looking -----------------------------------------------------------------------------------------------------

    def in_line(self) -> Iterator[int]:
        """Yield by rank and arrival; what is behind a blocked head stands where its own age puts it."""
        heap = [(self._ranks.get(head, FRESH), head, 0, members) for head, members in self._heads()]
        heapq.heapify(heap)
        while heap:
            _, number, at, members = heapq.heappop(heap)
            if number not in self._gone and number not in self.delayed:
                yield number
            # The members are a heap, so whoever comes next in a group stands below somebody who has come.
            for below in (2 * at + 1, 2 * at + 2):
                if below < len(members):
                    rank = self._ranks.get(members[below], FRESH)
                    heapq.heappush(heap, (rank, members[below], below, members))

    def _heads(self) -> Iterator[tuple[int, Sequence[int]]]:
        for members in self._groups.values():
            if isinstance(members, int):
                yield members, (members,)
            else:
                yield members[0], members

    def ahead(self, count: int) -> Sequence[int]:
        """Return heads of groups, and as many of what comes behind them."""
        numbers: list[int] = []
        for _, _, group in islice(self._ready, count):
            members = self._groups.get(group, ())
            numbers += (members,) if isinstance(members, int) else members[: max(1, count // len(self._ready))]
            if len(numbers) >= count:
                break
        found = dict.fromkeys(numbers)  # a stale entry names a group twice
        return [number for number in found if number not in self._gone and number not in self.delayed]

    def oldest(self) -> int | None:
        number = self.peek()
        if number is not None:
            return number
        # All groups are blocked, so there are no more of them than jobs in flight or delayed; the old stand in front.
        heads = (one for _, members in self._heads() for one in members[:_SLACK])
        return min((one for one in heads if one not in self.delayed and one not in self._gone), default=None)

    def standing(self) -> Iterator[tuple[int, str | None, int, float]]:
        for number, group in sorted(self._members(), key=lambda member: member[0]):
            if number not in self.delayed:
                yield number, group, 0, self._ranks.get(number, FRESH)
