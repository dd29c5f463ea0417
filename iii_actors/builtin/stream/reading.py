"""Reads of streams that no function call asks for: what a new subscriber is to see first (stream.md §6.2).

They take the same way as ``stream::get`` and ``stream::list``, custom providers included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Raw

from iii_actors.builtin.stream.inputs import StreamGetInput, StreamListInput
from iii_actors.core.outcome import wire_error
from iii_actors.errors import EngineError
from iii_actors.wire import messages as wire

__all__ = ["Read", "ReadDone", "Reading"]


class Read(NamedTuple):
    """Told to the streams' actor: read an item, or a group if ``item_id`` is None.

    ``done`` gets the outcome on the thread that runs that actor, behind all events of the writes before; an item that
    is not there is ``wire.ABSENT``.
    """

    stream_name: str
    group_id: str
    item_id: str | None
    done: Callable[[Raw, wire.ErrorBody | None], None]

    @property
    def function_id(self) -> str:
        return "stream::list" if self.item_id is None else "stream::get"

    def request(self) -> StreamGetInput | StreamListInput:
        """Return it as the function's input."""
        if self.item_id is None:
            return StreamListInput(self.stream_name, self.group_id)
        return StreamGetInput(self.stream_name, self.group_id, self.item_id)


_UNTRACED: Final = wire.InvokeFunction("")


class ReadDone(NamedTuple):
    """To the streams' actor itself: the outcome of a read."""

    read: Read
    result: Raw
    error: wire.ErrorBody | None


class Reading:
    """A read under way, in the place of a :class:`~iii_actors.builtin.base.Call`. Any thread."""

    def __init__(self, read: Read, finished: Callable[[ReadDone], None]) -> None:
        self._read = read
        self._finished = finished

    @property
    def call(self) -> wire.InvokeFunction:
        """A call's envelope, without trace context."""
        return _UNTRACED

    def answer_text(self, text: bytes | None) -> None:
        self._finished(ReadDone(self._read, wire.ABSENT if text is None else Raw(text), None))

    def fail(self, error: EngineError) -> None:
        self._finished(ReadDone(self._read, wire.ABSENT, wire_error(error)))
