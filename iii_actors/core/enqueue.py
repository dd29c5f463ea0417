"""The ``enqueue`` action: hands a call to the queue provider and answers with a receipt (core.md §7.5)."""

from __future__ import annotations

from typing import Final

import msgspec

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.core.ids import invocation_id, new_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Completed, Enqueue, Invoke
from iii_actors.core.observing import Observing
from iii_actors.core.outcome import complete, wire_error
from iii_actors.core.tracing import Span
from iii_actors.errors import EnqueueError, FunctionNotFound
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from iii_actors.wire.trace import forwarded_baggage

__all__ = ["PROVIDER", "EnqueueDesk"]

PROVIDER: Final = "engine::queue::enqueue"
_NO_PROVIDER: Final = wire_error(FunctionNotFound(PROVIDER, DEFAULT_NAMESPACE, internal=True))
"""What the function registry answers; a provider's own error of that code is worded otherwise."""


class _Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider's input."""

    queue: str
    function_id: str
    data: msgspec.Raw
    messageReceiptId: str  # noqa: N815 - the protocol's spelling
    traceparent: str | None
    baggage: str
    namespace: str = DEFAULT_NAMESPACE
    delay_ms: msgspec.Raw = wire.ABSENT
    run_at: msgspec.Raw = wire.ABSENT
    idempotency_key: msgspec.Raw = wire.ABSENT
    max_retries: msgspec.Raw = wire.ABSENT
    priority: msgspec.Raw = wire.ABSENT
    group: msgspec.Raw = wire.ABSENT


class _Stored(msgspec.Struct):
    """A provider's answer, where the same job may have been there already."""

    messageReceiptId: str  # noqa: N815 - the protocol's spelling


_stored: Final = msgspec.json.Decoder(_Stored)


class EnqueueDesk(LightActor):
    """Owns the calls that wait for the provider's word."""

    def __init__(self, functions: Ref, observing: Observing | None = None) -> None:
        super().__init__()
        self._functions = functions
        self._observing = observing if observing is not None else Observing()
        self._waiting: dict[str, tuple[Invoke, str, bool]] = {}
        self._spans: dict[str, tuple[Span, str]] = {}

    @handles(Enqueue)
    def enqueue(self, request: Enqueue) -> None:
        invoke = request.invoke
        call = invoke.call
        receipt = new_id()
        action = request.action
        job = _Job(
            action.queue,
            call.function_id,
            call.data,
            receipt,
            call.traceparent,
            forwarded_baggage(call.baggage, call.function_id),
            invoke.namespace,
            action.delay_ms,
            action.run_at,
            action.idempotency_key,
            action.max_retries,
            action.priority,
            action.group,
        )
        own_id = invocation_id()
        self._waiting[own_id] = (invoke, receipt, action.idempotency_key is not wire.ABSENT)
        tracer = self._observing.tracer
        if tracer is not None:
            name = f"enqueue {call.function_id} → {action.queue}"
            span = tracer.begin(name, traceparent=call.traceparent, baggage=call.baggage)
            self._spans[own_id] = (span, action.queue)
        message = wire.InvokeFunction(PROVIDER, own_id, call.traceparent, call.baggage, data=raw(job))
        self._functions.tell(Invoke(message, DEFAULT_NAMESPACE, own_id, self.actor_ref, None, internal=True))

    @handles(Completed)
    def provider_answered(self, completed: Completed) -> None:
        """Whatever the provider returned means stored; its error is the caller's.

        A job with an idempotency key may have been stored before: the receipt is then the one it got at that time.
        """
        own_id = completed.invoke.invocation_id
        invoke, receipt, keyed = self._waiting.pop(own_id)
        span, queue = self._spans.pop(own_id, (None, ""))
        if span is not None:
            span.end((("function_id", invoke.call.function_id), ("queue", queue)), completed.error)
        if completed.error is None:
            if keyed:
                receipt = _receipt(completed.result) or receipt
            complete(invoke, raw({"messageReceiptId": receipt}))
        else:
            complete(invoke, wire.ABSENT, wire_error(_explained(completed.error)))


def _receipt(result: msgspec.Raw) -> str | None:
    """Return the receipt that a provider has answered with, if it has."""
    try:
        return _stored.decode(result).messageReceiptId
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _explained(error: wire.ErrorBody) -> EnqueueError:
    if error == _NO_PROVIDER:
        return EnqueueError.no_provider()
    return EnqueueError.from_provider(error.code, error.message)
