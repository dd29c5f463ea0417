"""The channel registry (core.md §9): which channels there are, and which of their ends were taken.

What flows through a channel does not pass here: who takes an end gets the channel's
:class:`~iii_actors.core.pipe.Pipe`. Channels belong to nobody; the worker that had one made may leave.
"""

from __future__ import annotations

import logging
import secrets
from typing import Final

from pykka import ActorDeadError

from iii_actors.actor import LightActor, handles
from iii_actors.clock import Clock, Timer
from iii_actors.core.ends import (
    Direction,
    Find,
    KnowsChannel,
    LendChannels,
    LentEnd,
    ReleaseChannelEnd,
    SweepChannels,
    TakeChannelEnd,
)
from iii_actors.core.ids import new_id
from iii_actors.core.messages import ChannelKey, CreateChannel
from iii_actors.core.pipe import Pipe
from iii_actors.errors import EngineError
from iii_actors.limits import (
    CHANNEL_BUFFER_MAX,
    CHANNEL_SWEEP_S,
    CHANNEL_UNUSED_S,
    CHANNELS_REMEMBERED,
    MAX_CHANNELS,
)

__all__ = ["Channels", "TooManyChannels"]

logger = logging.getLogger(__name__)

_BOTH: Final[frozenset[Direction]] = frozenset({"read", "write"})
_NEITHER: Final[frozenset[Direction]] = frozenset()


class TooManyChannels(EngineError):
    """As many channels are open as may be (``limits.MAX_CHANNELS``).

    :param limit: how many that is.
    """

    code = "channel_limit_reached"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} channels are open, which is the limit; close both ends of those you have, "
            f"and do not create channels that nobody opens: they stay for {CHANNEL_UNUSED_S:g} s"
        )


class _Channel:
    """One row."""

    __slots__ = ("access_key", "created_at", "pipe", "released", "untaken")

    def __init__(self, access_key: str, pipe: Pipe, created_at: float) -> None:
        self.access_key = access_key
        self.pipe = pipe
        self.created_at = created_at
        """On the clock's monotonic scale, seconds."""
        self.untaken = _BOTH
        self.released = _NEITHER


class Channels(LightActor):
    """Owns the open channels, oldest first, and the keys of a number of past ones; knows who lends others.

    A channel is open from its creation until both its ends were taken and given back, or until the sweep finds it old
    and unused. A past one's ends count as taken, as long as it is remembered; after that it is unknown.
    """

    def __init__(
        self, clock: Clock, max_channels: int = MAX_CHANNELS, max_remembered: int = CHANNELS_REMEMBERED
    ) -> None:
        super().__init__()
        self._clock = clock
        self._max_channels = max_channels
        self._max_remembered = max_remembered
        self._open: dict[str, _Channel] = {}
        self._past_keys: dict[str, str] = {}
        self._lenders: tuple[Find, ...] = ()
        self._timer: Timer | None = None

    def on_start(self) -> None:
        self._arm()

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @handles(CreateChannel)
    def create(self, request: CreateChannel) -> ChannelKey:
        if len(self._open) >= self._max_channels:
            raise TooManyChannels(self._max_channels)
        key = ChannelKey(new_id(), new_id())
        pipe = Pipe(min(max(request.buffer_size, 1), CHANNEL_BUFFER_MAX))
        self._open[key.channel_id] = _Channel(key.access_key, pipe, self._clock.monotonic())
        return key

    @handles(KnowsChannel)
    def knows(self, query: KnowsChannel) -> bool:
        channel_id, access_key = query.key
        channel = self._open.get(channel_id)
        known = channel.access_key if channel is not None else self._past_keys.get(channel_id)
        if known is None:
            return self._lent(query.key) is not None
        return _same(known, access_key)

    @handles(TakeChannelEnd)
    def take(self, request: TakeChannelEnd) -> Pipe | None:
        channel_id, access_key = request.key
        channel = self._open.get(channel_id)
        if channel is None:
            lent = self._lent(request.key)
            return lent.take(request.direction) if lent is not None else None
        if not _same(channel.access_key, access_key) or request.direction not in channel.untaken:
            return None
        channel.untaken -= {request.direction}
        return channel.pipe

    @handles(ReleaseChannelEnd)
    def release(self, message: ReleaseChannelEnd) -> None:
        channel = self._open.get(message.channel_id)
        if channel is None:
            return
        channel.released |= {message.direction}
        if channel.released == _BOTH:
            del self._open[message.channel_id]
            self._past_keys[message.channel_id] = channel.access_key
            if len(self._past_keys) > self._max_remembered:
                del self._past_keys[next(iter(self._past_keys))]

    @handles(LendChannels)
    def lend(self, request: LendChannels) -> None:
        others = tuple(find for find in self._lenders if find != request.find)
        self._lenders = (*others, request.find) if request.on else others

    def _lent(self, key: ChannelKey) -> LentEnd | None:
        for find in self._lenders:
            end = find(key.channel_id)
            if end is not None:
                return end if _same(end.access_key, key.access_key) else None
        return None

    # --- the sweep ---------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._timer = self._clock.call_later(CHANNEL_SWEEP_S, self._due)

    def _due(self) -> None:
        """Runs on the clock's thread."""
        try:
            self.actor_ref.tell(SweepChannels())
        except ActorDeadError:
            logger.debug("The engine stopped before the sweep")

    @handles(SweepChannels)
    def sweep(self, _: SweepChannels) -> None:
        """Remove what is old and has an end that never came; the end that did come learns it like from a real one."""
        now = self._clock.monotonic()
        unused: list[str] = []
        for channel_id, channel in self._open.items():
            if now - channel.created_at <= CHANNEL_UNUSED_S:
                break
            if channel.untaken:
                unused.append(channel_id)
        for channel_id in unused:
            channel = self._open.pop(channel_id)
            if "write" in channel.untaken:
                channel.pipe.finish()
            if "read" in channel.untaken:
                channel.pipe.leave()
        if unused:
            logger.info("%d channels were removed: nobody opened both ends", len(unused))
        self._arm()


def _same(known: str, given: str) -> bool:
    return secrets.compare_digest(known.encode(), given.encode())
