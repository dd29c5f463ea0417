"""OTLP/JSON as workers send it (observability.md §2; OpenTelemetry Protocol 1.x, JSON mapping). Types only.

Read with ``strict=False``: numbers may be written as decimal text. Whatever is not named here is ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

__all__ = ["AnyValue", "KeyValue", "LogsFrame", "MetricsFrame", "Nano", "Resource", "Scope", "TracesFrame"]

Nano = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Nanoseconds since the epoch, or a count; 64 bits with sign are what JSON integers are kept in."""
Signed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class AnyValue(Struct, rename="camel"):
    """A value of an attribute or a log's body: one of these members."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Signed | None = None
    double_value: float | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None


class ArrayValue(Struct):
    """A list of values."""

    values: list[AnyValue] | None = None


class KeyValueList(Struct):
    """An object of values."""

    values: list[KeyValue] | None = None


class KeyValue(Struct):
    """An attribute."""

    key: str
    value: AnyValue | None = None


class Resource(Struct):
    """Where the records come from."""

    attributes: list[KeyValue] | None = None


class Scope(Struct):
    """What recorded them."""

    name: str | None = None
    version: str | None = None


class Status(Struct):
    """How a span ended."""

    code: Signed | str | None = None
    message: str | None = None


class Event(Struct, rename="camel"):
    """Something within a span."""

    time_unix_nano: Nano | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None


class Link(Struct, rename="camel"):
    """A span that a span points to."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[KeyValue] | None = None


class Span(Struct, rename="camel"):
    """A span; without an end it has only begun."""

    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: Signed | str | None = None
    start_time_unix_nano: Nano | None = None
    end_time_unix_nano: Nano | None = None
    attributes: list[KeyValue] | None = None
    events: list[Event] | None = None
    links: list[Link] | None = None
    status: Status | None = None
    flags: Nano | None = None
    trace_state: str | None = None


class ScopeSpans(Struct):
    """Spans of one scope."""

    scope: Scope | None = None
    spans: list[Span] | None = None


class ResourceSpans(Struct, rename="camel"):
    """Spans of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None


class TracesFrame(Struct, rename="camel"):
    """``OTLP``."""

    resource_spans: list[ResourceSpans] | None = None


class LogRecord(Struct, rename="camel"):
    """A log record."""

    time_unix_nano: Nano | None = None
    observed_time_unix_nano: Nano | None = None
    severity_number: Signed | None = None
    severity_text: str | None = None
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    trace_id: str | None = None
    span_id: str | None = None


class ScopeLogs(Struct, rename="camel"):
    """Log records of one scope."""

    scope: Scope | None = None
    log_records: list[LogRecord] | None = None


class ResourceLogs(Struct, rename="camel"):
    """Log records of one resource."""

    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None


class LogsFrame(Struct, rename="camel"):
    """``LOGS``."""

    resource_logs: list[ResourceLogs] | None = None


class NumberDataPoint(Struct, rename="camel"):
    """One value."""

    attributes: list[KeyValue] | None = None
    time_unix_nano: Nano | None = None
    as_int: Signed | None = None
    as_double: float | None = None


class HistogramDataPoint(Struct, rename="camel"):
    """One distribution."""

    attributes: list[KeyValue] | None = None
    time_unix_nano: Nano | None = None
    count: Nano | None = None
    sum: float | None = None
    bucket_counts: list[Nano] | None = None
    explicit_bounds: list[float] | None = None
    min: float | None = None
    max: float | None = None


class Gauge(Struct, rename="camel"):
    """Values that go up and down."""

    data_points: list[NumberDataPoint] | None = None


class Sum(Struct, rename="camel"):
    """Values that add up."""

    data_points: list[NumberDataPoint] | None = None
    is_monotonic: bool | None = None


class Histogram(Struct, rename="camel"):
    """Distributions."""

    data_points: list[HistogramDataPoint] | None = None


class Metric(Struct):
    """A metric of one of three kinds; others have no member here."""

    name: str | None = None
    description: str | None = None
    unit: str | None = None
    gauge: Gauge | None = None
    sum: Sum | None = None
    histogram: Histogram | None = None


class ScopeMetrics(Struct):
    """Metrics of one scope."""

    scope: Scope | None = None
    metrics: list[Metric] | None = None


class ResourceMetrics(Struct, rename="camel"):
    """Metrics of one resource."""

    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None


class MetricsFrame(Struct, rename="camel"):
    """``MTRC``."""

    resource_metrics: list[ResourceMetrics] | None = None


def plain(value: AnyValue | None) -> Any:
    """Return a value as plain JSON; kinds that are not named here become null."""
    if value is None:
        return None
    for given in (value.string_value, value.bool_value, value.int_value, value.double_value):
        if given is not None:
            return given
    if value.array_value is not None:
        return [plain(one) for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return {one.key: plain(one.value) for one in value.kvlist_value.values or ()}
    return None
