"""Real OpenTelemetry spans, where `opentelemetry-sdk` is installed. Nothing of it is imported before telemetry starts.

The spans are made by the process's tracer provider: the one the application has set, else one that is set here. So they
nest with those of every other library, and whatever else the application exports to gets them too.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from iii_worker import tracing
from iii_worker.observability import otlp
from iii_worker.observability.light import SCOPE, kind_number
from iii_worker.observability.recorder import Opened, Payloads, RecordedExecution, Span
from iii_worker.version import __version__

__all__ = ["OtelRecorder", "instrument_requests", "is_installed", "record_of"]

logger = logging.getLogger(__name__)

Sink = Callable[[Any], None]
"""Takes a ``ReadableSpan`` that has ended."""

_INSTRUMENTATIONS: Final = {
    "opentelemetry.instrumentation.urllib": "URLLibInstrumentor",
    "opentelemetry.instrumentation.requests": "RequestsInstrumentor",
    "opentelemetry.instrumentation.httpx": "HTTPXClientInstrumentor",
}
"""Instrumentations of HTTP clients, each a package of its own; the ones that are installed are switched on."""


def is_installed() -> bool:
    """Say whether spans can be made: `opentelemetry-sdk` is there. `opentelemetry-api` alone makes none."""
    try:
        return importlib.util.find_spec("opentelemetry.sdk.trace") is not None
    except ImportError:
        return False


class OtelRecorder:
    """Fulfils :class:`~iii_worker.observability.recorder.SpanRecorder` with OpenTelemetry's tracer.

    :param resource: attributes of the provider that is made if the application has none.
    """

    def __init__(self, sink: Sink, resource: Mapping[str, str]) -> None:
        self._trace: Any = importlib.import_module("opentelemetry.trace")
        self._context: Any = importlib.import_module("opentelemetry.context")
        self._baggage: Any = importlib.import_module("opentelemetry.baggage")
        self._payloads = Payloads()
        provider = _provider(self._trace, resource)
        _processor(provider).sink = sink
        self._tracer: Any = provider.get_tracer(SCOPE, __version__)

    def current(self) -> tracing.Carried:
        traceparent, baggage = tracing.carried.get()
        position = self._trace.get_current_span().get_span_context()
        if position.is_valid:
            traceparent = f"00-{position.trace_id:032x}-{position.span_id:016x}-{int(position.trace_flags):02x}"
        if (entries := self._baggage.get_all()) and entries != tracing.parse_baggage(baggage):
            baggage = tracing.format_baggage(entries)
        return traceparent, baggage

    def execution(self, function_id: str, context: tracing.Carried, data: bytes | None) -> tracing.Execution:
        def opened() -> Opened:
            return self._open(f"execute {function_id}", context)

        return RecordedExecution(self, opened, function_id, context, data, self._payloads)

    def _open(self, name: str, context: tracing.Carried) -> Opened:
        outside = self._context_of(context)
        span = self._tracer.start_span(name, context=outside, kind=self._trace.SpanKind.INTERNAL)
        token = self._context.attach(self._trace.set_span_in_context(span, outside))
        carried = tracing.carried.set(context)

        def close() -> None:
            tracing.carried.reset(carried)
            self._context.detach(token)
            span.end()

        return Opened(span, close)

    def _context_of(self, context: tracing.Carried) -> Any:
        """Return OpenTelemetry's context with nothing in it but what came over the wire."""
        made = self._context.Context()
        for key, value in tracing.parse_baggage(context[1]).items():
            made = self._baggage.set_baggage(key, value, made)
        parent = tracing.parse_traceparent(context[0])
        if parent is None:
            return made
        position = self._trace.SpanContext(
            int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=self._flags(parent.flags)
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(position), made)

    def _flags(self, flags: int) -> Any:
        return self._trace.TraceFlags(flags)

    @contextmanager
    def remote(self, context: tracing.Carried) -> Iterator[None]:
        token = self._context.attach(self._context_of(context))
        try:
            with tracing.Carrying(context):
                yield
        finally:
            self._context.detach(token)

    @contextmanager
    def span(self, name: str, kind: object, traceparent: str | None) -> Iterator[Span]:
        parent = None
        if traceparent is not None:
            parent = self._context_of((traceparent, tracing.carried.get()[1]))
        kind = list(self._trace.SpanKind)[kind_number(kind) - 1]
        with self._tracer.start_as_current_span(name, context=parent, kind=kind) as span:
            yield span

    def active(self) -> Span | None:
        span: Any = self._trace.get_current_span()
        return span if span.is_recording() else None

    def fail(self, span: Span, message: str) -> None:
        status: Any = span
        status.set_status(self._trace.StatusCode.ERROR, message)

    def succeed(self, span: Span) -> None:
        status: Any = span
        status.set_status(self._trace.StatusCode.OK)


def record_of(span: Any) -> otlp.SpanRecord:
    """Return a ``ReadableSpan`` as what is sent."""
    position, scope = span.get_span_context(), span.instrumentation_scope
    return otlp.SpanRecord(
        trace_id=f"{position.trace_id:032x}",
        span_id=f"{position.span_id:016x}",
        parent_span_id="" if span.parent is None else f"{span.parent.span_id:016x}",
        name=span.name,
        # OpenTelemetry's Python members count from 0, the protocol's from 1.
        kind=span.kind.value + 1,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        attributes=dict(span.attributes or {}),
        events=tuple(otlp.SpanEvent(e.name, e.timestamp, dict(e.attributes or {})) for e in span.events),
        links=tuple(
            (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", dict(link.attributes or {}))
            for link in span.links
        ),
        status=span.status.status_code.value,
        status_message=span.status.description or "",
        flags=int(position.trace_flags),
        scope=scope.name if scope is not None else "",
        scope_version=(scope.version or "") if scope is not None else "",
    )


# --- the provider -----------------------------------------------------------------------------------------------------

_processors: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
"""Provider to the one processor added to it: a provider has no way to take one off again."""
_processors_lock = threading.Lock()


def detach() -> None:
    """Let no provider hand spans on, until the next recorder is made."""
    with _processors_lock:
        for processor in _processors.values():
            processor.sink = None


def after_fork() -> None:
    """As :func:`detach`, in a child process: the lock may have been held by a thread that is not there any more."""
    global _processors_lock
    _processors_lock = threading.Lock()
    detach()


def _provider(trace: Any, resource: Mapping[str, str]) -> Any:
    provider = trace.get_tracer_provider()
    if hasattr(provider, "add_span_processor"):
        return provider
    sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
    resources: Any = importlib.import_module("opentelemetry.sdk.resources")
    made = sdk.TracerProvider(resource=resources.Resource.create(dict(resource)))
    trace.set_tracer_provider(made)
    return trace.get_tracer_provider()


def _processor(provider: Any) -> Any:
    with _processors_lock:
        if provider not in _processors:
            sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
            members = {"sink": None, "on_end": _on_end}
            _processors[provider] = type("IIISpanProcessor", (sdk.SpanProcessor,), members)()
            provider.add_span_processor(_processors[provider])
        return _processors[provider]


def _on_end(self: Any, span: Any) -> None:
    sink: Sink | None = self.sink
    if sink is not None and span.get_span_context().trace_flags.sampled:
        sink(span)


def instrument_requests() -> Callable[[], None]:
    """Switch on the instrumentations of HTTP clients that are installed; return what switches them off again."""
    switched_on: list[Any] = []
    for module, name in _INSTRUMENTATIONS.items():
        try:
            instrumentor = getattr(importlib.import_module(module), name)()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()
                switched_on.append(instrumentor)
        except ImportError:
            continue
        except Exception:
            logger.debug("%s could not be switched on", module, exc_info=True)

    def off() -> None:
        for instrumentor in switched_on:
            instrumentor.uninstrument()

    return off
