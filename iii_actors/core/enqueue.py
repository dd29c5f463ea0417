"""The ``enqueue`` action: hands a call to the queue provider and answers with a receipt (core.md §7.5)."""

from __future__ import annotations

from typing import Final

import msgspec

from iii_actors.actor import LightActor, Ref, handles
from iii_actors.core.ids import invocation_id, new_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Completed, Enqueue, Invoke
from iii_actors.core.outcome import complete, wire_error
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


class EnqueueDesk(LightActor):
    """Owns the calls that wait for the provider's word."""

    def __init__(self, functions: Ref) -> None:
        super().__init__()
        self._functions = functions
        self._waiting: dict[str, tuple[Invoke, str]] = {}

    @handles(Enqueue)
    def enqueue(self, request: Enqueue) -> None:
        invoke = request.invoke
        call = invoke.call
        receipt = new_id()
        job = _Job(
            request.queue,
            call.function_id,
            call.data,
            receipt,
            call.traceparent,
            forwarded_baggage(call.baggage, call.function_id),
            invoke.namespace,
        )
        own_id = invocation_id()
        self._waiting[own_id] = (invoke, receipt)
        message = wire.InvokeFunction(PROVIDER, own_id, call.traceparent, call.baggage, data=raw(job))
        self._functions.tell(Invoke(message, DEFAULT_NAMESPACE, own_id, self.actor_ref, None, internal=True))

    @handles(Completed)
    def provider_answered(self, completed: Completed) -> None:
        """Whatever the provider returned means stored; its error is the caller's."""
        invoke, receipt = self._waiting.pop(completed.invoke.invocation_id)
        if completed.error is None:
            complete(invoke, raw({"messageReceiptId": receipt}))
        else:
            complete(invoke, wire.ABSENT, wire_error(_explained(completed.error)))


def _explained(error: wire.ErrorBody) -> EnqueueError:
    if error == _NO_PROVIDER:
        return EnqueueError.no_provider()
    return EnqueueError.from_provider(error.code, error.message)
