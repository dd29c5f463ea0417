"""An engine that does what a test tells it: a real WebSocket server that greets, records frames, and sends anything."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from ssl import SSLContext
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.sync.server import Server, ServerConnection, serve

WAIT_S = 10.0


class FakePeer:
    """One worker's connection, as the engine sees it."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self._connection = connection
        self._frames: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.seen: list[dict[str, Any]] = []
        self.worker_id = f"worker-{number}"
        self.token = f"token-{number}"
        self.headers = {} if connection.request is None else dict(connection.request.headers.raw_items())
        self.gone = threading.Event()

    def send(self, frame: dict[str, Any] | str | bytes) -> None:
        """Send a frame, or any message."""
        self._connection.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    def next(self, kind: str, **members: object) -> dict[str, Any]:
        """Return the next frame of a type (with these members); those before it are left in :attr:`seen`."""
        while True:
            frame = self._frames.get(timeout=WAIT_S)
            assert frame is not None, f"the connection ended; seen were {self.seen}"
            if frame.get("type") == kind and all(frame.get(name) == value for name, value in members.items()):
                return frame

    def call(self) -> dict[str, Any]:
        """Return the next call of the worker, beside its announcement."""
        while (frame := self.next("invokefunction"))["function_id"] == "engine::workers::register":
            pass
        return frame

    def answer(self, call: dict[str, Any], result: object = None, error: object = None) -> None:
        """Answer a call."""
        frame = {"type": "invocationresult", "invocation_id": call["invocation_id"], "function_id": "f"}
        self.send(frame | ({"result": result} if error is None else {"error": error}))

    def close(self, code: int | None) -> None:
        """Send a Close with a code, without status for None, and drop the connection."""
        payload = b"" if code is None else Close(code, "").serialize()
        with contextlib.suppress(OSError):
            self._connection.socket.sendall(Frame(Opcode.CLOSE, payload).serialize(mask=False))
        self.drop()

    def drop(self) -> None:
        """Drop the TCP connection without a word."""
        with contextlib.suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.socket.sendall(data)

    def serve(self, automatic: Callable[[FakePeer, dict[str, Any]], None]) -> None:
        try:
            for message in self._connection:
                frame = json.loads(message)
                self.seen.append(frame)
                automatic(self, frame)
                self._frames.put(frame)
        except (ConnectionClosed, OSError):
            pass
        finally:
            self.gone.set()
            self._frames.put(None)


class FakeEngine:
    """Accepts workers; :meth:`accept` gives the next one. ``greet``: say ``workerregistered`` at once."""

    def __init__(self, *, greet: bool = True, port: int = 0, ssl: SSLContext | None = None) -> None:
        self.greet = greet
        self.answer_pings = True
        self.refuse: set[int] = set()
        """The connections, counted from 1, whose credentials are refused."""
        self.connections = 0
        self._peers: queue.SimpleQueue[FakePeer] = queue.SimpleQueue()
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            port,
            ssl=ssl,
            max_size=None,
            compression=None,
            ping_interval=None,
            close_timeout=0.1,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._live: list[FakePeer] = []

    @property
    def port(self) -> int:
        port: int = self._server.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def accept(self) -> FakePeer:
        """Return the next worker that connected; wait for it."""
        return self._peers.get(timeout=WAIT_S)

    def stop(self) -> None:
        """Drop everybody and listen no more."""
        self._server.shutdown()
        self._thread.join(WAIT_S)
        for peer in self._live:
            peer.drop()

    def _serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        peer = FakePeer(connection, self.connections)
        self._live.append(peer)
        if self.connections in self.refuse:
            peer.send({"type": "error", "error": {"code": "AUTH_ERROR", "message": "bad token"}})
            return
        if self.greet:
            peer.send({"type": "workerregistered", "worker_id": peer.worker_id, "reattach_token": peer.token})
        self._peers.put(peer)
        peer.serve(self._automatic)

    def _automatic(self, peer: FakePeer, frame: dict[str, Any]) -> None:
        if frame.get("type") == "ping" and self.answer_pings:
            with contextlib.suppress(ConnectionClosed):
                peer.send({"type": "pong"})


@contextlib.contextmanager
def fake_engine(**options: Any) -> Iterator[FakeEngine]:
    engine = FakeEngine(**options)
    try:
        yield engine
    finally:
        engine.stop()
