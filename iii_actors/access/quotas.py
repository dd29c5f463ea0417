"""What one session has left of its quotas (ours)."""

from __future__ import annotations

from collections.abc import Callable

from iii_actors.access.buckets import Bucket
from iii_actors.access.errors import QuotaExceeded
from iii_actors.config.access import QuotaSettings
from iii_actors.limits import QUOTA_DEBT

__all__ = ["Quotas"]


class Quotas:
    """Used by the thread that reads the session's socket. (Registrations are counted where they are made.)

    :param now: seconds that never go back.
    """

    __slots__ = ("_calls", "_pending", "_volume")

    def __init__(self, settings: QuotaSettings, now: Callable[[], float]) -> None:
        self._calls = _bucket(settings.calls_per_s, settings.calls_burst, now)
        self._volume = _bucket(settings.bytes_per_s, settings.bytes_burst, now)
        self._pending = settings.pending_calls

    @property
    def meters(self) -> bool:
        """Whether bytes count: then :meth:`charge` wants to hear of every message."""
        return self._volume is not None

    def check_call(self, pending: int) -> QuotaExceeded | None:
        """Take one call out; returns the error if that is one too many. ``pending``: how many are awaited now."""
        if self._calls is not None and not self._calls.take():
            return QuotaExceeded.calls(self._calls.per_s, int(self._calls.burst))
        if self._volume is not None and self._volume.level < 0:
            return QuotaExceeded.volume(self._volume.per_s, int(self._volume.burst))
        if self._pending is not None and pending >= self._pending:
            return QuotaExceeded.pending(self._pending)
        return None

    def charge(self, count: int) -> QuotaExceeded | None:
        """Take note of a message of so many bytes; returns the error if the session is to be ended for it.

        Above the quota calls are refused; what is no call is taken, as results owed to others are, up to a bound.
        """
        volume = self._volume
        if volume is None or volume.charge(count) >= -QUOTA_DEBT * volume.burst - count:
            return None
        return QuotaExceeded.volume(volume.per_s, int(volume.burst))


def _bucket(per_s: float | None, burst: int | None, now: Callable[[], float]) -> Bucket | None:
    if per_s is None:
        return None
    return Bucket(per_s, float(burst) if burst is not None else max(1.0, per_s), now)
