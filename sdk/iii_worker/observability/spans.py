"""Spans and trace context for user code: works, and does nothing, where telemetry is off (spec sdk.md §9.6)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast, overload

from iii_worker import tracing
from iii_worker.observability import pipeline
from iii_worker.observability.recorder import Span
from iii_worker.tracing import TraceContext, parse_baggage, parse_traceparent

__all__ = [
    "NoSpan",
    "current_span_id",
    "current_span_is_recording",
    "current_trace_id",
    "extract_baggage",
    "extract_traceparent",
    "inject_baggage",
    "inject_traceparent",
    "record_span_event",
    "set_current_span_attribute",
    "set_current_span_error",
    "with_span",
]

_T = TypeVar("_T")


class NoSpan:
    """What stands for a span where none is recorded. Fulfils :class:`~iii_worker.observability.recorder.Span`."""

    def is_recording(self) -> bool:
        return False

    def set_attribute(self, key: str, value: Any) -> None:
        """Nothing is recorded."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Nothing is recorded."""

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Nothing is recorded."""

    def record_exception(self, exception: BaseException) -> None:
        """Nothing is recorded."""

    def update_name(self, name: str) -> None:
        """Nothing is recorded."""


_NO_SPAN = NoSpan()


def current_trace_id() -> str | None:
    """Return the trace id of the running code, 32 hex digits; None outside of any trace."""
    context = parse_traceparent(tracing.current()[0])
    return None if context is None else context.trace_id


def current_span_id() -> str | None:
    """Return the span id calls of the running code carry, 16 hex digits; None outside of any trace."""
    context = parse_traceparent(tracing.current()[0])
    return None if context is None else context.span_id


def current_span_is_recording() -> bool:
    """Say whether the running code has a span that records."""
    return _current_span() is not None


def set_current_span_attribute(key: str, value: Any) -> None:
    """Set an attribute of the running code's span, if it has one."""
    if (span := _current_span()) is not None:
        span.set_attribute(key, value)


def set_current_span_error(message: str) -> None:
    """Give the running code's span, if it has one, the status ``error`` with this message."""
    telemetry = pipeline.active()
    if telemetry is not None and (span := telemetry.recorder.active()) is not None:
        telemetry.recorder.fail(span, message)


def record_span_event(name: str, attrs: Mapping[str, Any] | None = None) -> None:
    """Add an event, now, to the running code's span, if it has one."""
    if (span := _current_span()) is not None:
        span.add_event(name, attrs)


def _current_span() -> Span | None:
    telemetry = pipeline.active()
    return None if telemetry is None else telemetry.recorder.active()


def inject_traceparent() -> str | None:
    """Return the ``traceparent`` of the running code, to be sent along by other ways than calls; None: no trace."""
    return tracing.current()[0]


def inject_baggage() -> str | None:
    """Return the ``baggage`` of the running code, to be sent along by other ways than calls; None: it has none."""
    return tracing.current()[1]


def extract_traceparent(traceparent: str) -> TraceContext | None:
    """Return the ids in a ``traceparent``, None for an invalid one. :func:`trace_context` continues such a trace."""
    return parse_traceparent(traceparent)


def extract_baggage(baggage: str) -> dict[str, str]:
    """Return the entries of a ``baggage`` header, decoded."""
    return parse_baggage(baggage)


@overload
def with_span(
    name: str, fn: None = None, *, kind: object = None, traceparent: str | None = None
) -> AbstractContextManager[Span]: ...
@overload
def with_span(
    name: str, fn: Callable[[Span], Awaitable[_T]], *, kind: object = None, traceparent: str | None = None
) -> Awaitable[_T]: ...
@overload
def with_span(name: str, fn: Callable[[Span], _T], *, kind: object = None, traceparent: str | None = None) -> _T: ...
def with_span(
    name: str, fn: Callable[[Span], Any] | None = None, *, kind: object = None, traceparent: str | None = None
) -> Any:
    """Run ``fn(span)`` in a span of its own and return its result; without ``fn`` return a context manager.

    ``with with_span("parse") as span: span.set_attribute("rows", 3)``. An exception is recorded and goes on. Of a
    coroutine function the result is awaitable, and the span lasts until it is done. Without telemetry ``fn`` just runs.

    :param kind: ``"internal"`` (the default), ``"server"``, ``"client"``, ``"producer"``, ``"consumer"``, or
        OpenTelemetry's ``SpanKind``.
    :param traceparent: the parent, else the running code's span.
    """
    telemetry = pipeline.active()
    recorded = (
        nullcontext(cast("Span", _NO_SPAN)) if telemetry is None else telemetry.recorder.span(name, kind, traceparent)
    )
    if fn is None:
        return recorded
    if inspect.iscoroutinefunction(fn):
        return _awaited(recorded, fn)
    with recorded as span:
        return fn(span)


async def _awaited(recorded: AbstractContextManager[Span], fn: Callable[[Span], Awaitable[Any]]) -> Any:
    with recorded as span:
        return await fn(span)
