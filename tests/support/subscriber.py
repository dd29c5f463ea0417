"""A client of the subscription socket (stream.md §6): joins, leaves, waits for envelopes; never sleeps."""

from __future__ import annotations

import itertools
import json
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import ClientConnection, connect

import iii_actors
from tests.support.peer import WAIT_S, Frame

__all__ = ["Subscriber", "socket_address"]

_numbers = itertools.count(1)


def socket_address(engine: iii_actors.Engine) -> tuple[str, int]:
    """Where an engine's subscription socket listens."""
    (found,) = (one for one in engine.opened() if one.name == "stream")
    return found.host, found.port


class Subscriber:
    """One connection. Close it."""

    def __init__(self, address: tuple[str, int], path: str = "/", **options: Any) -> None:
        url = f"ws://{address[0]}:{address[1]}{path}"
        self._open = ExitStack()
        connecting = connect(url, max_size=None, compression=None, proxy=None, **options)
        self.socket: ClientConnection = self._open.enter_context(connecting)
        self.address = "{}:{}".format(*self.socket.local_address[:2])

    def say(self, kind: str, subscription_id: str, stream: str, group: str, item: str | None = None) -> None:
        data = {"subscriptionId": subscription_id, "streamName": stream, "groupId": group}
        self.socket.send(json.dumps({"type": kind, "data": data | ({} if item is None else {"id": item})}))

    def join(self, subscription_id: str, stream: str, group: str, item: str | None = None) -> Any:
        """Join and return the data of the sync."""
        self.say("join", subscription_id, stream, group, item)
        envelope = self.next()
        assert (envelope["streamName"], envelope["groupId"], envelope["id"]) == (stream, group, item)
        assert envelope["event"]["type"] == "sync", envelope
        return envelope["event"]["data"]

    def leave(self, subscription_id: str, stream: str, group: str, item: str | None = None) -> None:
        """Leave; the engine is through with it on return."""
        self.say("leave", subscription_id, stream, group, item)
        assert self.others() == []

    def next(self) -> Frame:
        """The next envelope."""
        text = self.socket.recv(WAIT_S)
        assert isinstance(text, str)
        return json.loads(text)

    def event(self) -> Any:
        """The event in the next envelope."""
        return self.next()["event"]

    def others(self) -> list[Frame]:
        """What has come that nobody has waited for, up to now: the engine is through with all that was said before."""
        stream = f"nobody-writes-here-{next(_numbers)}"
        self.say("join", stream, stream, "g")
        found = []
        while (envelope := self.next())["streamName"] != stream:
            found.append(envelope)
        self.say("leave", stream, stream, "g")
        return found

    def pinged(self) -> None:
        """Send a ping and wait for its pong."""
        assert self.socket.ping().wait(WAIT_S)

    def close(self) -> None:
        self._open.close()
