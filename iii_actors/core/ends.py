"""What those who serve a channel's ends say to the channel registry (core.md §9.2, §9.3).

As in :mod:`iii_actors.core.messages`, the handler's return value is the answer.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from iii_actors.core.messages import ChannelKey

__all__ = ["Direction", "KnowsChannel", "ReleaseChannelEnd", "SweepChannels", "TakeChannelEnd"]

Direction = Literal["read", "write"]
"""Which end of a channel; the words of the protocol's ``dir`` and ``direction``."""


class KnowsChannel(NamedTuple):
    """Asked of channels: is there such a channel with such a key? Returns a bool (core.md §9.2)."""

    key: ChannelKey


class TakeChannelEnd(NamedTuple):
    """Asked of channels: the channel's :class:`~iii_actors.core.pipe.Pipe`, for an end that was never taken before.

    None if it was, or if the channel is gone.
    """

    key: ChannelKey
    direction: Direction


class ReleaseChannelEnd(NamedTuple):
    """To channels: who took this end is through with it. The end stays taken."""

    channel_id: str
    direction: Direction


class SweepChannels(NamedTuple):
    """To channels: remove the old ones that are not used (core.md §9.3)."""
