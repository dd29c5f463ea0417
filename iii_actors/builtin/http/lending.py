"""The channels of requests in flight: their references stand in every payload, but few are ever opened (http.md §5).

So a request costs three random ids and two entries in a table; a pipe is made when a worker opens its end.
"""

from __future__ import annotations

from typing import Protocol

from iii_actors.core.ends import Direction
from iii_actors.core.ids import new_id
from iii_actors.core.messages import ChannelKey
from iii_actors.core.pipe import Pipe
from iii_actors.limits import CHANNEL_BUFFER_DEFAULT, HTTP_PIPE_BYTES

__all__ = ["Borrower", "Lending", "Pair"]


class Borrower(Protocol):
    """A request, which keeps the other ends."""

    def opened(self, direction: Direction, pipe: Pipe) -> None:
        """A worker has opened its end, ``read`` for the request's body, ``write`` for the response. Any thread."""


class Pair:
    """Both channels of one request. A key is only worth something with an id, so one serves both."""

    __slots__ = ("access_key", "borrower", "response_id", "taken", "upload_id")

    def __init__(self, borrower: Borrower) -> None:
        self.borrower = borrower
        self.access_key = new_id()
        self.upload_id = new_id()
        self.response_id = new_id()
        self.taken: tuple[Direction, ...] = ()
        """The ends that workers have opened; changed only by the thread that runs the channel registry."""

    @property
    def upload(self) -> ChannelKey:
        """Opens the reading end of the request's body."""
        return ChannelKey(self.upload_id, self.access_key)

    @property
    def response(self) -> ChannelKey:
        """Opens the writing end of the response."""
        return ChannelKey(self.response_id, self.access_key)


class _End:
    """One end that a worker may take; see :class:`~iii_actors.core.ends.LentEnd`."""

    __slots__ = ("_direction", "_pair", "access_key")

    def __init__(self, pair: Pair, direction: Direction) -> None:
        self.access_key = pair.access_key
        self._pair = pair
        self._direction: Direction = direction

    def take(self, direction: Direction) -> Pipe | None:
        pair = self._pair
        if direction != self._direction or direction in pair.taken:
            return None
        pair.taken += (direction,)
        pipe = Pipe(CHANNEL_BUFFER_DEFAULT, HTTP_PIPE_BYTES)
        pair.borrower.opened(direction, pipe)
        return pipe


class Lending:
    """The ends that workers may open now.

    :meth:`find` runs on the thread that runs the channel registry, the rest on the loop's.
    """

    def __init__(self) -> None:
        self._offered: dict[str, Pair] = {}

    def offer(self, pair: Pair) -> None:
        """Let workers open both ends."""
        self._offered[pair.upload_id] = self._offered[pair.response_id] = pair

    def withdraw(self, pair: Pair) -> None:
        """Let nobody open an end any more; those that are open stay so."""
        self._offered.pop(pair.upload_id, None)
        self._offered.pop(pair.response_id, None)

    def find(self, channel_id: str) -> _End | None:
        """Return the end with this channel's id."""
        pair = self._offered.get(channel_id)
        if pair is None:
            return None
        return _End(pair, "read" if channel_id == pair.upload_id else "write")
