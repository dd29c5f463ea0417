"""A recorder of the SDK's own: spans without `opentelemetry`, for those who ask for telemetry and do not install it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Final

from iii_worker import tracing
from iii_worker.limits import SPAN_ITEMS
from iii_worker.observability import otlp
from iii_worker.observability.recorder import Opened, Payloads, RecordedExecution, Span, exception_attributes
from iii_worker.tracing import TraceContext
from iii_worker.version import __version__

__all__ = ["LightRecorder", "LightSpan"]

SCOPE: Final = "iii_worker"

_active: Final[ContextVar[LightSpan | None]] = ContextVar("iii_worker_span", default=None)


class LightSpan:
    """A span under way. Fulfils :class:`~iii_worker.observability.recorder.Span`; may be used by several threads."""

    def __init__(self, name: str, kind: int, context: TraceContext, parent_span_id: str) -> None:
        self.context: Final = context
        self.name = name
        self._kind = kind
        self._parent_span_id = parent_span_id
        self._start_ns = time.time_ns()
        self._attributes: dict[str, Any] = {}
        self._events: list[otlp.SpanEvent] = []
        self._status = otlp.UNSET
        self._status_message = ""
        self._ended = False

    def is_recording(self) -> bool:
        return not self._ended

    def set_attribute(self, key: str, value: Any) -> None:
        if key in self._attributes or len(self._attributes) < SPAN_ITEMS:
            self._attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if len(self._events) < SPAN_ITEMS:
            self._events.append(otlp.SpanEvent(name, timestamp or time.time_ns(), dict(attributes or {})))

    def record_exception(self, exception: BaseException) -> None:
        self.add_event("exception", exception_attributes(exception))

    def update_name(self, name: str) -> None:
        self.name = name

    def set_status(self, code: int, message: str = "") -> None:
        """Set the status; an error stays one."""
        if self._status != otlp.ERROR:
            self._status, self._status_message = code, message

    def end(self) -> otlp.SpanRecord:
        """End it and return what is to be sent."""
        self._ended = True
        return otlp.SpanRecord(
            trace_id=self.context.trace_id,
            span_id=self.context.span_id,
            parent_span_id=self._parent_span_id,
            name=self.name,
            kind=self._kind,
            start_ns=self._start_ns,
            end_ns=time.time_ns(),
            attributes=dict(self._attributes),
            events=tuple(self._events),
            status=self._status,
            status_message=self._status_message,
            flags=self.context.flags,
            scope=SCOPE,
            scope_version=__version__,
        )


class LightRecorder:
    """Fulfils :class:`~iii_worker.observability.recorder.SpanRecorder`; ``sink`` takes each span that has ended."""

    def __init__(self, sink: Callable[[otlp.SpanRecord], None]) -> None:
        self._sink = sink
        self._payloads = Payloads()

    def current(self) -> tracing.Carried:
        return tracing.carried.get()

    def remote(self, context: tracing.Carried) -> AbstractContextManager[object]:
        return tracing.Carrying(context)

    def execution(self, function_id: str, context: tracing.Carried, data: bytes | None) -> tracing.Execution:
        parent = tracing.parse_traceparent(context[0])
        if parent is not None and not parent.sampled:
            return tracing.Carrying(context)
        kind = otlp.KINDS["internal"]

        def opened() -> Opened:
            return self._open(f"execute {function_id}", kind, parent, context[1])

        return RecordedExecution(self, opened, function_id, context, data, self._payloads)

    @contextmanager
    def span(self, name: str, kind: object, traceparent: str | None) -> Iterator[Span]:
        carried, baggage = tracing.carried.get()
        parent = tracing.parse_traceparent(traceparent if traceparent is not None else carried)
        opened = self._open(name, kind_number(kind), parent, baggage)
        try:
            yield opened.span
        except BaseException as error:
            opened.span.record_exception(error)
            self.fail(opened.span, f"{type(error).__name__}: {error}")
            raise
        finally:
            opened.close()

    def _open(self, name: str, kind: int, parent: TraceContext | None, baggage: str | None) -> Opened:
        context = TraceContext.root() if parent is None else parent.child()
        span = LightSpan(name, kind, context, "" if parent is None else parent.span_id)
        carried = tracing.carried.set((context.traceparent, baggage))
        active = _active.set(span)

        def close() -> None:
            _active.reset(active)
            tracing.carried.reset(carried)
            if context.sampled:
                self._sink(span.end())

        return Opened(span, close)

    def active(self) -> Span | None:
        span = _active.get()
        return span if span is not None and span.is_recording() else None

    def fail(self, span: Span, message: str) -> None:
        if isinstance(span, LightSpan):
            span.set_status(otlp.ERROR, message)

    def succeed(self, span: Span) -> None:
        if isinstance(span, LightSpan):
            span.set_status(otlp.OK)


def kind_number(kind: object) -> int:
    """Return OTLP's number of a kind: None, a name, or a member of OpenTelemetry's ``SpanKind``.

    Raises ``ValueError`` for what is no kind.
    """
    if kind is None:
        return otlp.KINDS["internal"]
    name = str(getattr(kind, "name", kind)).lower()
    if name not in otlp.KINDS:
        raise ValueError(f"{kind!r} is no kind of span; there are {', '.join(otlp.KINDS)}")
    return otlp.KINDS[name]
