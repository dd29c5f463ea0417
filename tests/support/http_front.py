"""A front that makes the invocation the engine's HTTP worker makes, with real channels (spec http.md §4, §5, §8)."""

from __future__ import annotations

import asyncio
import inspect
import json
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from iii_actors import Engine
from iii_worker.channel import revive
from iii_worker.values import to_json
from tests.support.channel_client import create, open_end
from tests.support.sdk_channels import WAIT_S

Invoke = Callable[[dict[str, Any]], Any]


@dataclass
class Answer:
    """What the client of the front gets."""

    status: int = 200
    headers: Any = field(default_factory=dict)
    body: bytes = b""
    parts: list[bytes] = field(default_factory=list)
    """The pieces of a streamed body."""
    error: BaseException | None = None
    """What the invocation failed with; the status is 500 then."""
    streamed: bool = False
    """Whether it came over the channel."""

    def json(self) -> Any:
        return json.loads(self.body)


def straight(handler: Callable[[Any], Any], address: str) -> Invoke:
    """Return an invocation that runs a handler as the SDK would: references revived, awaitables awaited, result as JSON."""

    def invoke(payload: dict[str, Any]) -> Any:
        result = handler(revive(json.loads(json.dumps(payload)), address))
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return json.loads(to_json(result))

    return invoke


async def _awaited(result: Any) -> Any:
    return await result


class Front:
    """One front; :meth:`request` from one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(
        self,
        invoke: Invoke,
        method: str = "GET",
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        path_params: dict[str, str] | None = None,
        query_params: dict[str, str] | None = None,
        hang_up_after: int | None = None,
        started: threading.Event | None = None,
    ) -> Answer:
        """Send a request and wait for its answer.

        ``hang_up_after``: the client goes after so many pieces. ``started`` is set when the head goes to the client.
        """
        headers = headers or {}
        incoming, outgoing = create(self._engine), create(self._engine)
        is_json = "application/json" in headers.get("content-type", "")
        payload = {
            "path_params": path_params or {},
            "query_params": query_params or {},
            "headers": headers,
            "path": "things/:id",
            "method": method,
            "body": _parsed(body) if is_json else None,
            "trigger": {"type": "http", "path": "things/:id", "method": method},
            "request_body": _ref(incoming, "read"),
            "response": _ref(outgoing, "write"),
        }
        events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        jobs = [
            threading.Thread(target=self._upload, args=(incoming, body)),
            threading.Thread(target=self._watch, args=(outgoing, events, hang_up_after), daemon=True),
            threading.Thread(target=_run, args=(invoke, payload, events)),
        ]
        for job in jobs:
            job.start()
        answer = _decide(events, started or threading.Event())
        jobs[2].join(WAIT_S)
        assert not jobs[2].is_alive(), "the handler still runs"
        self._discard(incoming, outgoing)
        for job in jobs:
            job.join(WAIT_S)
            assert not job.is_alive()
        return answer

    def _upload(self, key: Any, body: bytes) -> None:
        try:
            with open_end(self._engine, key, "write") as socket:
                for start in range(0, len(body), 65536):
                    socket.send(body[start : start + 65536])
        except ConnectionClosed:
            pass  # nobody reads it: an upload that is not wanted is discarded

    def _watch(self, key: Any, events: queue.SimpleQueue[tuple[str, Any]], hang_up_after: int | None) -> None:
        pieces = 0
        with open_end(self._engine, key, "read") as socket:
            try:
                while True:
                    item = socket.recv()
                    events.put(("text" if isinstance(item, str) else "binary", item))
                    pieces += isinstance(item, bytes)
                    if pieces == hang_up_after:
                        _cut(socket)
            except ConnectionClosed:
                pass
        events.put(("closed", None))

    def _discard(self, *keys: Any) -> None:
        """Take the ends nobody has opened, as a front does once the response is decided."""
        for key, direction in zip(keys, ("read", "write"), strict=True):
            with open_end(self._engine, key, direction) as socket:
                _cut(socket)


def _cut(socket: ClientConnection) -> None:
    """End TCP; a Close would wait for what nobody reads."""
    with suppress(OSError):
        socket.socket.shutdown(SHUT_RDWR)


def _ref(key: Any, direction: str) -> dict[str, str]:
    return {"channel_id": key.channel_id, "access_key": key.access_key, "direction": direction}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _run(invoke: Invoke, payload: dict[str, Any], events: queue.SimpleQueue[tuple[str, Any]]) -> None:
    try:
        events.put(("result", invoke(payload)))
    except BaseException as error:
        events.put(("error", error))


def _decide(events: queue.SimpleQueue[tuple[str, Any]], started: threading.Event) -> Answer:
    """Apply the table of http.md §8."""
    answer = Answer()
    while True:
        try:
            kind, value = events.get(timeout=WAIT_S)
        except queue.Empty:
            return Answer(status=504)
        if kind == "text":
            message = json.loads(value)
            if message["type"] == "set_status":
                answer.status = message["status_code"]
            elif message["type"] == "set_headers":
                answer.headers |= message["headers"]
        elif kind == "binary":
            answer.streamed = True
            started.set()
            answer.parts.append(value)
            while (event := events.get(timeout=WAIT_S))[0] != "closed":
                if event[0] == "binary":
                    answer.parts.append(event[1])
            answer.body = b"".join(answer.parts)
            return answer
        elif kind == "closed":
            answer.streamed = True
            return answer
        elif kind == "error":
            return Answer(status=500, error=value)
        elif value is not None:
            return _buffered(value)


def _buffered(value: Any) -> Answer:
    """Apply http.md §8.1."""
    members = value if isinstance(value, dict) else {}
    status = members.get("status_code")
    answer = Answer(status if isinstance(status, int) else 200, members.get("headers") or {})
    body = members.get("body", {})
    typed = (
        any(name.lower() == "content-type" for name in answer.headers) if isinstance(answer.headers, dict) else False
    )
    if typed and isinstance(body, str):
        answer.body = body.encode()
    elif not (typed and body is None):
        answer.body = json.dumps(body, separators=(",", ":")).encode()
    return answer
