"""The clock of the engines on one Redis: Unix time in ms that never goes back while an engine runs."""

from __future__ import annotations

from iii_actors.clock import Clock

__all__ = ["CommonTime"]

_JUMP_S = 0.001  # what two floats of one clock may differ by, and more


class CommonTime:
    """Follows the system's clock when that is set forward, and goes on by itself when it is set back.

    Delays are kept by this clock, so that no job waits for longer than was asked for because a clock was corrected.

    :param least_ms: the latest time that any engine has told Redis; this one begins there if its own clock is behind.
    """

    def __init__(self, clock: Clock, least_ms: int = 0) -> None:
        self._clock = clock
        self._unix_s = max(clock.now(), least_ms / 1000)
        self._monotonic_s = clock.monotonic()

    def now_ms(self) -> int:
        wall_s, monotonic_s = self._clock.now(), self._clock.monotonic()
        unix_s = self._unix_s + monotonic_s - self._monotonic_s
        if wall_s > unix_s + _JUMP_S:
            unix_s = self._unix_s = wall_s
            self._monotonic_s = monotonic_s
        return int(unix_s * 1000 + 0.5)

    def common_ms(self, unix_ms: int) -> int:
        """Return the time on this clock that is as far off as a time on the system's clock is."""
        return unix_ms + self.now_ms() - int(self._clock.now() * 1000 + 0.5)
