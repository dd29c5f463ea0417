"""Both ends of a real channel as the SDK's objects, and a server that says any bytes to them."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iii_actors import Engine
from iii_worker.channel import ChannelReader, ChannelWriter
from tests.support.channel_client import create

WAIT_S = 10.0
REF = {"channel_id": "c1", "access_key": "k1"}


def refs(engine: Engine, buffer_size: int = 64) -> tuple[dict[str, str], dict[str, str]]:
    """Return the references of a new channel: writer's, reader's."""
    key = create(engine, buffer_size)
    both = {"channel_id": key.channel_id, "access_key": key.access_key}
    return both | {"direction": "write"}, both | {"direction": "read"}


def ends(
    engine: Engine, buffer_size: int = 64, *, timeout: float | None = WAIT_S
) -> tuple[ChannelWriter, ChannelReader]:
    """Return both ends of a new channel, not opened."""
    writing, reading = refs(engine, buffer_size)
    return ChannelWriter(engine.url, writing, timeout=timeout), ChannelReader(engine.url, reading, timeout=timeout)


def server_frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """One frame as a server sends it; short payloads only."""
    assert len(payload) < 126
    return bytes([fin << 7 | opcode, len(payload)]) + payload


def accepted(request: bytes) -> bytes:
    """Return the 101 for an upgrade request."""
    lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
    key = {name.lower(): value for name, value in lines.items()}[b"sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


Serve = Callable[[socket.socket, bytes], None]


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """Run ``serve(connection, request)`` for one connection; gives the address, and raises what ``serve`` raised."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            listener.settimeout(WAIT_S)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(WAIT_S)
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4096)
                serve(connection, request)
        except BaseException as error:
            failures.append(error)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(WAIT_S)
    assert not thread.is_alive(), "the server still waits for its client"
    if failures:
        raise failures[0]
