"""What an engine knows of its own doings about each queue: its numbers, the room that is left, what is under way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["Book", "Places", "Turns"]


class Book:
    """An engine's own numbers of one queue. On the loop's thread."""

    __slots__ = ("done", "enqueued", "held", "known", "redriven", "removed", "retried")

    def __init__(self) -> None:
        self.known = False
        """What was in the queue at the beginning is counted in."""
        self.enqueued = self.done = self.removed = self.redriven = self.retried = 0
        self.held = 0
        """Put into holding queues, and not let go yet."""


class Room:
    """How many more jobs a queue may take; from any thread. Others may use the queue too, so it is an estimate that
    counting mends.
    """

    __slots__ = ("limit", "live", "pending")

    def __init__(self) -> None:
        self.limit = 0
        """0: no limit."""
        self.live = 0
        """Waiting, delayed and in flight, or on their way there."""
        self.pending = 0
        """Of those, on their way."""


class Places:
    """The rooms of all queues, taken together or not at all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: dict[str, Room] = {}

    def set_limit(self, key: str, limit: int) -> None:
        """Give a queue a limit."""
        with self._lock:
            self._rooms.setdefault(key, Room()).limit = limit

    def take(self, keys: Iterable[str]) -> tuple[str, int] | None:
        """Take a place for each; returns the first queue that is full, and its limit, and then takes none."""
        wanted: dict[str, int] = {}
        for key in keys:
            wanted[key] = wanted.get(key, 0) + 1
        with self._lock:
            for key, count in wanted.items():
                room = self._rooms.setdefault(key, Room())
                if room.limit and room.live + count > room.limit:
                    return key, room.limit
            for key, count in wanted.items():
                self._rooms[key].live += count
                self._rooms[key].pending += count
        return None

    def settle(self, key: str, stored: bool) -> None:
        """A job that a place was taken for has been stored, or not."""
        with self._lock:
            room = self._rooms.get(key)
            if room is not None:
                room.pending = max(0, room.pending - 1)
                room.live = room.live if stored else max(0, room.live - 1)

    def add(self, key: str, count: int) -> None:
        """Enter what was there before."""
        with self._lock:
            self._rooms.setdefault(key, Room()).live += count

    def give_back(self, key: str, count: int = 1) -> None:
        """Give up places."""
        with self._lock:
            room = self._rooms.get(key)
            if room is not None:
                room.live = max(0, room.live - count)

    def mend(self, key: str, live: int) -> None:
        """Set what is taken to what has been counted."""
        with self._lock:
            room = self._rooms.setdefault(key, Room())
            room.live = live + room.pending

    def drop(self, key: str) -> None:
        """Forget a queue."""
        with self._lock:
            self._rooms.pop(key, None)


class Turns:
    """What is under way about one queue. On the loop's thread.

    Whoever asks about a queue wants to see what was done before: that is waited for, but not what is done since.
    """

    def __init__(self) -> None:
        self._begun = self._ended = 0
        self._waiters: deque[_Waiter] = deque()

    def begin(self) -> None:
        """Something has been asked of RabbitMQ."""
        self._begun += 1

    def end(self) -> None:
        """It has been answered."""
        self._ended += 1
        while self._waiters and self._waiters[0].after <= self._ended:
            self._waiters.popleft().then()

    def then(self, what: Callable[[], None]) -> bool:
        """Call when all that is under way now has been answered; returns whether it has been called already."""
        if self._begun == self._ended:
            what()
            return True
        self._waiters.append(_Waiter(self._begun, what))
        return False

    def give_up(self) -> None:
        """Call all that wait."""
        waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            waiter.then()


class _Waiter(NamedTuple):
    after: int
    then: Callable[[], None]
