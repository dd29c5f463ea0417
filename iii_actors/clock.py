"""Time, injected: no module asks the system clock for its logic (design.md §9)."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock", "Timer"]

logger = logging.getLogger(__name__)


class Timer:
    """One call that will be made; :meth:`cancel` from any thread."""

    __slots__ = ("_callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self._callback: Callable[[], object] | None = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Make sure that the call is not begun from now on; one already running is not waited for."""
        self.cancelled = True
        self._callback = None

    def fire(self) -> None:
        """Make the call, on the clock's thread; a failure is logged."""
        callback = self._callback
        self._callback = None
        if callback is not None:
            try:
                callback()
            except Exception:
                logger.exception("A timer's call failed")


class Clock(Protocol):
    """What the engine knows of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call from the clock's own thread after ``delay_s``; the callback tells actors and does not block."""

    def stop(self) -> None:
        """End the clock's thread; what is not due yet is never called."""


class SystemClock:
    """The system's time; one thread, started at the first :meth:`call_later`, makes all the calls."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    """The functions themselves, with nothing around them: every call asks."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(time.monotonic() + delay_s, callback)
        with self._changed:
            if self._stopped:
                timer.cancel()
                return timer
            heapq.heappush(self._heap, (timer.due, next(self._numbers), timer))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="iii-clock", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is timer:
                self._changed.notify()
        return timer

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (wait := self._until_next()) is not None:
                    self._changed.wait(wait if wait >= 0 else None)
                if self._stopped:
                    return
                timer = heapq.heappop(self._heap)[2]
            timer.fire()

    def _until_next(self) -> float | None:
        """Return the seconds to wait, -1 for until notified, or None when a timer is due."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        if not self._heap:
            return -1.0
        left = self._heap[0][0] - time.monotonic()
        return left if left > 0 else None


class ManualClock:
    """A clock that only :meth:`advance` moves; the calls are made on the thread that advances it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        with self._lock:
            timer = Timer(self._monotonic + delay_s, callback)
            heapq.heappush(self._heap, (timer.due, next(self._numbers), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move time on, making each call at its own moment, in order."""
        end = self._monotonic + seconds
        while True:
            with self._lock:
                if not self._heap or self._heap[0][0] > end:
                    break
                due, _, timer = heapq.heappop(self._heap)
                self._move_to(due)
            timer.fire()
        self._move_to(end)

    def stop(self) -> None:
        with self._lock:
            self._heap.clear()

    def _move_to(self, monotonic: float) -> None:
        if monotonic > self._monotonic:
            self._now += monotonic - self._monotonic
            self._monotonic = monotonic
