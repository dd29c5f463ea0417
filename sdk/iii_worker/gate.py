"""A function's own bound on how many of its invocations run at once (the option ``concurrency``)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum

from iii_worker.handlers import Run
from iii_worker.pool import HandlerPool

__all__ = ["Gate", "Pass"]


class Pass(Enum):
    """What becomes of an invocation at the gate."""

    NOW = "now"
    LATER = "later"
    REFUSED = "refused"


class Gate:
    """Lets at most ``limit`` runs through at once. Others wait here, in order, and count in the pool's queue.

    :param start: given a run that has waited, with its reservation in the pool's queue; False if it cannot be started.
    """

    __slots__ = ("_active", "_lock", "_pool", "_start", "_waiting", "limit")

    def __init__(self, limit: int, pool: HandlerPool, start: Callable[[Run], bool]) -> None:
        if type(limit) is not int or limit < 1:
            raise ValueError(f"concurrency is {limit!r}: it must be a whole number above 0")
        self.limit = limit
        self._pool = pool
        self._start = start
        self._lock = threading.Lock()
        self._active = 0
        self._waiting: deque[Run] = deque()

    def enter(self, run: Run) -> Pass:
        """Ask for a run to be let through: after ``NOW``, :meth:`leave` must follow; after ``LATER`` it starts."""
        with self._lock:
            if self._active < self.limit:
                self._active += 1
                return Pass.NOW
            if not self._pool.hold(run.size):
                return Pass.REFUSED
            self._waiting.append(run)
            return Pass.LATER

    def leave(self) -> None:
        """A run is over: let the next one through."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._active -= 1
                    return
                following = self._waiting.popleft()
            if self._start(following):
                return
            following.decline(self.refusal())

    def refusal(self) -> str:
        """Return why a run was not let in."""
        return f"concurrency is {self.limit}, and {self._pool.refusal()}"
