"""A hand-written client for tests: says frames, waits for frames; never sleeps."""

from __future__ import annotations

import itertools
import json
import os
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

Frame = dict[str, Any]

WAIT_S = 10.0
_numbers = itertools.count(1)


class CallFailed(Exception):
    """An ``invocationresult`` with an error."""

    def __init__(self, error: Frame) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message")
        self.error = error


class Peer:
    """One socket on ``/``. A thread reads; frames nobody waits for are kept in :attr:`seen`."""

    def __init__(self, url: str, **options: Any) -> None:
        self._open = ExitStack()
        connecting = connect(url, max_size=None, compression=None, proxy=None, **options)
        self.socket: ClientConnection = self._open.enter_context(connecting)
        self.seen: list[Frame] = []
        self.keep_text = False
        """Keep what comes from now on in :attr:`texts` as well, as it was written."""
        self.texts: list[str | bytes] = []
        self.closed = threading.Event()
        self.close_code: int | None = None
        self._changed = threading.Condition()
        self._handlers: dict[str, Callable[[Any], Any]] = {}
        self._frames_taken = 0
        self._work: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._serve, daemon=True).start()
        greeting = self.expect(type="workerregistered")
        self.worker_id: str = greeting["worker_id"]
        self.reattach_token: str = greeting["reattach_token"]

    # --- frames ------------------------------------------------------------------------------------------------------

    def send(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def send_raw(self, payload: str | bytes) -> None:
        self.socket.send(payload)

    def expect(self, timeout: float = WAIT_S, **members: Any) -> Frame:
        """Wait for a frame with these members, take it out of :attr:`seen`, and return it."""

        def find() -> Frame | None:
            for frame in self.seen:
                if all(frame.get(key) == value for key, value in members.items()):
                    return frame
            return None

        with self._changed:
            self._changed.wait_for(lambda: find() is not None or self.closed.is_set(), timeout)
            frame = find()
            if frame is None:
                raise AssertionError(f"no frame like {members}; seen: {self.seen}, close code: {self.close_code}")
            self.seen.remove(frame)
            return frame

    def barrier(self) -> None:
        """Return when the engine has handled everything sent so far (a JSON ping goes through the same loop)."""
        self.send(type="ping")
        self.expect(type="pong")

    def _read(self) -> None:
        try:
            for text in self.socket:
                frame = json.loads(text)
                if self.keep_text:
                    self.texts.append(text)
                if frame["type"] == "invokefunction" and frame["function_id"] in self._handlers:
                    self._work.put(frame)
                    continue
                with self._changed:
                    self.seen.append(frame)
                    self._changed.notify_all()
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else None
        finally:
            if self.close_code is None:
                self.close_code = self.socket.close_code
            self._work.put(None)
            with self._changed:
                self.closed.set()
                self._changed.notify_all()

    def _serve(self) -> None:
        while (frame := self._work.get()) is not None:
            answer: Frame = {"type": "invocationresult"}
            answer |= {key: frame[key] for key in ("invocation_id", "function_id")}
            try:
                answer["result"] = self._handlers[frame["function_id"]](frame["data"])
            except CallFailed as failed:
                answer["error"] = failed.error
            try:
                self.send(**answer)
            except ConnectionClosed:
                return

    # --- what workers do ---------------------------------------------------------------------------------------------

    def register_worker(self, name: str | None = None, **details: Any) -> Any:
        """Announce this worker and wait for the answer; by default with a pid, so that it is listed."""
        details = {"runtime": "test", "version": "1", "name": name or f"peer-{next(_numbers)}"} | details
        details.setdefault("pid", os.getpid())
        return self.call("engine::workers::register", details)

    def register(self, function_id: str, handler: Callable[[Any], Any] | None = None, **members: Any) -> None:
        """Register a function; without a handler its calls are frames to :meth:`expect`. Returns when it is live."""
        if handler is not None:
            self._handlers[function_id] = handler
        self.send(type="registerfunction", id=function_id, **members)
        self.barrier()

    def start_call(self, function_id: str, data: Any = None, **members: Any) -> str:
        """Send a call and return its invocation id."""
        invocation_id = str(uuid.uuid4())
        self.send(type="invokefunction", function_id=function_id, invocation_id=invocation_id, data=data, **members)
        return invocation_id

    def call(self, function_id: str, data: Any = None, timeout: float = WAIT_S, **members: Any) -> Any:
        """Call and wait; returns the result (None if there is none) or raises :class:`CallFailed`."""
        invocation_id = self.start_call(function_id, data, **members)
        frame = self.expect(timeout, type="invocationresult", invocation_id=invocation_id)
        if frame.get("error") is not None:
            raise CallFailed(frame["error"])
        return frame.get("result")

    def answer(self, frame: Frame, result: Any = None, **members: Any) -> None:
        """Answer an ``invokefunction`` frame by hand."""
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        self.send(type="invocationresult", **ids, result=result, **members)

    def close(self) -> None:
        self._open.close()

    def cut(self) -> None:
        """End TCP without a Close frame."""
        import socket as sockets

        self.socket.socket.shutdown(sockets.SHUT_RDWR)


@contextmanager
def peers(url: str) -> Iterator[Callable[..., Peer]]:
    """Give a maker of workers (named, announced unless ``announce=False``) and close them all in the end."""
    made: list[Peer] = []

    def make(name: str | None = None, announce: bool = True, **details: Any) -> Peer:
        peer = Peer(url)
        made.append(peer)
        if announce:
            peer.register_worker(name, **details)
        return peer

    try:
        yield make
    finally:
        for peer in made:
            peer.close()
