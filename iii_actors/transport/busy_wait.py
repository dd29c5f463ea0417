"""Waiting for sockets: by sleeping, or for a moment by looking again and again (design.md §6)."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

__all__ = ["BusyWait", "Poll"]

_give_way: Final[Callable[[], None]] = getattr(os, "sched_yield", lambda: None)

Events = list[tuple[int, int]]
"""Descriptors and what happened to each."""


class Poll(Protocol):
    """Like ``select.epoll().poll``: waits for so many seconds; None: until something happens."""

    def __call__(self, timeout: float | None = None, /) -> Events: ...


class BusyWait:
    """Waits for events. One thread's.

    Where two talk by turns, one message at a time, the next comes a moment after the last, and most of that moment is
    what it takes to wake whoever sleeps. So after a wait that was short and brought one event, the next begins by
    looking, for at most :attr:`seconds`; a look in vain is the last until a wait was short again. An engine that is
    idle sleeps, and one that has much to do does not wait at all. Whoever else wants the processor gets it meanwhile.
    """

    __slots__ = ("_again", "_now", "_poll", "seconds")

    def __init__(self, poll: Poll, now: Callable[[], float] = perf_counter) -> None:
        self._poll = poll
        self._now = now
        self.seconds = 0.0
        """0: always sleep. Set from any thread."""
        self._again = False

    def __call__(self) -> Events:
        """Return what happened, once something has."""
        seconds, poll, now = self.seconds, self._poll, self._now
        if not seconds:
            return poll()
        began = now()
        events: Events = []
        if self._again:
            until = began + seconds
            events = poll(0)
            while not events and now() < until:
                _give_way()
                events = poll(0)
        if not events:
            events = poll()
        self._again = len(events) == 1 and now() - began < seconds
        return events
