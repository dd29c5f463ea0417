"""Trace context, spans, logs and gauges of a worker (spec sdk.md §9).

Without `opentelemetry` installed trace context flows all the same; spans and the telemetry socket come with it, or with
``OtelConfig(enabled=True)``. See the documentation, *Observability*.
"""

from __future__ import annotations

from iii_worker.logger import EngineLogHandler, Logger
from iii_worker.observability.config import OtelConfig
from iii_worker.observability.process import flush_otel, init_otel, shutdown_otel
from iii_worker.observability.recorder import Span
from iii_worker.observability.redact import (
    REDACTED_PLACEHOLDER,
    redact,
    redact_and_truncate,
    resolve_max_bytes_from_env,
)
from iii_worker.observability.requests import execute_traced_request
from iii_worker.observability.spans import (
    current_span_id,
    current_span_is_recording,
    current_trace_id,
    extract_baggage,
    extract_traceparent,
    inject_baggage,
    inject_traceparent,
    record_span_event,
    set_current_span_attribute,
    set_current_span_error,
    with_span,
)
from iii_worker.observability.worker import WorkerSight
from iii_worker.tracing import TraceContext, trace_context

__all__ = [
    "REDACTED_PLACEHOLDER",
    "EngineLogHandler",
    "Logger",
    "OtelConfig",
    "Span",
    "TraceContext",
    "WorkerSight",
    "current_span_id",
    "current_span_is_recording",
    "current_trace_id",
    "execute_traced_request",
    "extract_baggage",
    "extract_traceparent",
    "flush_otel",
    "init_otel",
    "inject_baggage",
    "inject_traceparent",
    "record_span_event",
    "redact",
    "redact_and_truncate",
    "resolve_max_bytes_from_env",
    "set_current_span_attribute",
    "set_current_span_error",
    "shutdown_otel",
    "trace_context",
    "with_span",
]
