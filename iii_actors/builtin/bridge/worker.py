"""The built-in worker ``iii-bridge``: the connection, and what is registered on both of its ends."""

from __future__ import annotations

import threading
from typing import Any, Final, cast

import msgspec
from msgspec import Raw

from iii_actors.actor import Ref, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.bridge.desk import INVOKE, INVOKE_ASYNC, BridgeDesk, InvokeInput
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.schemas import schema_of
from iii_actors.config.bridge import BridgeWorkerSettings
from iii_actors.remote import Link
from iii_actors.wire import messages as wire

__all__ = ["Bridge"]

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Bridge(Builtin):
    """Functions of another engine here, and of this one there."""

    description = "Offers functions of another engine here, and functions of this one there."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self._settings = cast("BridgeWorkerSettings", context.instance.settings)
        self._link: Link | None = None
        self._calls: Calls | None = None
        self._desk: Ref | None = None
        self._waiting: set[threading.Event] = set()
        """Of the calls from there that run here."""

    def set_up(self) -> None:
        settings = self._settings
        link = self._link = Link(settings.url, "iii-bridge-client", f"failed to create worker '{self.id}'")
        self._calls = Calls(self.core)
        forward = {one.local_function: one for one in settings.forward}
        self._desk = launch(BridgeDesk(self.core, link, forward))
        for one in settings.forward:
            description = f"{one.remote_function} of the engine at {settings.url}"
            self.register_function(self._desk, FunctionSpec(one.local_function, description))
        schema = schema_of(InvokeInput)
        self.register_function(self._desk, FunctionSpec(INVOKE, "Calls a function of the other engine.", schema))
        self.register_function(
            self._desk, FunctionSpec(INVOKE_ASYNC, "Calls a function of the other engine and does not wait.", schema)
        )
        for exposed in settings.expose:
            link.client.register_function(
                exposed.remote_function or exposed.local_function, self._exposed(exposed.local_function, self._calls)
            )

    def _exposed(self, function_id: str, calls: Calls) -> Any:
        """Return the handler of a function of this engine, for the other one; it runs on a thread of the link."""

        def handle(data: Any) -> Any:
            from iii_worker import Error  # noqa: PLC0415 - few engines have a bridge

            settled = threading.Event()
            self._waiting.add(settled)
            outcome: list[tuple[Raw, wire.ErrorBody | None]] = []

            def done(result: Raw, error: wire.ErrorBody | None) -> None:
                outcome.append((result, error))
                settled.set()

            calls.call(function_id, Raw(_encode(data)), done)
            settled.wait()  # a call ends when its worker answers or leaves, or this engine stops
            self._waiting.discard(settled)
            if not outcome:
                raise Error("Invocation stopped", code="invocation_stopped")
            ((result, error),) = outcome
            if error is not None:
                raise Error(error.message, code=error.code)
            return _decode(result) if wire.present(result) else None

        return handle

    def tear_down(self) -> None:
        for settled in list(self._waiting):
            settled.set()
        if self._link is not None:
            self._link.close()
        if self._desk is not None:
            self._desk.stop(block=False)
        if self._calls is not None:
            self._calls.stop()

    def actors(self) -> list[Ref]:
        refs = [*self._link.actors()] if self._link is not None else []
        refs += [self._desk] if self._desk is not None else []
        return refs + ([self._calls.actor] if self._calls is not None else [])
