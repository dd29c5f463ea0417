"""Responses on their way to uvicorn: framing, cross-origin headers, what may not be said (http.md §8, §10)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from iii_actors.builtin.http.cors import Cors
from iii_actors.builtin.http.replies import TIMED_OUT, Reply
from iii_actors.builtin.http.request import Header
from iii_actors.builtin.http.stream import Stream
from iii_actors.builtin.http.turn import Turn

__all__ = ["Send", "Sender", "Writer"]

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], Awaitable[None]]
"""ASGI's."""

_LENGTH: Final = b"content-length"
_CLOSE: Final[Header] = (b"connection", b"close")
_KEEP_ALIVE: Final[Header] = (b"connection", b"keep-alive")
_BODILESS: Final = frozenset({204, 304})


class Sender:
    """Sends one response, whole or in parts.

    :param turn: the request's, on its connection.
    :param date: the ``date`` header of this second.
    """

    __slots__ = ("_cors", "_date", "_send", "_timed_out", "scope", "turn")

    def __init__(self, turn: Turn, send: Send, cors: Cors, date: Header) -> None:
        self.turn = turn
        self.scope = turn.scope
        self._send = send
        self._cors = cors
        self._date = date
        self._timed_out = False

    def timed_out(self) -> Reply:
        """Return the answer of a request whose time was up: the one without cross-origin headers."""
        self._timed_out = True
        return TIMED_OUT

    async def reply(self, reply: Reply, *, preflight: bool = False) -> None:
        """Send a whole response."""
        status, headers, body = reply
        if status in _BODILESS:
            body = b""
        else:
            headers = [*headers, (_LENGTH, b"%d" % len(body))]
        headers, last, closing = self._finished(headers, preflight=preflight)
        await self.turn.respond(status, headers, body, last=last and not closing)
        if closing:
            self.turn.line.end_gently()

    async def begin(self, stream: Stream) -> Writer:
        """Send status and headers of a response that comes through a channel."""
        status, headers = stream.status, stream.headers()
        length = next((int(value) for name, value in headers if name == _LENGTH), None)
        is_head = self.scope["method"] == "HEAD"
        bodiless = is_head or status in _BODILESS
        if status in _BODILESS:
            headers = [header for header in headers if header[0] != _LENGTH]
        elif not stream.begun and not (is_head and length is not None):
            headers = [header for header in headers if header[0] != _LENGTH]
            headers.append((_LENGTH, b"0"))
            length = 0
        until_closed = length is None and not bodiless and self.turn.until_closed()
        headers, _, closing = self._finished(headers, preflight=False)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        if closing:
            self.turn.hold_open()
        length = None if bodiless else length
        return Writer(self._send, self.turn, length, bodiless=bodiless, closing=closing, until_closed=until_closed)

    def _finished(self, headers: list[Header], *, preflight: bool) -> tuple[list[Header], bool, bool]:
        """Add what every response says of itself and of other origins.

        Returns the headers, whether the connection ends behind the response, and whether it must do so gently.
        """
        turn, cors = self.turn, self._cors
        unread = not turn.upload.complete and not turn.upload.poured
        last = not turn.keeps_alive or (unread and turn.unasked)
        named = {name for name, _ in headers}
        if b"connection" in named:
            wanted = {value.lower() for name, value in headers if name == b"connection"}
            last = last or b"close" in wanted
            headers = [header for header in headers if header[0] != b"connection"]
            if not last and b"keep-alive" in wanted:
                headers.append(_KEEP_ALIVE)
        if named & cors.overridden:
            headers = [header for header in headers if header[0] not in cors.overridden]
        if b"date" not in named:
            headers = [self._date, *headers]
        if not self._timed_out:
            origin = None
            if cors.asks_origin:
                origin = next((value for name, value in self.scope["headers"] if name == b"origin"), None)
            headers = headers + (cors.preflight(origin) if preflight else cors.answer(origin))
        if last:
            headers = [*headers, _CLOSE]
        return headers, last, last and unread


class Writer:
    """Sends a response's body in parts, as many bytes as were announced.

    :param length: announced bytes; None: however many come.
    :param bodiless: what comes is not sent.
    :param closing: the connection is to be ended gently behind the body.
    :param until_closed: the connection's end is the body's.
    """

    __slots__ = ("_bodiless", "_closing", "_left", "_send", "_turn", "_until_closed")

    def __init__(
        self,
        send: Send,
        turn: Turn,
        length: int | None,
        *,
        bodiless: bool,
        closing: bool,
        until_closed: bool,
    ) -> None:
        self._send = send
        self._turn = turn
        self._left = length
        self._bodiless = bodiless
        self._closing = closing
        self._until_closed = until_closed

    async def write(self, part: bytes) -> bool:
        """Send some bytes; waits while the client is slow. False: that was more than was announced, and it is over."""
        if self._bodiless:
            return True
        if self._left is None:
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
            return True
        fits = part[: self._left]
        self._left -= len(fits)
        await self._send({"type": "http.response.body", "body": fits, "more_body": True})
        if len(fits) == len(part):
            return True
        logger.warning("A handler wrote more than its content-length: the rest is not sent")
        await self.end()
        return False

    async def end(self) -> None:
        """All has been written."""
        if self._left:
            logger.warning("A handler wrote %d bytes less than its content-length: the connection is cut", self._left)
            self._turn.line.abort()
            return
        if self._until_closed:
            self._turn.close()
            return
        await self._send({"type": "http.response.body", "body": b""})
        if self._closing:
            self._turn.line.end_gently()
