"""Users' callbacks, one after the other on a thread of their own: they may block and may use the client."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from iii_worker.limits import ERRANDS, ERRANDS_IDLE_S

__all__ = ["Errands"]

logger = logging.getLogger(__name__)


class Errands:
    """A queue with a daemon thread that lives while there is something to do, and a little longer."""

    def __init__(
        self, name: str = "iii-worker-callbacks", bound: int = ERRANDS, idle_s: float = ERRANDS_IDLE_S
    ) -> None:
        self._name = name
        self._bound = bound
        self._idle_s = idle_s
        self._changed = threading.Condition(threading.Lock())
        self._queue: deque[Callable[[], object]] = deque()
        self._running = False
        self._closed = False

    def run(self, errand: Callable[[], object]) -> None:
        """Run it soon, after those before it; what it raises is logged. Never blocks.

        When too many wait the oldest is left out, with a warning: a callback before it has been running for very long.
        """
        with self._changed:
            if len(self._queue) >= self._bound:
                self._queue.popleft()
                logger.warning("A callback was left out: %d wait for one that does not end", self._bound)
            self._queue.append(errand)
            if self._running:
                self._changed.notify()
                return
            self._running = True
        threading.Thread(target=self._main, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Let the thread end as soon as nothing waits. What comes later is run all the same."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _main(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand()
            except Exception:
                logger.exception("A callback failed")
            del errand

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            if not self._queue and not self._closed:
                self._changed.wait(self._idle_s)
            if self._queue:
                return self._queue.popleft()
            self._running = False
            return None
