"""From any thread to the front's own: callbacks that the loop's thread runs, one wake-up for as many as are waiting."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Bell"]

logger = logging.getLogger(__name__)


class Bell:
    """Wakes one event loop.

    :param loop: the loop whose thread runs the callbacks, in the order in which they were left.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left: deque[Callable[[], None]] = deque()
        self._rung = threading.Lock()
        """Held from a wake-up until the loop's thread looks at what was left."""

    def ring(self, callback: Callable[[], None]) -> None:
        """Have a callback run soon. Any thread; neither waits nor raises. A loop that has ended runs nothing."""
        self._left.append(callback)
        if self._rung.acquire(blocking=False):
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                logger.debug("The front's loop has ended")

    def _answer(self) -> None:
        self._rung.release()
        left = self._left
        # Not until it is empty: who rings meanwhile rings again, and requests have their turn in between.
        for _ in range(len(left)):
            try:
                left.popleft()()
            except Exception:
                logger.exception("A callback on the front's thread failed")
