"""Engine pings, where a listener's settings ask for them: the way to find half-open peers (design.md §6).

Off by default: an idle worker is never disconnected (core.md §1.4). With ``ping_interval_s`` every peer gets a ping
that often, and one from which nothing at all has come within ``ping_timeout_s`` after it is cut off and cleaned up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from iii_actors.clock import Clock, Timer

__all__ = ["Keepalive", "Pinged"]


class Pinged(Protocol):
    """A socket that may be asked whether its peer is there. Any thread; neither waits."""

    heard: int
    """How often something came."""

    def ping(self) -> None:
        """Send a WebSocket ping."""

    def cut(self, reason: str) -> None:
        """End the connection at once."""


class Keepalive:
    """Pings the peers of one listener. Its timers run on the clock's thread and never wait."""

    def __init__(
        self, clock: Clock, peers: Callable[[], Iterable[Pinged]], interval_s: float, timeout_s: float
    ) -> None:
        """``interval_s`` 0 means never."""
        self._clock = clock
        self._peers = peers
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
        pinged = [(peer, peer.heard) for peer in self._peers()]
        for peer, _ in pinged:
            peer.ping()
        self._clock.call_later(self._timeout_s, partial(self._cut_silent, pinged))
        self.start()

    @staticmethod
    def _cut_silent(pinged: Iterable[tuple[Pinged, int]]) -> None:
        for peer, heard_before in pinged:
            if peer.heard == heard_before:
                peer.cut("nothing came from it after a ping")
