"""What those who serve a channel's ends say to the channel registry (core.md §9.2, §9.3).

As in :mod:`iii_actors.core.messages`, the handler's return value is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from iii_actors.core.messages import ChannelKey
from iii_actors.core.pipe import Pipe

__all__ = [
    "Direction",
    "Find",
    "KnowsChannel",
    "LendChannels",
    "LentEnd",
    "ReleaseChannelEnd",
    "SweepChannels",
    "TakeChannelEnd",
]

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


class LentEnd(Protocol):
    """One end of a channel that a built-in worker keeps itself, because most of its channels are never opened.

    The other end is the worker's own, and counts as taken.
    """

    access_key: str

    def take(self, direction: Direction) -> Pipe | None:
        """Make the channel real and return its pipe; None if this end is not to be had, or not any more.

        Runs on the thread that just runs the channel registry; must not block.
        """


Find = Callable[[str], LentEnd | None]
"""Finds an end by its channel's id; runs as :meth:`LentEnd.take` does."""


class LendChannels(NamedTuple):
    """Asked of channels: look for channels that it does not hold with ``find`` too; with ``on`` False no longer."""

    find: Find
    on: bool = True
