"""One WebSocket connection, without threads of its own: `websockets`' protocol layer on a socket read in turns.

Measured on two cores, Python 3.11, `websockets` 17.4, against the engine in a process of its own, the same client at
both ends, echo, one call in flight (calls/s; CPU per call at the caller), and a 1 MB payload (round trips/s):

======================================================  =========================  ================
client                                                  64 B                       1 MB
======================================================  =========================  ================
``websockets.sync.client`` (reads on a thread of its)   1,700 calls/s, 200 us      104
``websocket-client``                                    2,400 calls/s, 120 us      53
``websockets`` without I/O, on our own socket           3,700 calls/s, 72 us       131
frames by hand (for comparison)                         3,700 calls/s, 63 us       92
======================================================  =========================  ================

So: its protocol layer for the handshake, for parsing and for frames; our own socket loop around it. Nothing is gained
by parsing frames by hand.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Response

from iii_worker.dial import dial
from iii_worker.limits import (
    LARGE_READ_BYTES,
    MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES,
    READ_BUFFER_BYTES,
    READS_PER_ROUND,
    SHOWN_BYTES,
)

__all__ = ["ConnectionEnded", "Round", "Transport", "UpgradeRefused", "frames_of"]

_log: Final = logging.getLogger("iii_worker.websockets")
_log.setLevel(logging.WARNING)
"""At DEBUG `websockets` would write whole frames, with tokens in them."""

_WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_ABNORMAL: Final = int(CloseCode.ABNORMAL_CLOSURE)


class UpgradeRefused(OSError):
    """The server answered the upgrade request, but not with 101."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status


class ConnectionEnded(Exception):
    """The connection is over; ``code`` is the close code, 1005 without one, 1006 without a Close frame."""

    def __init__(self, code: int, text: str, replies: list[bytes]) -> None:
        super().__init__(text)
        self.code = code
        self.replies = replies
        """What the engine should still get: the echo of its Close."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of reading brought."""

    messages: list[bytes | bytearray]
    replies: list[bytes]
    """Frames to send at once: pongs, the echo of a Close."""
    more: bool
    """Whether the socket may hold more."""


def frames_of(payload: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """Return a message as masked frames ready to send; long ones in several (core.md §1.4)."""
    if len(payload) <= MAX_FRAME_BYTES:
        return Frame(opcode, payload).serialize(mask=True)
    view = memoryview(payload)
    parts: list[bytes] = []
    for start in range(0, len(payload), MAX_FRAME_BYTES):
        end = start + MAX_FRAME_BYTES
        frame = Frame(opcode if start == 0 else Opcode.CONT, view[start:end], fin=end >= len(payload))
        parts.append(frame.serialize(mask=True))
    return b"".join(parts)


class Transport:
    """An open WebSocket. :meth:`take` is for one thread at a time; :attr:`socket` is non-blocking from the start."""

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str],
        timeout: float,
        ssl_context: ssl.SSLContext | None = None,
        max_message: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """Connect and upgrade within ``timeout`` seconds. Raises ``OSError``, :class:`UpgradeRefused` among them."""
        until = time.monotonic() + timeout
        dialled = dial(address, timeout, ssl_context)
        self.socket: socket.socket = dialled.socket
        self._protocol = ClientProtocol(dialled.uri, max_size=max_message, logger=_log)
        self._fragments: list[bytes | bytearray] = []
        self._secure = isinstance(self.socket, ssl.SSLSocket)
        self.guard: AbstractContextManager[object] = threading.Lock() if self._secure else nullcontext()
        self.last_heard = time.monotonic()
        self._early: list[bytes | bytearray] = []
        self._fresh = True
        self._end: ConnectionEnded | None = None
        try:
            self._upgrade(headers, until)
            self.socket.setblocking(False)
        except BaseException:
            self.socket.close()
            raise

    def take(self) -> Round:
        """Read what is there, without waiting. Raises :class:`ConnectionEnded`, after all that came before it."""
        protocol = self._protocol
        messages: list[bytes | bytearray] = []
        if self._end is not None:
            raise self._end
        if self._fresh:  # what came along with the answer to the upgrade request
            self._fresh = False
            messages, self._early = self._early, messages
            return self._closing(messages) if self._over() else Round(messages, protocol.data_to_send(), more=True)
        wanted = READ_BUFFER_BYTES
        more = False
        for _ in range(READS_PER_ROUND):
            try:
                with self.guard:
                    data = self.socket.recv(wanted)
            except _WOULD_BLOCK:
                more = False
                break
            except OSError as error:
                return self._ended(messages, _ABNORMAL, f"reading failed: {error}")
            if not data:
                return self._ended(messages, _ABNORMAL, "the engine dropped the connection")
            self.last_heard = time.monotonic()
            protocol.receive_data(data)
            self._collect(protocol.events_received(), messages)
            if self._over():
                return self._closing(messages)
            more = len(data) == wanted or self._secure
            if not more:
                break
            wanted = LARGE_READ_BYTES
        return Round(messages, protocol.data_to_send(), more)

    def ping(self) -> bytes:
        """Return a ping frame to send."""
        return Frame(Opcode.PING, b"").serialize(mask=True)

    def close_frame(self) -> bytes:
        """Return a Close frame to send: this side wants no more."""
        return Frame(Opcode.CLOSE, Close(CloseCode.NORMAL_CLOSURE, "").serialize()).serialize(mask=True)

    def _collect(self, events: Iterable[object], messages: list[bytes | bytearray]) -> None:
        for event in events:
            if not isinstance(event, Frame) or event.opcode not in _DATA:
                continue
            data = cast("bytes | bytearray", event.data)
            if event.fin and not self._fragments:
                messages.append(data)
                continue
            self._fragments.append(data)
            if event.fin:
                messages.append(b"".join(self._fragments))
                self._fragments.clear()

    def _over(self) -> bool:
        return self._protocol.close_rcvd is not None or self._protocol.parser_exc is not None

    def _closing(self, messages: list[bytes | bytearray]) -> Round:
        """The engine sent a Close, or something that is no WebSocket frame."""
        close, failure = self._protocol.close_rcvd, self._protocol.parser_exc
        if close is not None:
            return self._ended(messages, int(close.code), f"the engine closed the connection ({close})")
        sent = self._protocol.close_sent
        code = _ABNORMAL if sent is None else int(sent.code)
        return self._ended(messages, code, f"the engine's data could not be read: {failure}")

    def _ended(self, messages: list[bytes | bytearray], code: int, text: str) -> Round:
        replies = [data for data in self._protocol.data_to_send() if data]
        self._end = ConnectionEnded(code, text, replies)
        if not messages:
            raise self._end
        return Round(messages, [], more=True)  # the next round raises it

    def _upgrade(self, headers: Mapping[str, str], until: float) -> None:
        protocol = self._protocol
        request = protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        protocol.send_request(request)
        for data in protocol.data_to_send():
            self.socket.sendall(data)
        response: Response | None = None
        while response is None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the upgrade was not answered in time")
            self.socket.settimeout(left)
            data = self.socket.recv(READ_BUFFER_BYTES)
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
            events = protocol.events_received()
            response = next((event for event in events if isinstance(event, Response)), None)
            self._collect(events, self._early)
            failure = protocol.handshake_exc
            if failure is not None:
                raise _refusal(failure)
            if not data and response is None:
                raise UpgradeRefused(None, "the server dropped the connection instead of answering the upgrade request")


def _refusal(failure: Exception) -> UpgradeRefused:
    if isinstance(failure, InvalidStatus):
        response = failure.response
        body = (response.body or b"")[:SHOWN_BYTES].decode("utf-8", "replace").strip()
        text = f"the server answered HTTP {response.status_code} {response.reason_phrase}".rstrip()
        return UpgradeRefused(response.status_code, f"{text}: {body}" if body else text)
    if isinstance(failure, InvalidHandshake):
        return UpgradeRefused(None, f"what answers there is no WebSocket server: {failure}")
    return UpgradeRefused(None, f"the upgrade failed: {failure}")
