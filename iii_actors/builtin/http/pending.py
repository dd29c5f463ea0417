"""Requests that wait: how many may, and for how long (http.md §8, §11). All on the loop's thread."""

from __future__ import annotations

import logging
from collections import deque
from typing import Protocol

from iii_actors.builtin.http.bell import Bell
from iii_actors.clock import Clock, Timer

__all__ = ["Deadlines", "Places", "Waits"]

logger = logging.getLogger(__name__)


class Waits(Protocol):
    """A request, as it is seen here."""

    deadline: float
    """On the clock's monotonic scale, seconds."""

    def time_is_up(self) -> None:
        """Its deadline has passed."""

    def admit(self) -> bool:
        """It has a place now; False: it does not want one any more."""


class Deadlines:
    """Tells requests when their time is up. One timer serves all of them, as most end long before."""

    def __init__(self, clock: Clock, bell: Bell) -> None:
        self._clock = clock
        self._bell = bell
        self._waiting: dict[Waits, None] = {}
        self._timer: Timer | None = None
        self._due = 0.0

    def add(self, request: Waits, timeout_s: float) -> None:
        """Watch a request until :meth:`remove`."""
        request.deadline = self._clock.monotonic() + timeout_s
        self._waiting[request] = None
        if self._timer is None or request.deadline < self._due:
            self._arm(request.deadline)

    def remove(self, request: Waits) -> None:
        """Forget a request; one that is unknown is no mistake."""
        self._waiting.pop(request, None)

    def stop(self) -> None:
        """Tell nobody any more."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._clock.call_later(max(0.0, due - self._clock.monotonic()), self._fire)

    def _fire(self) -> None:
        """Runs on the clock's thread."""
        self._bell.ring(self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        late = [request for request in self._waiting if request.deadline <= now]
        for request in late:
            del self._waiting[request]
        for request in late:
            request.time_is_up()
        if self._waiting and self._timer is None:
            self._arm(min(request.deadline for request in self._waiting))


class Places:
    """So many requests may wait for workers at once; the others queue, in order.

    :param limit: may be changed at any time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._queue: deque[Waits] = deque()

    @property
    def taken(self) -> int:
        """How many have a place now."""
        return self._taken

    @property
    def queued(self) -> int:
        """How many wait for one, those that have given up meanwhile included."""
        return len(self._queue)

    def enter(self, request: Waits) -> bool:
        """Take a place; False: there is none, and the request will be admitted when it is its turn."""
        if self._taken < self._limit:
            self._taken += 1
            return True
        self._queue.append(request)
        return False

    def leave(self) -> None:
        """Give a place back, which the next in the queue gets."""
        self._taken -= 1
        self._admit()

    def resize(self, limit: int) -> None:
        """Allow another number from now on; nobody loses a place."""
        self._limit = limit
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._taken < self._limit:
            if self._queue.popleft().admit():
                self._taken += 1
