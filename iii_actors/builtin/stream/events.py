"""What happened in a stream, in the envelope that everybody is told it in (stream.md §3)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from iii_actors.storage import Change

__all__ = ["Event", "changed", "sent"]

_encode: Final = msgspec.json.Encoder().encode


class Event:
    """One event. Its envelope is made once, when the first one asks for it; it is the same for everybody."""

    __slots__ = ("_body", "_text", "at_ms", "group_id", "item_id", "stream_name")

    def __init__(self, stream_name: str, group_id: str, item_id: str | None, body: bytes, at_ms: int) -> None:
        self.stream_name = stream_name
        self.group_id = group_id
        self.item_id = item_id
        """None: of no item in particular."""
        self.at_ms = at_ms
        """Since the epoch, UTC."""
        self._body = body
        self._text: bytes | None = None

    def text(self) -> bytes:
        """Return all six members as JSON. Any thread: two that ask at once make the same text."""
        if self._text is None:
            self._text = b'{"type":"stream","timestamp":%d,"streamName":%b,"groupId":%b,"id":%b,"event":%b}' % (
                self.at_ms,
                _encode(self.stream_name),
                _encode(self.group_id),
                _encode(self.item_id),
                self._body,
            )
        return self._text

    def envelope(self) -> Raw:
        """Return :meth:`text` as the payload of a call."""
        return Raw(self.text())


def changed(change: Change) -> bytes | None:
    """Return what a write was to those who watch; None: nothing, an item was deleted that was not there."""
    if change.new is not None:
        return b'{"type":"%b","data":%b}' % (b"create" if change.old is None else b"update", change.new.text)
    if change.old is not None:
        return b'{"type":"delete","data":%b}' % change.old.text
    return None


def sent(kind: str, data: Raw) -> bytes:
    """Return what ``stream::send`` passes on."""
    return b'{"type":"event","event":{"type":%b,"data":%b}}' % (_encode(kind), bytes(data))
