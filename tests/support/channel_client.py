"""Clients for a channel's ends."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from iii_actors import Engine
from iii_actors.actor import ask
from iii_actors.core.messages import ChannelKey, CreateChannel
from tests.support.raw import WAIT_S, RawClient


def create(engine: Engine, buffer_size: int = 64) -> ChannelKey:
    """Ask for a channel at the source."""
    key: ChannelKey = ask(engine.core.channels, CreateChannel(buffer_size))
    return key


def path(key: ChannelKey, direction: str) -> str:
    return f"/ws/channels/{key.channel_id}?key={key.access_key}&dir={direction}"


def open_end(engine: Engine, key: ChannelKey, direction: str) -> ClientConnection:
    """Open one end with an ordinary client; it has a thread that reads."""
    url = engine.url + path(key, direction)
    return connect(url, max_size=None, compression=None, proxy=None, ping_interval=None)


@contextmanager
def taken_end(engine: Engine, key: ChannelKey, direction: str) -> Iterator[ClientConnection]:
    """The same, and it is this connection's end: the 101 comes before the end is given out, an answer after."""
    with open_end(engine, key, direction) as connection:
        assert connection.ping().wait(10)
        yield connection


def raw_end(
    engine: Engine, key: ChannelKey, direction: str, behind: bytes = b"", request: str = "", **buffers: int
) -> RawClient:
    """Open one end byte by byte; ``behind`` is sent together with the handshake."""
    client = RawClient(engine.listeners[0], **buffers)
    try:
        client.upgrade(request or path(key, direction), behind)
    except BaseException:
        client.socket.close()
        raise
    return client


def fill(client: RawClient, chunk: bytes, most: int) -> int:
    """Send ``chunk`` over and over until the engine takes no more; returns the bytes that went.

    The last chunk may be cut in the middle.
    """
    sent, view = 0, memoryview(chunk)
    client.socket.settimeout(0)
    while sent < most and select.select([], [client.socket], [], 0.5)[1]:
        sent += client.socket.send(view[sent % len(chunk) :])
    client.socket.settimeout(WAIT_S)
    return sent
