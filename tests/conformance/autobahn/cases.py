"""The table of frames legal and illegal, and what an echo server makes of them, in the spirit of Autobahn's cases.

The numbers in the names are those of the Autobahn cases they resemble.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from websockets.frames import Opcode

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NO_CODE = 1005
MASK = b"\x37\xfa\x21\x3d"


class Event(NamedTuple):
    """A message or a pong, as the client gets it."""

    opcode: int
    payload: bytes

    def __repr__(self) -> str:
        shown = self.payload if len(self.payload) <= 64 else self.payload[:61] + b"..."
        return f"{Opcode(self.opcode).name}({len(self.payload)}: {shown!r})"


class Case(NamedTuple):
    """Frames, what comes back, and how the connection ends.

    ``closes``: the frames end in a legal Close, answered with one of these codes. ``refused``: the frames are illegal;
    a Close frame, if any, has one of these codes. Neither: the connection is still good afterwards.
    """

    name: str
    frames: Sequence[bytes]
    answers: Sequence[Event] = ()
    closes: Sequence[int] = ()
    refused: Sequence[int] = ()


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length, extended = size, b""
    elif size < 2**16:
        length, extended = 126, size.to_bytes(2, "big")
    else:
        length, extended = 127, size.to_bytes(8, "big")
    head = bytes([fin << 7 | rsv << 4 | opcode, mask << 7 | length]) + extended
    if not mask:
        return head + payload
    key = (MASK * (size // 4 + 1))[:size]
    return head + MASK + (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def fragments(opcode: int, parts: Sequence[bytes]) -> list[bytes]:
    last = len(parts) - 1
    return [frame(CONT if i else opcode, part, fin=i == last) for i, part in enumerate(parts)]


def pieces(payload: bytes, size: int) -> list[bytes]:
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def text(payload: str | bytes) -> Event:
    return Event(TEXT, payload.encode() if isinstance(payload, str) else payload)


HELLO = frame(TEXT, b"Hello, world!")
HELLO_BACK = text("Hello, world!")
PING_ME = frame(PING, b"ping payload")
PONG_BACK = Event(PONG, b"ping payload")
FRAGMENTED = fragments(TEXT, [b"fragment1", b"fragment2"])
FRAGMENTED_BACK = text("fragment1fragment2")


def after_message(name: str, bad: bytes, code: int = 1002) -> Case:
    return Case(f"{name}-after-message", [HELLO, bad, PING_ME], [HELLO_BACK], refused=[code])


def messages() -> Iterator[Case]:
    """1: framing."""
    for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537):
        yield Case(f"1.1-text-{size}", [frame(TEXT, b"*" * size)], [text(b"*" * size)])
        payload = (bytes(range(256)) * (size // 256 + 1))[:size]
        yield Case(f"1.2-binary-{size}", [frame(BINARY, payload)], [Event(BINARY, payload)])
    many = [b"%d" % i for i in range(200)]
    yield Case("1.x-many-messages", [frame(TEXT, m) for m in many], [text(m) for m in many])


def pings() -> Iterator[Case]:
    """2: pings and pongs."""
    for payload in (b"", b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125):
        yield Case(f"2-ping-{len(payload)}", [frame(PING, payload)], [Event(PONG, payload)])
    yield Case("2.5-ping-126", [frame(PING, b"\xfe" * 126)], refused=[1002])
    yield Case("2.7-pong-unasked", [frame(PONG), frame(PONG, b"unasked"), PING_ME], [PONG_BACK])
    ten = [b"%d" % i for i in range(10)]
    yield Case("2.10-ten-pings", [frame(PING, p) for p in ten], [Event(PONG, p) for p in ten])


def reserved() -> Iterator[Case]:
    """3 and 4: reserved bits and opcodes; and masking."""
    for rsv in range(1, 8):
        for name, opcode in (("text", TEXT), ("binary", BINARY), ("ping", PING), ("close", CLOSE)):
            payload = b"\x03\xe8" if opcode == CLOSE else b"Hello"
            yield Case(f"3-rsv{rsv}-{name}", [frame(opcode, payload, rsv=rsv), PING_ME], refused=[1002])
        yield after_message(f"3-rsv{rsv}", frame(TEXT, b"Hello", rsv=rsv))
    yield Case("3-rsv4-continuation", [FRAGMENTED[0], frame(CONT, b"fragment2", rsv=4)], refused=[1002])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"4-opcode{opcode}", [frame(opcode), PING_ME], refused=[1002])
        yield Case(f"4-opcode{opcode}-payload", [frame(opcode, b"payload"), PING_ME], refused=[1002])
        yield after_message(f"4-opcode{opcode}", frame(opcode, b"payload"))
    for name, opcode in (("text", TEXT), ("binary", BINARY), ("ping", PING), ("close", CLOSE)):
        yield Case(f"x-unmasked-{name}", [frame(opcode, b"\x03\xe8", mask=False), PING_ME], refused=[1002])
    yield after_message("x-unmasked", frame(TEXT, b"Hello", mask=False))


def fragmentation() -> Iterator[Case]:
    """5: fragments, and control frames between them."""
    yield Case("5.1-ping-fragmented", fragments(PING, [b"one", b"two"]), refused=[1002])
    yield Case("5.2-pong-fragmented", fragments(PONG, [b"one", b"two"]), refused=[1002])
    yield Case("5.x-close-fragmented", [frame(CLOSE, b"\x03\xe8", fin=False), frame(CONT)], refused=[1002])
    yield Case("5.3-two-fragments", FRAGMENTED, [FRAGMENTED_BACK])
    yield Case("5.3-two-fragments-binary", fragments(BINARY, [b"\xff", b"\x00\xfe"]), [Event(BINARY, b"\xff\x00\xfe")])
    yield Case("5.x-empty-fragments", fragments(TEXT, [b"", b"a", b"", b"", b"b", b""]), [text("ab")])
    yield Case("5.6-ping-between", [FRAGMENTED[0], PING_ME, FRAGMENTED[1]], [PONG_BACK, FRAGMENTED_BACK])
    yield Case("5.x-pong-between", [FRAGMENTED[0], frame(PONG, b"x"), FRAGMENTED[1]], [FRAGMENTED_BACK])
    for fin in (True, False):
        stray = frame(CONT, b"nothing to continue", fin=fin)
        yield Case(f"5.9-stray-continuation-fin{fin:d}", [stray, HELLO], refused=[1002])
        sent = [*FRAGMENTED, stray, HELLO]
        yield Case(f"5.15-stray-after-fragments-fin{fin:d}", sent, [FRAGMENTED_BACK], refused=[1002])
    for name, opcode in (("text", TEXT), ("binary", BINARY)):
        yield Case(f"5.18-{name}-inside-fragments", [FRAGMENTED[0], frame(opcode, b"fragment2")], refused=[1002])
    five = fragments(TEXT, [b"f1", b"f2", b"f3", b"f4", b"f5"])
    pinged = [*five[:2], PING_ME, *five[2:4], PING_ME, five[4]]
    yield Case("5.19-pings-between", pinged, [PONG_BACK, PONG_BACK, text("f1f2f3f4f5")])
    yield Case("5.x-one-then-the-next", [*five, *FRAGMENTED, HELLO], [text("f1f2f3f4f5"), FRAGMENTED_BACK, HELLO_BACK])


VALID_UTF8 = {
    "6.2-greek": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "6.5-kosme": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "6.7-nul": b"\x00",
    "6.7-first-of-each-length": b"\x00\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80",
    "6.9-last-of-each-length": b"\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
    "6.11-around-the-surrogates": b"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd",
    "6.22-noncharacters": b"\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbf",
    "6.x-bom": b"\xef\xbb\xbfafter the mark",
}
INVALID_UTF8 = {
    "6.3-surrogate-inside": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    "6.4-above-the-last": b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80edited",
    "6.6-cut-after-1-of-2": b"\xce",
    "6.6-cut-after-2-of-3": b"\xce\xba\xe1\xbd",
    "6.6-cut-after-3-of-4": b"ok\xf0\x90\x80",
    "6.8-five-octets": b"\xf8\x88\x80\x80\x80",
    "6.8-six-octets": b"\xfc\x84\x80\x80\x80\x80",
    "6.10-beyond-unicode": b"\xf7\xbf\xbf\xbf",
    "6.12-lone-continuation": b"\x80",
    "6.13-lone-starts": b"\xc0 \xc1 \xc2 ",
    "6.14-start-at-end": b"text\xdf",
    "6.16-fe-ff": b"\xfe\xfe\xff\xff",
    "6.17-overlong-slash": b"\xe0\x80\xaf",
    "6.18-overlong-highest": b"\xc1\xbf",
    "6.19-overlong-nul": b"\xc0\x80",
    "6.20-high-surrogate": b"\xed\xa0\x80",
    "6.21-surrogate-pair": b"\xed\xa0\x80\xed\xb0\x80",
}


def utf8() -> Iterator[Case]:
    """6: text is UTF-8, wherever the fragments cut it."""
    yield Case("6.1-empty-fragments", fragments(TEXT, [b"", b"", b""]), [text("")])
    for name, payload in VALID_UTF8.items():
        yield Case(name, [frame(TEXT, payload)], [text(payload)])
        yield Case(f"{name}-octet-fragments", fragments(TEXT, pieces(payload, 1)), [text(payload)])
    for name, payload in INVALID_UTF8.items():
        yield Case(name, [frame(TEXT, payload), PING_ME], refused=[1007])
        yield Case(f"{name}-octet-fragments", fragments(TEXT, [*pieces(payload, 1), b""]), refused=[1007])
        yield after_message(name, frame(TEXT, payload), 1007)
        yield Case(f"{name}-binary-is-legal", [frame(BINARY, payload)], [Event(BINARY, payload)])
    kosme = pieces(VALID_UTF8["6.5-kosme"], 1)
    between = itertools.chain.from_iterable((part, PING_ME) for part in fragments(TEXT, kosme))
    answers = [PONG_BACK] * (len(kosme) - 1) + [text(VALID_UTF8["6.5-kosme"])]
    yield Case("6.x-pings-inside-characters", list(between)[:-1], answers)


def closing() -> Iterator[Case]:
    """7: close frames and codes."""
    yield Case("7.1.1-message-then-close", [HELLO, close(1000)], [HELLO_BACK], closes=[1000])
    yield Case("7.1.2-two-closes", [close(1000), close(1000)], closes=[1000])
    yield Case("7.1.3-close-then-ping", [close(1000), PING_ME], closes=[1000])
    yield Case("7.1.4-close-then-message", [close(1000), HELLO], closes=[1000])
    yield Case("7.1.5-close-inside-fragments", [FRAGMENTED[0], close(1000), FRAGMENTED[1]], closes=[1000])
    yield Case("7.1.x-ping-then-close", [PING_ME, close(1000)], [PONG_BACK], closes=[1000])
    yield Case("7.1.x-close-then-garbage", [close(1000), b"\xff" * 50], closes=[1000])
    yield Case("7.3.1-close-empty", [frame(CLOSE)], closes=[1000, NO_CODE])
    yield Case("7.3.2-close-one-octet", [frame(CLOSE, b"\x03")], refused=[1002])
    yield Case("7.3.4-close-reason", [close(1000, b"Hello World!")], closes=[1000])
    yield Case("7.3.5-close-reason-123", [close(1000, b"*" * 123)], closes=[1000])
    yield Case("7.3.6-close-reason-124", [close(1000, b"*" * 124)], refused=[1002])
    yield Case("7.5.1-close-reason-not-utf8", [close(1000, b"\xce\xba\xed\xa0\x80")], refused=[1002, 1007])
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"7.7-close-{code}", [close(code)], closes=[1000, code, NO_CODE])
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999):
        yield Case(f"7.9-close-{code}", [close(code)], refused=[1002])


def sizes() -> Iterator[Case]:
    """9 and 10: larger payloads, more fragments; and a length no machine has."""
    for name, opcode in (("text", TEXT), ("binary", BINARY)):
        payload = bytes(range(1, 128)) * 2048
        yield Case(f"9-{name}-{len(payload)}", [frame(opcode, payload)], [Event(opcode, payload)])
        for size in (256, 1300, 65536):
            parts = fragments(opcode, pieces(payload, size))
            yield Case(f"9-{name}-{len(payload)}-by-{size}", parts, [Event(opcode, payload)])
    yield Case("10.1.1-65536-by-1300", fragments(TEXT, pieces(b"*" * 65536, 1300)), [text(b"*" * 65536)])
    yield Case("9-1000-tiny-fragments", fragments(BINARY, [b"x"] * 1000), [Event(BINARY, b"x" * 1000)])
    for length in (2**63 - 1, 2**63, 2**64 - 1):
        start = b"\x82\xff" + length.to_bytes(8, "big") + MASK + b"start"
        yield Case(f"9-length-{length:x}", [start], refused=[1002, 1009])


CASES = [*messages(), *pings(), *reserved(), *fragmentation(), *utf8(), *closing(), *sizes()]
