"""A worker's ends of a request's channels."""

from __future__ import annotations

import json
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from iii_actors import Engine
from iii_actors.core.messages import ChannelKey
from tests.support.channel_client import open_end
from tests.support.peer import Frame


def open_ref(engine: Engine, ref: dict[str, str]) -> ClientConnection:
    """Open the end that a reference in a payload is for."""
    return open_end(engine, ChannelKey(ref["channel_id"], ref["access_key"]), ref["direction"])


def reader(engine: Engine, frame: Frame) -> ClientConnection:
    return open_ref(engine, frame["data"]["request_body"])


def writer(engine: Engine, frame: Frame) -> ClientConnection:
    return open_ref(engine, frame["data"]["response"])


def read_all(end: ClientConnection) -> bytes:
    """Read to the end of the body."""
    parts = []
    try:
        while True:
            parts.append(end.recv(timeout=10))
    except ConnectionClosed:
        pass
    assert all(isinstance(part, bytes) for part in parts)
    return b"".join(parts)


def is_dropped(end: ClientConnection) -> bool:
    """Whether the engine ends it, in whatever way, within the usual time."""
    try:
        while True:
            end.recv(timeout=10)
    except ConnectionClosed:
        return True


def control(end: ClientConnection, **message: Any) -> None:
    end.send(json.dumps(message))
