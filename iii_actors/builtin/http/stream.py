"""A response that comes through the channel: control messages, then bytes (http.md §8, §8.2)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from iii_actors.builtin.http.replies import MIN_STATUS, legal_header
from iii_actors.builtin.http.request import Header
from iii_actors.core.pipe import Item, Pipe
from iii_actors.limits import CHANNEL_ROUND_BYTES

__all__ = ["Stream"]

_MAX_SET_STATUS: Final = 599


class _Control(msgspec.Struct):
    type: Any = None
    status_code: Any = None
    headers: Any = None


_control: Final = msgspec.json.Decoder(_Control)


class Stream:
    """The reading end of a response's channel.

    :param pipe: its other end is the worker's.
    """

    __slots__ = ("_headers", "_pipe", "_waiting", "begun", "ended", "status")

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.status = 200
        self._headers: dict[str, str] = {}
        self._waiting: list[bytes] = []
        self.begun = False
        """A binary message has come: the response is this stream, whatever else may come."""
        self.ended = False
        """The writer has closed; all that it wrote has been taken."""

    def read(self) -> bool:
        """Take what is there up to the first binary message; returns whether this decides the response."""
        while not self.begun and not self.ended:
            items = self._pipe.take(CHANNEL_ROUND_BYTES)
            if items is None:
                self.ended = True
            elif not items:
                break
            else:
                self._sort(items)
        return self.begun or self.ended

    def body(self) -> bytes | None:
        """Take the bytes that are there, empty if none are; None at the end. After :meth:`read` has decided."""
        while not self._waiting and not self.ended:
            items = self._pipe.take(CHANNEL_ROUND_BYTES)
            if items is None:
                self.ended = True
            elif not items:
                return b""
            else:
                self._sort(items)
        if not self._waiting:
            return None
        parts, self._waiting = self._waiting, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def leave(self) -> None:
        """Take no more: the writer is dropped."""
        self._pipe.leave()

    def headers(self) -> list[Header]:
        """Return what has been set, the illegal left out, ``content-length`` (the last) included if it is a number."""
        found: list[Header] = []
        length: Header | None = None
        for name, value in self._headers.items():
            if name.lower() == "content-length":
                digits = value.strip()
                if digits.isascii() and digits.isdigit():
                    length = (b"content-length", digits.encode())
                continue
            header = legal_header(name, value)
            if header is not None:
                found.append(header)
        if length is not None:
            found.append(length)
        return found

    def _sort(self, items: list[Item]) -> None:
        for is_text, payload in items:
            if not is_text:
                self.begun = True
                if payload:
                    self._waiting.append(payload)
            elif not self.begun:
                self._obey(payload)

    def _obey(self, text: bytes) -> None:
        """Apply a control message; what is none is ignored."""
        try:
            control = _control.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        if control.type == "set_status":
            status = control.status_code
            if type(status) is int and MIN_STATUS <= status <= _MAX_SET_STATUS:
                self.status = status
        elif control.type == "set_headers" and isinstance(control.headers, dict):
            self._headers |= {name: value for name, value in control.headers.items() if isinstance(value, str)}
