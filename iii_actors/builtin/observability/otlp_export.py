"""Export through the official OpenTelemetry SDK, OTLP over gRPC or HTTP (observability.md §8; extra ``otlp``)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from iii_actors import __version__
from iii_actors.builtin.observability.exporting import Backend, Complaint, Exporter
from iii_actors.builtin.observability.figures import EngineFigures
from iii_actors.builtin.observability.records import StoredLog
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.core.spans import Attributes, StoredSpan
from iii_actors.limits import CLOSE_WAIT_S, EXPORT_METRICS_MS, EXPORT_TIMEOUT_S

__all__ = ["Export", "log_record", "readable_span"]

_HTTP: Final = "http/protobuf"
_PACKAGE: Final = "opentelemetry.exporter.otlp.proto"
_CLASSES: Final = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
}
_STATUS: Final = {"ok": StatusCode.OK, "error": StatusCode.ERROR}
_HEX: Final = 16


class Export:
    """What is exported, as the settings say. Made where the engine starts; nothing is sent before :meth:`begin`.

    :param figures: asks the engine for its figures, for ``metrics_exporter``; runs on a thread of its own.
    """

    def __init__(self, settings: ObservabilitySettings, figures: Callable[[], EngineFigures]) -> None:
        _be_quiet()
        self.spans: Exporter[StoredSpan] | None = None
        self.logs: Exporter[StoredLog] | None = None
        self._settings = settings
        self._figures = figures
        self._meters: MeterProvider | None = None
        endpoint = settings.endpoint
        if settings.enabled and settings.exporter != "memory":
            self.spans = Exporter(_backend("traces", endpoint), readable_span, Complaint("spans", endpoint))
        if settings.logs_enabled and settings.logs_exporter != "memory":
            self.logs = Exporter(_backend("logs", endpoint), log_record, Complaint("logs", endpoint))

    def begin(self) -> None:
        for exporter in (self.spans, self.logs):
            if exporter is not None:
                exporter.begin()
        settings = self._settings
        if settings.enabled and settings.metrics_enabled and settings.metrics_exporter != "memory":
            self._meters = self._measuring(settings)

    def end(self) -> None:
        """Send what waits, for a moment: all of them at the same time. What is not through then goes on by itself."""
        ends: list[Callable[[], object]] = [one.end for one in (self.spans, self.logs) if one is not None]
        if self._meters is not None:
            ends.append(partial(self._meters.shutdown, timeout_millis=CLOSE_WAIT_S * 1000))
        threads = [threading.Thread(target=end, name="iii-export-end", daemon=True) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CLOSE_WAIT_S / len(threads))

    def dropped(self) -> int:
        """Return how many spans and logs were not exported."""
        return sum(one.dropped for one in (self.spans, self.logs) if one is not None)

    # --- the engine's figures ----------------------------------------------------------------------------------------

    def _measuring(self, settings: ObservabilitySettings) -> MeterProvider:
        complaint = Complaint("metrics", settings.endpoint)
        reader = PeriodicExportingMetricReader(
            _WatchedMetrics(_backend("metrics", settings.endpoint), complaint),
            export_interval_millis=EXPORT_METRICS_MS,
            export_timeout_millis=EXPORT_TIMEOUT_S * 1000,
        )
        provider = MeterProvider([reader], resource=_resource(settings.service_name), shutdown_on_exit=False)
        meter = provider.get_meter("iii", __version__)
        meter.create_observable_counter("iii.invocations.total", [self._calls], "{call}")
        meter.create_observable_counter("iii.invocation.errors.total", [self._errors], "{call}")
        meter.create_observable_counter("iii.invocation.duration.total", [self._durations], "s")
        meter.create_observable_gauge("iii.workers.active", [self._worker_figure("active")], "{worker}")
        meter.create_observable_counter("iii.workers.spawns.total", [self._worker_figure("spawns")], "{worker}")
        meter.create_observable_counter("iii.workers.deaths.total", [self._worker_figure("deaths")], "{worker}")
        meter.create_observable_gauge("iii.workers.by_status", [self._statuses], "{worker}")
        return provider

    def _calls(self, _: CallbackOptions) -> Iterable[Observation]:
        for one in self._figures().tallies.functions:
            yield Observation(one.success, {"function_id": one.function_id, "status": "success"})
            yield Observation(one.error, {"function_id": one.function_id, "status": "error"})

    def _errors(self, _: CallbackOptions) -> Iterable[Observation]:
        for one in self._figures().tallies.functions:
            for code, count in one.errors.items():
                yield Observation(count, {"function_id": one.function_id, "error_code": code})

    def _durations(self, _: CallbackOptions) -> Iterable[Observation]:
        for one in self._figures().tallies.functions:
            yield Observation(one.seconds, {"function_id": one.function_id})

    def _worker_figure(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            workers = self._figures().workers
            values = {
                "active": workers.joined - workers.left,
                "spawns": workers.joined,
                "deaths": workers.left,
            }
            yield Observation(values[name])

        return observe

    def _statuses(self, _: CallbackOptions) -> Iterable[Observation]:
        for status, count in self._figures().workers.by_status.items():
            yield Observation(count, {"status": status})


class _WatchedMetrics(MetricExporter):
    """Exports, and complains as :class:`Complaint` does."""

    def __init__(self, backend: Any, complaint: Complaint) -> None:
        super().__init__()
        self._backend = backend
        self._complaint = complaint

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        result: MetricExportResult = self._backend.export(metrics_data, timeout_millis=timeout_millis)
        self._complaint.note(result is MetricExportResult.SUCCESS)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return bool(self._backend.force_flush(timeout_millis))

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        self._backend.shutdown(timeout_millis)


def _be_quiet() -> None:
    """The exporters log every failure and every retry; one complaint of ours is enough."""
    for name in ("opentelemetry.exporter", "opentelemetry.sdk.metrics"):
        noisy = logging.getLogger(name)
        if noisy.level == logging.NOTSET:
            noisy.setLevel(logging.CRITICAL + 1)


def _backend(signal: str, endpoint: str) -> Any:
    """Return OpenTelemetry's exporter of one signal."""
    over_http = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "") == _HTTP
    module, name = _CLASSES[signal]
    made = getattr(import_module(f"{_PACKAGE}.{'http' if over_http else 'grpc'}.{module}"), name)
    if over_http and "/v1/" not in endpoint:
        endpoint = f"{endpoint.rstrip('/')}/v1/{signal}"
    backend: Backend = made(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    return backend


# --- records ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _resource(service_name: str) -> Resource:
    return Resource({"service.name": service_name})


@lru_cache(maxsize=256)
def _scope(name: str | None, version: str | None) -> InstrumentationScope:
    return InstrumentationScope(name or "", version)


def _context(
    trace_id: str | None, span_id: str | None, flags: int | None = None, state: str | None = None
) -> SpanContext:
    return SpanContext(
        int(trace_id or "", _HEX),
        int(span_id or "", _HEX),
        is_remote=False,
        trace_flags=TraceFlags((flags if flags is not None else 1) & 0xFF),
        trace_state=TraceState.from_header([state]) if state else None,
    )


def _attributes(pairs: Attributes) -> dict[str, str]:
    return dict(pairs)


def readable_span(span: StoredSpan) -> ReadableSpan:
    """Return a span as OpenTelemetry has it. Raises ``ValueError`` for one whose ids are none."""
    parent = _context(span.trace_id, span.parent_span_id) if span.parent_span_id is not None else None
    return ReadableSpan(
        span.name,
        _context(span.trace_id, span.span_id, span.flags, span.trace_state),
        parent,
        _resource(span.service_name),
        _attributes(span.attributes),
        [Event(one.name, _attributes(one.attributes), one.timestamp_unix_nano) for one in span.events],
        [
            Link(_context(one.trace_id, one.span_id, state=one.trace_state), _attributes(one.attributes))
            for one in span.links
        ],
        SpanKind[span.kind.upper()] if span.kind else SpanKind.INTERNAL,
        status=Status(
            _STATUS.get(span.status, StatusCode.UNSET), span.status_description if span.status == "error" else None
        ),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=_scope(span.instrumentation_scope_name, span.instrumentation_scope_version),
    )


def log_record(log: StoredLog) -> ReadableLogRecord:
    """Return a log record as OpenTelemetry has it. Raises ``ValueError`` for ids or a severity that are none."""
    record = LogRecord(
        timestamp=log.timestamp_unix_nano,
        observed_timestamp=log.observed_timestamp_unix_nano,
        trace_id=int(log.trace_id, _HEX) if log.trace_id else None,
        span_id=int(log.span_id, _HEX) if log.span_id else None,
        severity_text=log.severity_text,
        severity_number=SeverityNumber(log.severity_number),
        body=log.body,
        attributes=log.attributes,
    )
    scope = _scope(log.instrumentation_scope_name, log.instrumentation_scope_version)
    return ReadableLogRecord(record, Resource({**log.resource, "service.name": log.service_name}), scope)
