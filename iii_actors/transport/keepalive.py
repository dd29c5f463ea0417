"""Engine pings, where a listener's settings ask for them: the way to find half-open peers (design.md §6).

Off by default: an idle worker is never disconnected (core.md §1.4). With ``ping_interval_s`` every worker gets a ping
that often, and one from which nothing at all has come within ``ping_timeout_s`` after it is cut off and cleaned up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from iii_actors.clock import Clock, Timer
from iii_actors.transport.worker_socket import WorkerSocket

__all__ = ["Keepalive"]


class Keepalive:
    """Pings the workers of one listener. Its timers run on the clock's thread and never wait."""

    def __init__(
        self, clock: Clock, workers: Callable[[], Iterable[WorkerSocket]], interval_s: float, timeout_s: float
    ) -> None:
        """``interval_s`` 0 means never."""
        self._clock = clock
        self._workers = workers
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._timer: Timer | None = None
        self._stopped = False

    def start(self) -> None:
        if self._interval_s > 0 and not self._stopped:
            self._timer = self._clock.call_later(self._interval_s, self._ping_all)

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _ping_all(self) -> None:
        pinged = [(worker, worker.heard) for worker in self._workers()]
        for worker, _ in pinged:
            worker.ping()
        self._clock.call_later(self._timeout_s, partial(self._cut_silent, pinged))
        self.start()

    @staticmethod
    def _cut_silent(pinged: Iterable[tuple[WorkerSocket, int]]) -> None:
        for worker, heard_before in pinged:
            if worker.heard == heard_before:
                worker.cut("nothing came from it after a ping")
