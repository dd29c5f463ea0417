"""What stands for the engine behind a fake worker: it takes the frames the client sends, and answers there and then.

The client above is the real one, so payloads are encoded, decoded, validated and refused just as they are with an
engine. Everything runs on the thread that calls: no sockets, no waiting, the same order each time.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from iii_worker import frames
from iii_worker._types import ErrorObject, Incoming, Reply
from iii_worker.failures import failure_of
from iii_worker.values import to_json

__all__ = ["FakeWire", "OutgoingCall", "Stub"]

WORKER_ID: Final = "fake-worker"
_LOG: Final = "engine::log::"
_PREFIX: Final = "engine::"

Serve = Callable[[Incoming, Reply], None]
"""Runs a handler of the worker on this thread: ``FunctionTable.run``."""


@dataclass(frozen=True)
class OutgoingCall:
    """A call that left the worker."""

    function_id: str
    payload: Any
    metadata: Any = None
    namespace: str | None = None
    action: Mapping[str, Any] | None = None
    """``{"type": "void"}``, ``{"type": "enqueue", "queue": ...}``; None: the caller waited for the result."""
    traceparent: str | None = None
    baggage: str | None = None


@dataclass
class Stub:
    """A function of somebody else, as :meth:`FakeWorker.stub` made it."""

    function_id: str
    result: Any = None
    """What each call gets. An exception is what each call fails with; a function is called with the payload."""
    calls: list[OutgoingCall] = field(default_factory=list)
    """The calls it got, the oldest first."""

    @property
    def payloads(self) -> list[Any]:
        """The payloads of those calls."""
        return [call.payload for call in self.calls]

    def answer(self, payload: Any) -> bytes:
        """Return the result's JSON text. Raises what a call of the stub is to fail with."""
        result = self.result
        if isinstance(result, BaseException):
            raise result
        return to_json(result(payload) if callable(result) else result)


class FakeWire:
    """Fulfils :class:`iii_worker.calls.Wire` and the part of a link that sends. Thread-safe.

    :param serve: runs a handler of the worker itself.
    :param deliver: takes a frame for the worker, as its reading thread would.
    """

    def __init__(self, serve: Serve, deliver: Callable[[dict[str, Any]], None]) -> None:
        self._serve = serve
        self._deliver = deliver
        self._lock = threading.Lock()
        self._running = 0
        self.open: Any = self
        self.gone: str | None = None
        self.fatal_error: Exception | None = None
        self.refused: Exception | None = None
        self.last_error: Exception | None = None
        self.worker_id = WORKER_ID
        self.stubs: dict[str, Stub] = {}
        self.functions: dict[str, dict[str, Any]] = {}
        self.triggers: dict[str, dict[str, Any]] = {}
        self.trigger_types: dict[str, dict[str, Any]] = {}
        self.outgoing: list[OutgoingCall] = []
        self.logs: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []

    # --- as the client sees it ----------------------------------------------------------------------------------------

    def send(self, payload: bytes, deadline: float | None = None) -> None:
        """Take a call; it is over when this returns."""
        frame = frames.decode_fully(payload)
        call = OutgoingCall(
            frame["function_id"],
            frame["data"],
            *(frame.get(key) for key in ("metadata", "namespace", "action", "traceparent", "baggage")),
        )
        invocation_id = frame.get("invocation_id")

        def reply(result: bytes | None, error: ErrorObject | None) -> None:
            if invocation_id is not None:
                answer = frames.Result(invocation_id, call.function_id)
                answer.result = frames.NULL if result is None else msgspec.Raw(result)
                answer.error = None if error is None else dict(error)
                self._deliver(frames.decode_fully(frames.encode(answer)))

        self._route(call, reply)

    def lead(self, pending: object, deadline: float) -> bool:
        """Nothing is read by whoever waits: there is nothing to read."""
        return False

    def not_open(self, link: object) -> None:
        """Nothing: it never breaks."""

    def make_open(self, link: object) -> None:
        """Nothing: it always is."""

    def register(self, frame: dict[str, Any]) -> None:
        """Take a registration, or one taken back; a binding of the worker's own trigger type goes to its provider."""
        kind, key = frame["type"], frame["id"]
        self.sent.append(frame)
        tables = {
            "registerfunction": self.functions,
            "registertrigger": self.triggers,
            "registertriggertype": self.trigger_types,
        }
        if kind in tables:
            tables[kind][key] = frame
        elif kind.startswith("un"):
            tables[kind[2:]].pop(key, None)
        if kind == "registertrigger" and frame["trigger_type"] in self.trigger_types:
            self._deliver(frame)
        if kind == "registertriggertype":
            for trigger in [one for one in self.triggers.values() if one["trigger_type"] == key]:
                self._deliver(trigger)
        if kind == "unregistertrigger" and frame["trigger_type"] in self.trigger_types:
            self._deliver(frame)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _route(self, call: OutgoingCall, reply: Reply) -> None:
        stub, own = self.stubs.get(call.function_id), call.function_id in self.functions
        if call.function_id.startswith(_LOG) and stub is None:
            self.logs.append({"level": call.function_id.removeprefix(_LOG), **call.payload})
            reply(None, None)
            return
        with self._lock:
            # What the test itself calls on the worker is no call the worker makes.
            if self._running or not own or stub is not None or call.action is not None:
                self.outgoing.append(call)
        if call.action is not None and call.action["type"] == "enqueue":
            reply(to_json({"messageReceiptId": str(uuid.uuid4())}), None)
        elif stub is not None:
            self._answer_with(stub, call, reply)
        elif own:
            self.run(call.function_id, _with_caller(call.payload), reply, call)
        elif (listing := self._listing(call.function_id)) is not None:
            reply(to_json(listing), None)
        else:
            reply(None, _not_found(call))

    @staticmethod
    def _answer_with(stub: Stub, call: OutgoingCall, reply: Reply) -> None:
        stub.calls.append(call)
        try:
            result = stub.answer(call.payload)
        except Exception as error:
            reply(None, failure_of(error))
        else:
            reply(result, None)

    def run(self, function_id: str, payload: Any, reply: Reply, call: OutgoingCall | None = None) -> None:
        """Run a handler of the worker with an invocation, to its end."""
        incoming = Incoming(
            function_id,
            msgspec.Raw(to_json(payload)),
            str(uuid.uuid4()),
            None if call is None or call.metadata is None else msgspec.Raw(to_json(call.metadata)),
            None if call is None else call.traceparent,
            None if call is None else call.baggage,
        )
        with self._lock:
            self._running += 1
        try:
            self._serve(incoming, reply)
        finally:
            with self._lock:
                self._running -= 1

    def _listing(self, function_id: str) -> dict[str, Any] | None:
        """Answer what the client itself asks an engine for."""
        if function_id == "engine::functions::list":
            return {
                "functions": [
                    {"function_id": one, "namespace": "default", "worker_name": WORKER_ID}
                    for one in [*self.functions, *(stub for stub in self.stubs if not stub.startswith(_PREFIX))]
                ]
            }
        return {"workers": []} if function_id == "engine::workers::list" else None


def _with_caller(payload: Any) -> Any:
    """Add what an engine adds to an object (core.md §7.2): a handler that minds is to be found out by its tests."""
    return {**payload, "_caller_worker_id": WORKER_ID} if isinstance(payload, dict) else payload


def _not_found(call: OutgoingCall) -> ErrorObject:
    message = (
        f"Function {call.function_id} not found in namespace {call.namespace or 'default'}. "
        f"This is a fake worker: say what it answers with stub({call.function_id!r}, ...)"
    )
    return {"code": "function_not_found", "message": message}
