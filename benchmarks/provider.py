"""A worker that serves a trigger type, so that churning workers' bindings go the whole way and are not parked."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

__all__ = ["TRIGGER_TYPE", "provider"]

TRIGGER_TYPE: Final = "subscribe"
"""One of the three that pathload binds to; until the engine has it built in, a custom type like any other."""


@contextmanager
def provider(url: str) -> Iterator[None]:
    """Serve the type within the block: every binding is acknowledged by a thread of this process."""
    with connect(url, max_size=None, compression=None, proxy=None) as socket:
        details = {"runtime": "python", "version": "1", "name": "bench-provider", "pid": os.getpid()}
        _send(socket, type="invokefunction", function_id="engine::workers::register", data=details)
        _send(socket, type="registertriggertype", id=TRIGGER_TYPE, description="bindings of the benchmark")
        # The next message is handled after the registration, so its answer says that the type is there.
        _send(socket, type="ping")
        while json.loads(socket.recv())["type"] != "pong":
            pass
        threading.Thread(target=_acknowledge, args=[socket], name="bench-provider", daemon=True).start()
        yield


def _acknowledge(socket: ClientConnection) -> None:
    try:
        for text in socket:
            message = json.loads(text)
            if message["type"] == "registertrigger":
                members = {key: message[key] for key in ("id", "trigger_type", "function_id")}
                _send(socket, type="triggerregistrationresult", **members)
    except ConnectionClosed:
        return


def _send(socket: ClientConnection, **members: Any) -> None:
    socket.send(json.dumps(members))
