"""A client that says any bytes: frames legal and illegal, half requests, silence. Parses what comes back; never sleeps."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Self

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
WAIT_S = 10.0


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(len(payload))


def client_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK
) -> bytes:
    """One frame as a client sends it, or with ``mask`` None as one must not."""
    size = len(payload)
    if size < 126:
        length, extended = size, b""
    elif size < 2**16:
        length, extended = 126, size.to_bytes(2, "big")
    else:
        length, extended = 127, size.to_bytes(8, "big")
    head = bytes([fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | length]) + extended
    return head + payload if mask is None else head + mask + masked(payload, mask)


def fragments(opcode: int, parts: Sequence[bytes]) -> list[bytes]:
    """One message as several frames."""
    last = len(parts) - 1
    return [client_frame(CONTINUATION if i else opcode, part, fin=i == last) for i, part in enumerate(parts)]


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut into chunks of these sizes, over and over."""
    if not sizes:
        return [data]
    ends = itertools.takewhile(lambda end: end < len(data), itertools.accumulate(itertools.cycle(sizes)))
    return [data[a:b] for a, b in itertools.pairwise([0, *ends, len(data)])]


def upgrade_request(path: str = "/", *more: str, method: str = "GET", **replaced: str | None) -> bytes:
    """A handshake's request; ``connection=None`` leaves a header out, ``more`` are further header lines."""
    headers: dict[str, str | None] = {
        "host": "localhost",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec_websocket_version": "13",
        "sec_websocket_key": KEY,
    }
    headers |= replaced
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")


class RawClient:
    """One TCP connection."""

    def __init__(self, address: tuple[str, int], **buffers: int) -> None:
        self.socket = socket.socket()
        if "receive" in buffers:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers["receive"])
        self.socket.settimeout(WAIT_S)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_message(self, **message: Any) -> None:
        self.send(client_frame(TEXT, json.dumps(message).encode()))

    def upgrade(self, path: str = "/", behind: bytes = b"") -> str:
        """Shake hands; returns the answer's head."""
        self.send(upgrade_request(path) + behind)
        head = self.head()
        assert head.startswith("HTTP/1.1 101 "), head
        return head

    def head(self) -> str:
        """Receive an answer's head, up to its empty line."""
        while b"\r\n\r\n" not in self.received:
            assert self.more(), f"the connection ended after {self.received!r}"
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def more(self) -> bool:
        """Receive something; False when the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.received += data
        return bool(data)

    def rest(self) -> bytes:
        """Receive until the connection ends."""
        while self.more():
            pass
        rest, self.received = self.received, b""
        return rest

    def frame(self) -> tuple[int, bytes]:
        """Receive one whole, unmasked frame."""
        while (found := self._frame()) is None:
            assert self.more(), f"the connection ended; waiting: {self.received[:200]!r}"
        return found

    def _frame(self) -> tuple[int, bytes] | None:
        data = self.received
        if len(data) < 2:
            return None
        first, length, start = data[0], data[1], 2
        assert first & 0xF0 == 0x80, f"a fragment or reserved bits: {first:#x}"
        assert length < 128, "a server's frame is not masked"
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(data) < start:
                return None
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            return None
        self.received = data[start + length :]
        return first & 0x0F, data[start : start + length]

    def message(self) -> Any:
        """Receive one JSON message."""
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    def expect(self, **members: Any) -> Any:
        """Receive messages until one has these members."""
        while True:
            message = self.message()
            if all(message.get(key) == value for key, value in members.items()):
                return message


@contextlib.contextmanager
def raw_worker(address: tuple[str, int], **buffers: int) -> Iterator[RawClient]:
    """A connection on ``/`` that has been greeted."""
    with RawClient(address, **buffers) as client:
        client.upgrade()
        client.expect(type="workerregistered")
        yield client
