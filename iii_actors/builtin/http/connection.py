"""One client's connection: uvicorn's protocol, held to the bounds that it does not set itself.

It refuses what is no proper request, in one answer, and closes; it gives up on clients that are too slow; and it hands
a request's body to an :class:`~iii_actors.builtin.http.upload.Upload` instead of collecting it. All on the loop's
thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from iii_actors.builtin.http.replies import Reply, refused
from iii_actors.builtin.http.turn import Turn, Waiting
from iii_actors.builtin.http.upload import Upload
from iii_actors.limits import (
    HTTP_DISCARD_BYTES,
    HTTP_HEADER_BYTES,
    HTTP_HEADERS,
    HTTP_KEEP_ALIVE_S,
    HTTP_LINGER_IDLE_S,
    HTTP_LINGER_S,
    HTTP_STALLED_WRITE_S,
    HTTP_URI_BYTES,
)

__all__ = ["EXTENSION", "Bounds", "Connection"]

EXTENSION: Final = "iii"
"""Where a request's scope has its :class:`~iii_actors.builtin.http.turn.Turn`: ``scope["extensions"]["iii"]``."""

_quiet = logging.getLogger("iii_actors.builtin.http.uvicorn")
_quiet.setLevel(logging.CRITICAL)

_SPACE_AND_COLON: Final = 4
"""Bytes of a header line beside its name and value."""


@dataclass(slots=True)
class Bounds:
    """What may be set of the bounds (http.md §11)."""

    max_connections: int
    header_timeout_s: float


class _Refused(Exception):
    """Raised in a parser's callback: the request is to be answered with this, and the connection closed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = refused(status, code, message)


class Connection(HttpToolsProtocol):
    """One connection.

    :param bounds: read at every look, so that a change counts for connections that are open.
    :param ended: called when the connection is lost.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        bounds: Bounds,
        ended: Callable[[], None],
    ) -> None:
        super().__init__(config, state, {}, loop)
        self.logger = _quiet
        self.access_log = False
        self.answering: Waiting | None = None
        """Set by the application for as long as it answers a request of this connection."""
        self._bounds = bounds
        self._ended = ended
        self._upload = Upload(None)
        self._refusal: Reply | None = None
        self._in_body = False
        self._counted = 0
        self._line_bytes = 0
        self._unparsed = 0
        self._head_since: float | None = None
        self._heard = loop.time()
        self._ending = False
        self._unread_since: float | None = None
        """When a look first found the client still sending what nobody reads, behind its response."""
        self._discarded = 0
        self._stalled: tuple[float, int] | None = None

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self._heard
        if len(self.connections) > self._bounds.max_connections:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._upload.end()
        if self.answering is not None:
            self.answering.client_gone()
        self._ended()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            self._heard = self.loop.time()
            self._discarded += len(data)
            if self._discarded > HTTP_DISCARD_BYTES:
                self.transport.abort()
            return
        self._heard = self.loop.time()
        if not self._in_body:
            self._unparsed += len(data)
            if self._head_since is None:
                self._head_since = self._heard
        super().data_received(data)
        if self._unparsed > HTTP_HEADER_BYTES + HTTP_URI_BYTES and not self._ending:
            self._refusal = _TOO_LARGE.reply
            self.send_400_response("")
        elif self.parser is not None and self.cycle is not None and self.parser.should_upgrade():
            # What follows is not parsed any more, whatever it is.
            self.cycle.keep_alive = False

    # --- the parser --------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._counted = self._line_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > HTTP_URI_BYTES:
            self._refuse(_Refused(414, "URI_TOO_LONG", f"The request's URI is longer than {HTTP_URI_BYTES} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer: what it says comes too late
        self._counted += 1
        self._line_bytes += len(name) + len(value) + _SPACE_AND_COLON
        if self._counted > HTTP_HEADERS or self._line_bytes > HTTP_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        has_body = self._check_head()
        self._head_since = None
        self._unparsed = 0
        self._in_body = True
        self._upload = Upload(self if has_body else None)
        super().on_headers_complete()
        scope = cast("dict[str, Any]", self.scope)
        scope["extensions"] = {EXTENSION: Turn(self, self.cycle, scope, self._upload)}

    def on_body(self, body: bytes) -> None:
        self._upload.data(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._upload.end()
        super().on_message_complete()

    def _check_head(self) -> bool:
        """Refuse what could be read in two ways (RFC 9112 §2.2, §3.2, §6); return whether a body follows."""
        version = self.parser.get_http_version()
        hosts, length, encoding = 0, b"0", b""
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                encoding = value.strip().lower()
        if version != "1.1":
            if version != "1.0":
                self._refuse(_Refused(505, "HTTP_VERSION_NOT_SUPPORTED", "Use HTTP/1.1 or HTTP/1.0"))
            if encoding:
                self._refuse(_Refused(400, "BAD_REQUEST", "HTTP/1.0 knows no Transfer-Encoding"))
        elif hosts != 1:
            self._refuse(_Refused(400, "BAD_REQUEST", "A request has exactly one Host header"))
        if encoding not in (b"", b"chunked"):
            self._refuse(_Refused(501, "NOT_IMPLEMENTED", "The only Transfer-Encoding supported is chunked"))
        has_body = bool(encoding) or length.strip(b"0 \t") != b""
        if has_body and self.parser.should_upgrade():
            self._refuse(_Refused(400, "BAD_REQUEST", "A request with a body cannot ask for an upgrade"))
        return has_body

    def _refuse(self, refusal: _Refused) -> None:
        """Make the parser stop; :meth:`send_400_response` follows."""
        self._refusal = refusal.reply
        raise refusal

    def send_400_response(self, msg: str) -> None:
        """Answer what is no proper request, once, and close; uvicorn calls this for whatever its parser refuses."""
        cycle = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if busy and not self._in_body:
            # A proper request before it is still being answered: that is the last answer on this connection.
            self.flow.pause_reading()
            cycle.keep_alive = False
            return
        reply = self._refusal if self._refusal is not None else _BAD_REQUEST.reply
        self._in_body = False
        if busy:
            started = cycle.response_started
            cycle.disconnected = True
            self._upload.end()
            if self.answering is not None:
                self.answering.client_gone()
            if started or self.pipeline:
                self.transport.abort()
                return
        self._say(reply)

    def _say(self, reply: Reply) -> None:
        """Write a whole answer of our own, and end the connection gently."""
        lines = [STATUS_LINE[reply.status]]
        lines += [b"%b: %b\r\n" % header for header in reply.headers]
        lines.append(b"content-length: %d\r\nconnection: close\r\n\r\n" % len(reply.body))
        self.transport.write(b"".join([*lines, reply.body]))
        self.end_gently()

    def end_gently(self) -> None:
        """Say no more; throw away what the client still says, for a moment, so that it can read our last word."""
        if not self._ending and not self.transport.is_closing():
            self._ending = True
            self._unset_keepalive_if_required()
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:  # TLS has no half of an end: what is written leaves, and then all is over
                self.transport.close()

    # --- the body's source -------------------------------------------------------------------------------------------

    def pause(self) -> None:
        self.flow.pause_reading()

    def resume(self) -> None:
        if not self.pipeline:
            self.flow.resume_reading()

    def go_on(self) -> None:
        cycle = self.cycle
        if cycle.waiting_for_100_continue and not cycle.response_started:
            cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def enough(self) -> None:
        self.transport.abort()

    def abort(self) -> None:
        """End the connection now, in the middle of whatever is being said: the client must not take it for whole."""
        self.transport.abort()

    # --- time --------------------------------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Give up on a client that is too slow; called now and then, with the loop's time."""
        if self.transport.is_closing():
            return
        busy = self.cycle is not None and not self.cycle.response_complete
        unread = not busy and self._in_body and not self._upload.poured
        if not unread and not self._ending:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if self._is_stalled(now):
            self.transport.abort()
        elif self._unread_since is not None:
            if now - self._unread_since > HTTP_LINGER_S or now - self._heard > HTTP_LINGER_IDLE_S:
                self.transport.abort()
        elif busy:
            return
        elif self._head_since is not None and now - self._head_since > self._bounds.header_timeout_s:
            if self._unparsed:
                self._say(_TOO_SLOW.reply)
            else:
                self.transport.close()
        elif now - self._heard > HTTP_KEEP_ALIVE_S:
            self.transport.abort()

    def _is_stalled(self, now: float) -> bool:
        """Whether the client has not taken a byte for too long, of those that wait for it."""
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self._stalled = None
        elif self._stalled is None or self._stalled[1] != waiting:
            self._stalled = (now, waiting)
        return self._stalled is not None and now - self._stalled[0] > HTTP_STALLED_WRITE_S


_BAD_REQUEST: Final = _Refused(400, "BAD_REQUEST", "The request is not valid HTTP")
_TOO_LARGE: Final = _Refused(
    431,
    "HEADERS_TOO_LARGE",
    f"A request may have {HTTP_HEADERS} headers of {HTTP_HEADER_BYTES} bytes together",
)
_TOO_SLOW: Final = _Refused(408, "REQUEST_TIMEOUT", "The request's headers took too long")
