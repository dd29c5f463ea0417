"""Calls that a built-in worker makes: to fire a trigger, with or without its condition, or to have an answer.

Nothing here blocks: a call is told to the function registry, and its outcome comes to a callback on the thread that
brings it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from iii_actors.actor import LightActor, Ref, handles, launch
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Completed, Invoke
from iii_actors.core.refs import Core
from iii_actors.core.triggers import Trigger
from iii_actors.wire import messages as wire

__all__ = ["Bound", "Calls", "condition_of", "fire"]

logger = logging.getLogger(__name__)

Done = Callable[[Raw, wire.ErrorBody | None], None]
"""Gets the result (``wire.ABSENT`` if there is none) or the error, on the thread that brings it: it must not block."""


Bound = tuple[Trigger, str | None]
"""A binding, and its condition function's id if it has one."""


class _Condition(msgspec.Struct):
    condition_function_id: object = None


_condition = msgspec.json.Decoder(_Condition)
_INTERNAL: Final = (("iii.function.kind", "internal"),)


def condition_of(config: Raw) -> str | None:
    """Return the id of the condition function that a trigger's configuration names, if it names one (http.md §7)."""
    try:
        named = _condition.decode(config).condition_function_id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def fire(functions: Ref, trigger: Trigger, payload: Raw, traceparent: str | None = None) -> None:
    """Call a binding's function, in the binding's namespace and with its metadata; the outcome is nobody's concern.

    A function that is not there is passed over in silence (core.md §6.6). Any thread; does not wait.
    """
    own_id = invocation_id()
    metadata = trigger.metadata if wire.present(trigger.metadata) else wire.ABSENT
    call = wire.InvokeFunction(trigger.function_id, own_id, traceparent, metadata=metadata, data=payload)
    functions.tell(Invoke(call, trigger.namespace, own_id, None, None))


class Calls:
    """Makes calls for one built-in worker and brings each outcome to a callback. Any thread; nothing waits.

    :param core: the engine's core actors.
    """

    def __init__(self, core: Core) -> None:
        self._functions = core.functions
        self._observing = core.observing
        self._outcomes = launch(_Outcomes())

    @property
    def actor(self) -> Ref:
        """The actor that gets the outcomes, for the figures."""
        return self._outcomes

    def stop(self) -> None:
        """Drop the outcomes that are still to come."""
        self._outcomes.stop(block=False)

    def call(
        self,
        function_id: str,
        payload: Raw,
        done: Done,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Raw = wire.ABSENT,
        traceparent: str | None = None,
        baggage: str | None = None,
    ) -> str:
        """Call a function; ``done`` gets its one outcome, which may be an error such as ``function_not_found``.

        Returns the invocation's id. There is no timeout here: a call ends when its worker answers or leaves.
        """
        own_id = invocation_id()
        call = wire.InvokeFunction(
            function_id, own_id, metadata=metadata, traceparent=traceparent, baggage=baggage, data=payload
        )
        self._functions.tell(Invoke(call, namespace, own_id, self._outcomes, None, context=done))
        return own_id

    def fire(self, trigger: Trigger, payload: Raw, condition: str | None = None) -> None:
        """Call a binding's function and forget it, unless its condition says exactly ``false`` or fails (http.md §7).

        The condition gets the same payload, without metadata, in the binding's namespace.
        """
        if condition is None:
            fire(self._functions, trigger, payload)
            return

        def decided(result: Raw, error: wire.ErrorBody | None) -> None:
            if error is not None:
                logger.warning(
                    "Trigger %s (%s): its condition %s failed, so %s is not called: %s: %s",
                    trigger.id,
                    trigger.trigger_type,
                    condition,
                    trigger.function_id,
                    error.code,
                    error.message,
                )
            elif bytes(result) != b"false":
                fire(self._functions, trigger, payload)

        self.call(condition, payload, decided, namespace=trigger.namespace)

    def fire_in_turn(
        self,
        bound: Sequence[Bound],
        payload: Raw,
        traceparent: str | None = None,
        baggage: str | None = None,
        span_name: str | None = None,
    ) -> None:
        """Call several bindings' functions, each after the one before has answered; failures are only logged.

        A binding whose condition says exactly ``false``, or fails, is passed over (state.md §5).

        :param span_name: of the engine's own span around them, of which they are told (observability.md §4); its parent
            is ``traceparent``. None: they are told ``traceparent`` itself.
        """
        turn = iter(bound)
        tracer = self._observing.tracer if span_name is not None and bound else None
        span = None
        if tracer is not None and span_name is not None:
            span = tracer.begin(span_name, traceparent=traceparent, baggage=baggage)
            traceparent = span.traceparent

        def next_one(_: Raw = wire.ABSENT, __: wire.ErrorBody | None = None) -> None:
            trigger, condition = next(turn, (None, None))
            if trigger is None:
                if span is not None:
                    span.end(_INTERNAL)
                return

            def handled(_: Raw, error: wire.ErrorBody | None) -> None:
                if error is not None:
                    _log_failure(trigger, trigger.function_id, error)
                next_one()

            def handle() -> None:
                metadata = trigger.metadata if wire.present(trigger.metadata) else wire.ABSENT
                self.call(
                    trigger.function_id,
                    payload,
                    handled,
                    namespace=trigger.namespace,
                    metadata=metadata,
                    traceparent=traceparent,
                    baggage=baggage,
                )

            def decided(result: Raw, error: wire.ErrorBody | None) -> None:
                if error is not None:
                    _log_failure(trigger, condition or "", error)
                    next_one()
                elif bytes(result) == b"false":
                    next_one()
                else:
                    handle()

            if condition is None:
                handle()
            else:
                self.call(condition, payload, decided, namespace=trigger.namespace)

        next_one()


def _log_failure(trigger: Trigger, function_id: str, error: wire.ErrorBody) -> None:
    logger.warning(
        "Trigger %s (%s): %s failed: %s: %s", trigger.id, trigger.trigger_type, function_id, error.code, error.message
    )


class _Outcomes(LightActor):
    """Hands each outcome to the callback that came with the call."""

    @handles(Completed)
    def completed(self, completed: Completed) -> None:
        completed.invoke.context(completed.result, completed.error)
