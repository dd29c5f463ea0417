"""OTLP in its JSON form, and the frames it travels in: pure, no sockets (spec observability.md §2, core.md §1.5).

64-bit integers are decimal strings, ids lower-case hex, kinds and codes numbers, as OTLP/JSON has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from iii_worker.limits import TRACE_PAYLOAD_DEPTH

__all__ = ["GaugePoint", "LogRecord", "SpanEvent", "SpanRecord", "logs_frame", "metrics_frame", "spans_frame"]

SPANS: Final = b"OTLP"
METRICS: Final = b"MTRC"
LOGS: Final = b"LOGS"

UNSET, OK, ERROR = 0, 1, 2
"""Status codes of a span."""

KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}

_encode: Final = msgspec.json.Encoder().encode


class SpanEvent(msgspec.Struct, frozen=True):
    """A moment within a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


class SpanRecord(msgspec.Struct, frozen=True):
    """A span that has ended. Times are nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_span_id: str
    """Empty: a root."""
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    events: tuple[SpanEvent, ...] = ()
    links: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    """``(trace_id, span_id, attributes)`` each."""
    status: int = UNSET
    status_message: str = ""
    flags: int = 1
    scope: str = ""
    scope_version: str = ""


class LogRecord(msgspec.Struct, frozen=True):
    """A log line."""

    time_ns: int
    severity_number: int
    severity_text: str
    body: str
    attributes: Mapping[str, Any]
    trace_id: str | None = None
    span_id: str | None = None


class GaugePoint(msgspec.Struct, frozen=True):
    """The present value of something."""

    name: str
    unit: str
    description: str
    value: int | float
    attributes: Mapping[str, Any]
    time_ns: int


def spans_frame(resource: Mapping[str, Any], spans: Iterable[SpanRecord]) -> bytes:
    """Return the frame of some spans, grouped by the library that made them."""
    scopes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for span in spans:
        scopes.setdefault((span.scope, span.scope_version), []).append(_span(span))
    groups = [{"scope": {"name": n, "version": v}, "spans": inside} for (n, v), inside in scopes.items()]
    return _frame(SPANS, "resourceSpans", resource, "scopeSpans", groups)


def logs_frame(resource: Mapping[str, Any], scope: str, version: str, records: Iterable[LogRecord]) -> bytes:
    """Return the frame of some log records."""
    group = {"scope": {"name": scope, "version": version}, "logRecords": [_log(record) for record in records]}
    return _frame(LOGS, "resourceLogs", resource, "scopeLogs", [group])


def metrics_frame(resource: Mapping[str, Any], scope: str, version: str, points: Iterable[GaugePoint]) -> bytes:
    """Return the frame of some gauges, points of one name together."""
    metrics: dict[str, dict[str, Any]] = {}
    for point in points:
        metric = metrics.setdefault(
            point.name,
            {
                "name": point.name,
                "description": point.description,
                "unit": point.unit,
                "gauge": {"dataPoints": []},
            },
        )
        number = {"asInt": str(point.value)} if isinstance(point.value, int) else {"asDouble": point.value}
        metric["gauge"]["dataPoints"].append(
            {"attributes": _attributes(point.attributes), "timeUnixNano": str(point.time_ns), **number}
        )
    group = {"scope": {"name": scope, "version": version}, "metrics": list(metrics.values())}
    return _frame(METRICS, "resourceMetrics", resource, "scopeMetrics", [group])


def _frame(prefix: bytes, outer: str, resource: Mapping[str, Any], inner: str, groups: list[dict[str, Any]]) -> bytes:
    return prefix + _encode({outer: [{"resource": {"attributes": _attributes(resource)}, inner: groups}]})


def _span(span: SpanRecord) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
        "events": [
            {"name": event.name, "timeUnixNano": str(event.time_ns), "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        "links": [
            {"traceId": trace_id, "spanId": span_id, "attributes": _attributes(attributes)}
            for trace_id, span_id, attributes in span.links
        ],
        "status": {"code": span.status, "message": span.status_message},
        "flags": span.flags,
    }


def _log(record: LogRecord) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "timeUnixNano": str(record.time_ns),
        "observedTimeUnixNano": str(record.time_ns),
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "body": {"stringValue": record.body},
        "attributes": _attributes(record.attributes),
    }
    if record.trace_id:
        shown["traceId"] = record.trace_id
    if record.span_id:
        shown["spanId"] = record.span_id
    return shown


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": str(key), "value": any_value(value)} for key, value in attributes.items()]


def any_value(value: Any, levels: int = TRACE_PAYLOAD_DEPTH) -> dict[str, Any]:
    """Return a Python value as OTLP's AnyValue; what has no form there becomes its ``str``. None is the empty value."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value} if math.isfinite(value) else {"stringValue": str(value)}
    if levels > 0:
        if isinstance(value, Mapping):
            pairs = [{"key": str(key), "value": any_value(item, levels - 1)} for key, item in value.items()]
            return {"kvlistValue": {"values": pairs}}
        if isinstance(value, (list, tuple, set, frozenset)):
            return {"arrayValue": {"values": [any_value(item, levels - 1) for item in value]}}
    return {"stringValue": str(value)}
