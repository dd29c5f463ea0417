"""A worker without an engine, for unit tests of handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

from iii_worker import frames
from iii_worker._types import ErrorObject
from iii_worker.client import IIIClient
from iii_worker.errors import from_wire
from iii_worker.link import Link
from iii_worker.options import InitOptions, options_from
from iii_worker.testing.requests import http_payload, route_for
from iii_worker.testing.wire import WORKER_ID, FakeWire, OutgoingCall, Stub
from iii_worker.values import from_json

__all__ = ["FakeWorker"]


class FakeWorker(IIIClient):
    """The client itself, with a fake engine behind it: register handlers as always, then call them.

    ::

        fake = FakeWorker()
        register_handlers(fake)                      # @worker.function("users::create") ... as in production
        mail = fake.stub("mail::send", {"queued": True})
        assert fake.call("users::create", {"name": "Ada"}) == {"id": 1}
        assert mail.payloads == [{"to": "Ada"}]

    A call runs its handler on the calling thread and is over when it returns; inputs are validated and results
    serialised as ever, and a failure is the :class:`iii_worker.InvocationError` a caller would get. Calls to functions
    that are neither registered here nor stubbed fail with ``function_not_found``. Enqueued calls are recorded, not run.
    Telemetry is off.

    :param options: :class:`InitOptions`, also by keyword; those of the connection have no effect.
    """

    def __init__(self, options: InitOptions | Mapping[str, Any] | None = None, **keywords: Any) -> None:
        given = options_from(options, keywords)
        given.worker_name = given.worker_name or WORKER_ID
        given.otel = {"enabled": False}
        super().__init__("ws://fake.invalid", given)
        self._wire = FakeWire(self.function_table.run, self._receive)
        self.calls.wire = self._wire
        self.replay.attach(self._wire.register, (), lambda: None)
        self.states.set("connected")

    # --- what a test does ---------------------------------------------------------------------------------------------

    def stub(self, function_id: str, result: Any = None) -> Stub:
        """Let calls of a function get ``result``; stubbing it again replaces the stub.

        :param result: JSON data, models and so on; a function of the payload, which returns or raises; or an exception,
            as ``iii_worker.Error("no such user", code="user_not_found")``.
        """
        stub = self._wire.stubs[function_id] = Stub(function_id, result)
        return stub

    def fire(self, trigger_type: str, payload: Any = None, *, where: Mapping[str, Any] | None = None) -> list[Any]:
        """Fire the worker's triggers of a type and return what their functions return, in order of registration.

        :param payload: what each function gets.
        :param where: only triggers with these entries in their config: ``fire("subscribe", x, where={"topic": "a"})``.

        Raises ``LookupError`` if there is no such trigger, :class:`InvocationError` for the first function that fails.
        """
        wanted = dict(where or {})
        found = [
            trigger
            for trigger in self._wire.triggers.values()
            if trigger["trigger_type"] == trigger_type and (not wanted or _has(trigger["config"], wanted))
        ]
        if not found:
            there = [f"{one['trigger_type']} {one['config']}" for one in self._wire.triggers.values()]
            raise LookupError(
                f"there is no trigger of type {trigger_type!r} with {wanted}; there are: {'; '.join(there) or 'none'}"
            )
        return [self._fired(trigger, payload) for trigger in found]

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query_params: Mapping[str, str] | None = None,
    ) -> Any:
        """Send an HTTP request to the worker's ``http`` triggers and return what the handler returns.

        That is the response's ``{"status_code", "headers", "body"}``, or whatever else the handler gives; a response it
        streams needs an engine. ``query_params`` may also stand in the path, as ``/users?limit=3``.

        Raises ``LookupError`` if no route fits, :class:`InvocationError` if the handler fails.
        """
        triggers = [one for one in self._wire.triggers.values() if one["trigger_type"] == "http"]
        trigger, path_params = route_for(method, path, triggers)
        payload = http_payload(trigger["config"], method, path, path_params, body, headers or {}, query_params or {})
        return self._fired(trigger, payload)

    @property
    def outgoing(self) -> list[OutgoingCall]:
        """The calls the worker made, the oldest first; not those the test made to handlers registered here."""
        return list(self._wire.outgoing)

    def calls_to(self, function_id: str) -> list[OutgoingCall]:
        """Those to one function."""
        return [call for call in self._wire.outgoing if call.function_id == function_id]

    @property
    def logs(self) -> list[dict[str, Any]]:
        """The lines ``worker.logger`` wrote: ``{"level", "message", "data"?, ...}``."""
        return list(self._wire.logs)

    @property
    def registrations(self) -> list[dict[str, Any]]:
        """The frames by which the worker registered and unregistered what it offers, in order."""
        return list(self._wire.sent)

    def _fired(self, trigger: Mapping[str, Any], payload: Any) -> Any:
        outcome: list[tuple[bytes | None, ErrorObject | None]] = []
        call = OutgoingCall(trigger["function_id"], payload, trigger.get("metadata"))
        self._wire.run(call.function_id, payload, lambda result, error: outcome.append((result, error)), call)
        result, error = outcome[0]
        if error is not None:
            raise from_wire(error, call.function_id, None)
        return None if result is None else from_json(result)

    # --- a client that is connected to nothing ------------------------------------------------------------------------

    def _receive(self, frame: dict[str, Any]) -> None:
        self._router.receive(cast("Link", self._wire), frames.encode(frame))

    @property
    def worker_id(self) -> str | None:
        """Always the same while it is not shut down."""
        return None if self._closed else WORKER_ID

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Note a frame that is no call."""
        self._wire.sent.append(frame)

    def connect(self, timeout: float | None = None) -> Self:
        """Return at once."""
        return self

    def first_connection(self) -> None:
        """Nothing: it is connected."""

    def run(self) -> None:
        """Return at once, so that a program's ``main()`` can be tested."""

    run_forever = run

    def shutdown(self, drain: float | None = None) -> None:
        """End it: later calls raise ``SHUTDOWN``."""
        self._wire.open = None
        super().shutdown(drain)


def _has(config: Any, wanted: Mapping[str, Any]) -> bool:
    return isinstance(config, dict) and all(key in config and config[key] == value for key, value in wanted.items())
