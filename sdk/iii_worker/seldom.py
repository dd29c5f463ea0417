"""Warnings that a flood would repeat thousands of times a second."""

from __future__ import annotations

import logging
import threading
import time

from iii_worker.limits import REFUSAL_LOG_S

__all__ = ["Seldom"]


class Seldom:
    """Logs warnings at most once in a while, and then says how many it has left out. Thread-safe."""

    def __init__(self, logger: logging.Logger, every_s: float = REFUSAL_LOG_S) -> None:
        self._logger = logger
        self._every_s = every_s
        self._lock = threading.Lock()
        self._next = 0.0
        self._left_out = 0

    def warning(self, text: str, *args: object) -> None:
        """Log this, or count it."""
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                self._left_out += 1
                return
            self._next = now + self._every_s
            left_out, self._left_out = self._left_out, 0
        if left_out:
            text, args = f"{text} (and %d more before it)", (*args, left_out)
        self._logger.warning(text, *args)
