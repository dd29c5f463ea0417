"""WebSocket framing (RFC 6455 §5), the server's side: pure, no sockets.

:class:`FrameReader` turns the bytes that arrived into whole messages (:meth:`~FrameReader.taken`); an idle connection
keeps no buffer at all. The payload of a large frame is received in place, into memory of its own: while
:attr:`~FrameReader.place` is set, the next bytes are to be received there (:meth:`~FrameReader.filled`).
"""

from __future__ import annotations

import codecs
import struct
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # built without its C part: slower, the same answer
    from websockets.utils import apply_mask

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "FrameReader",
    "ProtocolError",
    "close_frame",
    "frame",
    "header",
]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FIN: Final = 0x80
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_CONTROL_MAX: Final = 125
_IN_PLACE: Final = 32768
"""A frame whose payload is larger than this and not yet complete is received into memory of its own."""

_SHORT: Final = struct.Struct(">BB").pack
_MEDIUM: Final = struct.Struct(">BBH").pack
_LONG: Final = struct.Struct(">BBQ").pack

Message = tuple[int, bytes]
"""``(opcode, payload)``: a whole text or binary message, or a control frame."""


class ProtocolError(Exception):
    """The peer broke RFC 6455 or a limit; the connection is dropped. ``close_code`` is what a Close would say."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code


class FrameReader:
    """The receiving half of one connection's framing. Used by one thread at a time.

    After a violation :attr:`error` is set: the messages before it were returned, nothing after it is looked at.
    """

    __slots__ = (
        "_fragments",
        "_kind",
        "_large",
        "_large_head",
        "_large_mask",
        "_leftover",
        "_max_frame",
        "_max_message",
        "_utf8",
        "closed",
        "error",
        "place",
    )

    def __init__(self, max_frame: int, max_message: int, first: bytes = b"") -> None:
        """Limits in bytes of payload; ``first`` is what had arrived behind the handshake's headers."""
        self._max_frame = max_frame
        self._max_message = max_message
        self._leftover = first
        self._large = bytearray()
        self._large_head = 0
        self._large_mask = b""
        self._kind = 0
        self._fragments = bytearray()
        self._utf8: codecs.IncrementalDecoder | None = None
        self.closed = False
        self.error: ProtocolError | None = None
        self.place: memoryview | None = None
        """Where the next bytes are to be received; None: anywhere, and then handed to :meth:`taken`."""

    def taken(self, data: bytes) -> list[Message]:
        """Take the next bytes, while :attr:`place` is None; returns the messages that are complete now."""
        messages: list[Message] = []
        if self.closed or self.error is not None:
            return messages
        if not self._leftover and not self._kind and len(data) > 7 and data[0] == 0x81 and data[1] != 0xFF:
            # By far the most reads bring one whole text message of ASCII in one frame, and nothing else.
            length, start = data[1] - 0x80, 6
            if length == 126:
                length, start = data[2] << 8 | data[3], 8
            if len(data) == start + length and length <= self._max_frame:
                text = apply_mask(data[start:], data[start - 4 : start])
                if text.isascii():
                    return [(TEXT, text)]
        try:
            self._parse(self._leftover + data if self._leftover else data, messages)
        except ProtocolError as error:
            self.error = error
        return messages

    def filled(self, count: int) -> list[Message]:
        """Take note of ``count`` bytes received at :attr:`place`; returns the message that is complete now, if any."""
        messages: list[Message] = []
        if self.place is None:
            return messages
        self.place = self.place[count:] if count < len(self.place) else None
        if self.place is None:
            payload, self._large = apply_mask(self._large, self._large_mask), bytearray()
            try:
                self._frame(self._large_head, payload, messages)
            except ProtocolError as error:
                self.error = error
        return messages

    def _parse(self, data: bytes, messages: list[Message]) -> None:
        position, end = 0, len(data)
        while end - position >= 6:
            first = data[position]
            length = data[position + 1] - 0x80
            if length < 0:
                raise ProtocolError(1002, "a client's frame must be masked")
            start = position + 6
            if length == 126:
                start += 2
                if start > end:
                    break
                length = data[position + 2] << 8 | data[position + 3]
            elif length == 127:
                start += 8
                if start > end:
                    break
                length = int.from_bytes(data[position + 2 : start - 4], "big")
            stop = start + length
            if stop > end:
                if length > _IN_PLACE:
                    self._begin_large(data[position:], start - position, length)
                    return
                break
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            if first == 0x81 and not self._kind and length <= self._max_frame:
                # By far the most frequent: a whole text message in one frame.
                if not payload.isascii():
                    _check_utf8(payload)
                messages.append((TEXT, payload))
            else:
                self._check(first, length if start - position == 6 else max(length, 126))
                self._frame(first, payload, messages)
                if self.closed:
                    return
            position = stop
        if position == end:
            self._leftover = b""
            return
        self._leftover = data[position:]
        if end - position >= 2:
            # What is known of the next frame is checked at once: a violation is not waited out.
            first, second = data[position], data[position + 1]
            if second < 0x80:
                raise ProtocolError(1002, "a client's frame must be masked")
            length = second - 0x80
            if length >= 126:
                size = 2 if length == 126 else 8
                extended = data[position + 2 : position + 2 + size]
                length = max(int.from_bytes(extended, "big"), 126) if len(extended) == size else 126
            self._check(first, length)

    def _begin_large(self, available: bytes, head_size: int, length: int) -> None:
        self._check(available[0], length)
        large = bytearray(length)
        got = len(available) - head_size
        large[:got] = memoryview(available)[head_size:]
        self._large, self._large_head, self.place = large, available[0], memoryview(large)[got:]
        self._large_mask = available[head_size - 4 : head_size]
        self._leftover = b""

    def _check(self, first: int, length: int) -> None:
        """Check a frame's header as soon as it is there, before its payload."""
        opcode = first & 0x0F
        if first & 0x70:
            raise ProtocolError(1002, "reserved bits are set, and no extension was negotiated")
        if opcode not in _OPCODES:
            raise ProtocolError(1002, f"opcode {opcode} is not defined")
        if opcode >= CLOSE:
            if not first & _FIN:
                raise ProtocolError(1002, "a control frame is fragmented")
            if length > _CONTROL_MAX:
                raise ProtocolError(1002, "a control frame is longer than 125 bytes")
            return
        if opcode == CONTINUATION and not self._kind:
            raise ProtocolError(1002, "a continuation without a beginning")
        if opcode != CONTINUATION and self._kind:
            raise ProtocolError(1002, "a new message inside a fragmented one")
        if length > self._max_frame:
            raise ProtocolError(1009, f"a frame of {length} bytes; the limit is {self._max_frame}")
        if len(self._fragments) + length > self._max_message:
            raise ProtocolError(1009, f"a message of more than {self._max_message} bytes")

    def _frame(self, first: int, payload: bytes, messages: list[Message]) -> None:
        """Take one checked, unmasked frame."""
        opcode, final = first & 0x0F, first & _FIN
        if opcode >= CLOSE:
            if opcode == CLOSE:
                _check_close(payload)
                self.closed = True
            messages.append((opcode, payload))
            return
        if final and opcode != CONTINUATION:
            if opcode == TEXT:
                _check_utf8(payload)
            messages.append((opcode, payload))
            return
        if opcode != CONTINUATION:
            self._kind = opcode
            self._utf8 = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        if self._utf8 is not None:
            try:
                self._utf8.decode(payload, bool(final))
            except UnicodeDecodeError as error:
                raise ProtocolError(1007, f"a text message is not UTF-8: {error.reason}") from None
        # One growing buffer, not a list: a million fragments of one byte must not cost more than their bytes.
        self._fragments += payload
        if final:
            messages.append((self._kind, bytes(self._fragments)))
            self._kind, self._fragments, self._utf8 = 0, bytearray(), None


def _check_utf8(payload: bytes) -> None:
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(1007, f"a text message is not UTF-8: {error.reason}") from None


def _check_close(payload: bytes) -> None:
    """RFC 6455 §5.5.1, §7.4: no body, or a code that may be sent and a reason in UTF-8."""
    if not payload:
        return
    if len(payload) == 1:
        raise ProtocolError(1002, "a Close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ProtocolError(1002, f"close code {code} may not be sent")
    _check_utf8(payload[2:])


def header(opcode: int, length: int) -> bytes:
    """Return the header of one whole, unmasked frame."""
    if length < 126:
        return _SHORT(_FIN | opcode, length)
    if length < 65536:
        return _MEDIUM(_FIN | opcode, 126, length)
    return _LONG(_FIN | opcode, 127, length)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole, unmasked frame."""
    return header(opcode, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a Close frame, with as much of the reason as fits; code 0: one without status (the peer reports 1005)."""
    if not code:
        return frame(CLOSE, b"")
    fits = reason.encode()[: _CONTROL_MAX - 2].decode(errors="ignore")  # no character is cut in two
    return frame(CLOSE, code.to_bytes(2, "big") + fits.encode())
