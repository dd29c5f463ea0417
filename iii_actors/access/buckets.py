"""Token buckets: so much per second in the long run, so much at once."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Bucket"]


class Bucket:
    """One bucket, full at first. Used by one thread at a time.

    :param per_s: what flows in.
    :param burst: what it holds.
    :param now: seconds that never go back.
    """

    __slots__ = ("_at", "_level", "_now", "burst", "per_s")

    def __init__(self, per_s: float, burst: float, now: Callable[[], float]) -> None:
        self.per_s = per_s
        self.burst = burst
        self._now = now
        self._level = burst
        self._at = now()

    def take(self, amount: float = 1.0) -> bool:
        """Take out so much; False, and nothing is taken: there is not so much in it."""
        self._fill()
        if self._level < amount:
            return False
        self._level -= amount
        return True

    def charge(self, amount: float) -> float:
        """Take out so much in any case; returns what is left, below 0 if that was too much."""
        self._fill()
        self._level -= amount
        return self._level

    @property
    def level(self) -> float:
        """What is in it now."""
        self._fill()
        return self._level

    def _fill(self) -> None:
        now = self._now()
        self._level = min(self.burst, self._level + (now - self._at) * self.per_s)
        self._at = now
