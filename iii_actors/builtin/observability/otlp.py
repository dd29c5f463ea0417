"""Workers' telemetry, read into what is kept (observability.md §2). Pure.

A frame is read as a whole: one that is malformed anywhere gives nothing and raises :class:`Malformed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from iii_actors.builtin.observability import otlp_types as otlp
from iii_actors.builtin.observability.otlp_types import plain
from iii_actors.builtin.observability.records import (
    HistogramPoint,
    NumberPoint,
    StoredLog,
    StoredMetric,
)
from iii_actors.core.spans import Attributes, SpanEvent, SpanLink, StoredSpan, redacted

__all__ = ["LOGS", "METRICS", "TRACES", "Malformed", "read_logs", "read_metrics", "read_spans"]

TRACES: Final = b"OTLP"
LOGS: Final = b"LOGS"
METRICS: Final = b"MTRC"

_traces: Final = msgspec.json.Decoder(otlp.TracesFrame, strict=False)
_logs: Final = msgspec.json.Decoder(otlp.LogsFrame, strict=False)
_metrics: Final = msgspec.json.Decoder(otlp.MetricsFrame, strict=False)
_encode: Final = msgspec.json.Encoder().encode
_STATUS: Final = {1: "ok", 2: "error", "1": "ok", "2": "error", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}
_KINDS: Final = ("internal", "server", "client", "producer", "consumer")
_KIND: Final[dict[Any, str]] = {
    **dict(enumerate(_KINDS, start=1)),
    **{f"SPAN_KIND_{kind.upper()}": kind for kind in _KINDS},
}
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_PER_SEVERITY: Final = 4
_SERVICE: Final = "service.name"
_UNKNOWN: Final = "unknown"


class Malformed(ValueError):
    """A frame that is no OTLP/JSON of its kind."""


class _Origin(NamedTuple):
    resource: dict[str, Any]
    service_name: str
    scope_name: str | None
    scope_version: str | None


def read_spans(text: bytes | memoryview, *, live: bool) -> list[StoredSpan]:
    """Return a frame's spans; start snapshots are ``pending``, or left out unless ``live``."""
    frame: otlp.TracesFrame = _decoded(_traces, text)
    found = []
    for group in frame.resource_spans or ():
        for scoped in group.scope_spans or ():
            origin = _origin(group.resource, scoped.scope)
            found += [_span(one, origin) for one in scoped.spans or () if live or one.end_time_unix_nano]
    return found


def read_logs(text: bytes | memoryview, now_ns: int) -> list[StoredLog]:
    """Return a frame's log records; ``now_ns`` is the time of those that tell none."""
    frame: otlp.LogsFrame = _decoded(_logs, text)
    found = []
    for group in frame.resource_logs or ():
        for scoped in group.scope_logs or ():
            origin = _origin(group.resource, scoped.scope)
            found += [_log(one, origin, now_ns) for one in scoped.log_records or ()]
    return found


def read_metrics(text: bytes | memoryview, now_ns: int) -> list[StoredMetric]:
    """Return a frame's metrics of the kinds that are kept."""
    frame: otlp.MetricsFrame = _decoded(_metrics, text)
    found = []
    for group in frame.resource_metrics or ():
        for scoped in group.scope_metrics or ():
            origin = _origin(group.resource, scoped.scope)
            for one in scoped.metrics or ():
                for kind, points in _points(one, now_ns):
                    found.append(_metric(one, kind, points, origin, now_ns))
    return found


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes | memoryview) -> Any:
    try:
        str(text, "utf-8")  # the decoder does not look into what it only skips
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(str(error) or type(error).__name__) from None


def _origin(resource: otlp.Resource | None, scope: otlp.Scope | None) -> _Origin:
    attributes = {one.key: plain(one.value) for one in (resource.attributes if resource is not None else ()) or ()}
    service = attributes.get(_SERVICE)
    return _Origin(
        attributes,
        service if isinstance(service, str) and service else _UNKNOWN,
        (scope.name if scope is not None else None) or None,
        (scope.version if scope is not None else None) or None,
    )


def _id(text: str | None) -> str | None:
    """Return an id as given; an empty or all-zero one is none."""
    return text if text and text.strip("0") else None


def _text(value: otlp.AnyValue | None) -> str:
    found = plain(value)
    if isinstance(found, str):
        return found
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, (list, dict)):
        return _encode(found).decode()
    return str(found)


def _pairs(attributes: list[otlp.KeyValue] | None) -> Attributes:
    return tuple((one.key, _text(one.value)) for one in attributes or ())


def _span(span: otlp.Span, origin: _Origin) -> StoredSpan:
    status, end = span.status, span.end_time_unix_nano or 0
    return StoredSpan(
        _id(span.trace_id),
        _id(span.span_id),
        _id(span.parent_span_id),
        span.name or "",
        span.start_time_unix_nano or 0,
        end,
        _STATUS.get(status.code, "unset") if status is not None and status.code is not None else "unset",
        redacted(_pairs(span.attributes)),
        origin.service_name,
        tuple(
            SpanEvent(one.name or "", one.time_unix_nano or 0, redacted(_pairs(one.attributes)))
            for one in span.events or ()
        ),
        tuple(
            SpanLink(_id(one.trace_id), _id(one.span_id), one.trace_state or None, redacted(_pairs(one.attributes)))
            for one in span.links or ()
        ),
        (status.message if status is not None else None) or None,
        origin.scope_name,
        origin.scope_version,
        span.flags,
        span.trace_state or None,
        not end,
        _KIND.get(span.kind, ""),
    )


def _log(record: otlp.LogRecord, origin: _Origin, now_ns: int) -> StoredLog:
    observed = record.observed_time_unix_nano or now_ns
    number = record.severity_number or 0
    return StoredLog(
        record.time_unix_nano or observed,
        observed,
        number,
        record.severity_text or _severity(number),
        _text(record.body),
        {one.key: plain(one.value) for one in record.attributes or ()},
        _id(record.trace_id),
        _id(record.span_id),
        origin.resource,
        origin.service_name,
        origin.scope_name,
        origin.scope_version,
    )


def _severity(number: int) -> str:
    """Return the name of a severity's range (OpenTelemetry's logs data model); empty outside all of them."""
    at = (number - 1) // _PER_SEVERITY
    return _SEVERITIES[at] if 0 <= at < len(_SEVERITIES) else ""


def _points(metric: otlp.Metric, now_ns: int) -> Iterator[tuple[str, tuple[NumberPoint | HistogramPoint, ...]]]:
    if metric.gauge is not None:
        yield "gauge", _numbers(metric.gauge.data_points, now_ns)
    if metric.sum is not None:
        kind = "counter" if metric.sum.is_monotonic else "updowncounter"
        yield kind, _numbers(metric.sum.data_points, now_ns)
    if metric.histogram is not None:
        yield "histogram", tuple(_distribution(one, now_ns) for one in metric.histogram.data_points or ())


def _numbers(points: list[otlp.NumberDataPoint] | None, now_ns: int) -> tuple[NumberPoint | HistogramPoint, ...]:
    """What is no finite number says nothing that could be listed, compared or added up."""
    values = [(one, one.as_double if one.as_double is not None else float(one.as_int or 0)) for one in points or ()]
    return tuple(
        NumberPoint(value, redacted(_pairs(one.attributes)), one.time_unix_nano or now_ns)
        for one, value in values
        if math.isfinite(value)
    )


def _distribution(point: otlp.HistogramDataPoint, now_ns: int) -> HistogramPoint:
    return HistogramPoint(
        point.count or 0,
        point.sum or 0.0,
        tuple(point.bucket_counts or ()),
        tuple(point.explicit_bounds or ()),
        point.min,
        point.max,
        redacted(_pairs(point.attributes)),
        point.time_unix_nano or now_ns,
    )


def _metric(
    metric: otlp.Metric, kind: str, points: tuple[NumberPoint | HistogramPoint, ...], origin: _Origin, now_ns: int
) -> StoredMetric:
    return StoredMetric(
        metric.name or "",
        metric.description or "",
        metric.unit or "",
        kind,
        points,
        origin.service_name,
        now_ns,
        origin.scope_name or msgspec.UNSET,
        origin.scope_version or msgspec.UNSET,
    )
