"""How long to wait before the next attempt to connect (spec sdk.md §7.2)."""

from __future__ import annotations

import random
from collections.abc import Callable

from iii_worker.options import ReconnectionConfig

__all__ = ["Backoff"]


class Backoff:
    """Counts failed attempts in a row and gives the delay after each.

    :param chance: returns a float in [0, 1); for tests.
    """

    def __init__(self, config: ReconnectionConfig, chance: Callable[[], float] = random.random) -> None:
        self._config = config
        self._chance = chance
        self.reset()

    def reset(self) -> None:
        """A connection was good: start from the first delay again."""
        self.attempts = 0
        """Attempts in a row, delays given out."""
        self._delay_ms = float(self._config.initial_delay_ms)

    @property
    def exhausted(self) -> bool:
        """Whether ``max_retries`` attempts have been made."""
        return 0 <= self._config.max_retries <= self.attempts

    def next_delay(self) -> float:
        """Return the delay before the next attempt, in seconds, and count it."""
        config = self._config
        delay_ms = self._delay_ms
        self._delay_ms = min(delay_ms * config.backoff_multiplier, float(config.max_delay_ms))
        self.attempts += 1
        return delay_ms * (1 + config.jitter_factor * (2 * self._chance() - 1)) / 1000
