"""When which line has to be looked at: one timer of the clock for all lines of a broker."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

from iii_actors.brokers.local_line import NEVER, Line
from iii_actors.clock import Clock, Timer
from iii_actors.limits import QUEUE_LOOK_S

__all__ = ["Alarms"]

_CLOSE_S = 0.0005  # what is due within half a millisecond is due: seconds as floats are not exact


class Alarms:
    """Belongs to the broker's actor.

    :param ring: called by the clock, on its thread, when :meth:`due` has something.
    """

    def __init__(self, clock: Clock, ring: Callable[[], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._heap: list[tuple[float, int, Line]] = []
        """One that is not its line's ``alarm`` is stale."""
        self._counter = itertools.count()
        self._timer: Timer | None = None
        self._timer_at = NEVER
        self.unarmed = False
        """:meth:`arm` is to be called."""

    def set(self, line: Line, at: float) -> None:
        """Look at a line at that time, on the monotonic clock, or before."""
        if at < line.alarm:
            line.alarm = at
            self.unarmed = True
            heapq.heappush(self._heap, (at, next(self._counter), line))

    def arm(self) -> None:
        """See that the clock calls in time for the first one."""
        self.unarmed = False
        if not self._heap or self._heap[0][0] >= self._timer_at:
            return
        self.disarm()
        self._timer_at = at = self._heap[0][0]
        delay_s = min(max(at - self._clock.monotonic(), 0.0), QUEUE_LOOK_S)
        self._timer = self._clock.call_later(delay_s, self._ring)

    def disarm(self) -> None:
        """Have the clock not call."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, NEVER

    def due(self) -> Iterator[tuple[Line, float]]:
        """Take out the lines whose time has come, each with the time up to which everything in it is due."""
        self._timer, self._timer_at = None, NEVER
        self.unarmed = True
        now = self._clock.monotonic() + _CLOSE_S
        while self._heap and self._heap[0][0] <= now:
            at, _, line = heapq.heappop(self._heap)
            if at == line.alarm:
                line.alarm = NEVER
                yield line, now
