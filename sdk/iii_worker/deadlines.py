"""What is to happen later if nothing cancels it: one thread for all deadlines of a client."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from iii_worker.limits import DEADLINES_IDLE_S, LONGEST_TIMEOUT_S

__all__ = ["Deadline", "Deadlines", "checked_seconds"]

logger = logging.getLogger(__name__)


def checked_seconds(timeout: Any) -> float:
    """Return a caller's timeout, as long as can be waited. Raises ``TypeError`` and ``ValueError`` for what is none."""
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout is {timeout!r:.80}: it must be a number of seconds")
    if not timeout > 0:
        raise ValueError(f"timeout is {timeout}: it must be above 0 seconds; None is the client's default")
    return float(min(timeout, LONGEST_TIMEOUT_S))


class Deadline:
    """Something that is to happen; :meth:`cancel` as soon as it need not."""

    __slots__ = ("_owner", "callback")

    def __init__(self, owner: Deadlines, callback: Callable[[], None]) -> None:
        self._owner = owner
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Let it not happen, unless it already does. Any thread; cancelling again changes nothing."""
        self._owner._cancel(self)  # noqa: SLF001  the two are one thing


class _Entry(NamedTuple):
    when: float
    order: int
    deadline: Deadline


class Deadlines:
    """Runs callbacks at their time, on a daemon thread that lives while there is something to wait for.

    Holds as many entries as there are deadlines not cancelled, twice at most. Callbacks must not block; what they raise
    is logged.
    """

    def __init__(self, name: str = "iii-deadlines", idle_s: float = DEADLINES_IDLE_S) -> None:
        self._name = name
        self._idle_s = idle_s
        self._changed = threading.Condition(threading.Lock())
        self._entries: list[_Entry] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._running = False
        self._wakes = 0.0
        """When the thread will look again; it need not be told of what comes later."""
        self._closed = False

    def after(self, seconds: float, callback: Callable[[], None]) -> Deadline:
        """Let ``callback`` run in so many seconds (of monotonic time). Any thread; never blocks.

        After :meth:`close` it never runs.
        """
        deadline = Deadline(self, callback)
        entry = _Entry(time.monotonic() + min(seconds, LONGEST_TIMEOUT_S), next(self._order), deadline)
        with self._changed:
            if self._closed:
                return deadline
            heapq.heappush(self._entries, entry)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
            elif entry.when < self._wakes:
                self._changed.notify()
        return deadline

    def close(self) -> None:
        """Nothing happens any more; the thread ends."""
        with self._changed:
            self._closed = True
            self._entries.clear()
            self._changed.notify()

    def _cancel(self, deadline: Deadline) -> None:
        with self._changed:
            if deadline.callback is None:
                return
            deadline.callback = None
            self._cancelled += 1
            if self._cancelled * 2 > len(self._entries):
                self._entries = [entry for entry in self._entries if entry.deadline.callback is not None]
                heapq.heapify(self._entries)
                self._cancelled = 0

    def _run(self) -> None:
        while (callback := self._next()) is not None:
            try:
                callback()
            except Exception:
                logger.exception("A deadline's callback failed")

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next deadline and return its callback; None: the thread is to end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                self._wakes = self._entries[0].when if self._entries else now + self._idle_s
                if self._wakes > now:
                    notified = self._changed.wait(self._wakes - now)
                    if not notified and not self._entries:
                        break
                    continue
                deadline = heapq.heappop(self._entries).deadline
                callback, deadline.callback = deadline.callback, None
                if callback is not None:
                    return callback
                self._cancelled -= 1
            self._running = False
            return None
