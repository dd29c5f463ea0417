"""What is kept: spans, logs and metric records, as they are listed (observability.md §3).

Times are nanoseconds since the epoch; ids lower-case hexadecimal. ``size`` of a record is an estimate of the memory it
takes, in bytes, from the texts it holds.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

__all__ = [
    "REDACTED",
    "SECRETS",
    "HistogramPoint",
    "NumberPoint",
    "Pairs",
    "SpanEvent",
    "SpanLink",
    "StoredLog",
    "StoredMetric",
    "StoredSpan",
    "redacted",
    "size_of_log",
    "size_of_metric",
    "size_of_span",
]

Pairs = tuple[tuple[str, str], ...]
"""Attributes of spans and metrics: keys and values, in order, all texts.

Tuples, and structs that Python's collector of cycles does not look at: it would look through a million spans in vain.
"""

REDACTED: Final = "[REDACTED]"
SECRETS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "api-key",
        "api_key",
        "access_token",
        "refresh_token",
        "password",
        "secret",
        "credential",
    }
)
"""Keys, in lower case, whose values are never kept (§2)."""


def redacted(attributes: Pairs) -> Pairs:
    """Return attributes without the values of secrets."""
    if any(key.lower() in SECRETS for key, _ in attributes):
        return tuple((key, REDACTED if key.lower() in SECRETS else value) for key, value in attributes)
    return attributes


class SpanEvent(Struct, frozen=True, gc=False):
    """Something that happened while a span lasted."""

    name: str
    timestamp_unix_nano: int
    attributes: Pairs


class SpanLink(Struct, frozen=True, gc=False):
    """A span that a span points to."""

    trace_id: str | None
    span_id: str | None
    trace_state: str | None
    attributes: Pairs


class StoredSpan(Struct, frozen=True, omit_defaults=True, gc=False):
    """A span; the end is 0 while it is pending."""

    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    name: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    status: str
    """``unset``, ``ok`` or ``error``."""
    attributes: Pairs
    service_name: str
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...]
    status_description: str | None = None
    instrumentation_scope_name: str | None = None
    instrumentation_scope_version: str | None = None
    flags: int | None = None
    trace_state: str | None = None
    pending: bool = False
    kind: str = ""
    """``internal``, ``server``, ``client``, ``producer``, ``consumer``; left out if the sender did not say."""

    @property
    def duration_ms(self) -> float:
        """Milliseconds; 0 while it is pending."""
        return max(0, self.end_time_unix_nano - self.start_time_unix_nano) / 1e6 if self.end_time_unix_nano else 0.0

    def attribute(self, key: str) -> str | None:
        """Return the value of one attribute; the last of several."""
        return next((value for name, value in reversed(self.attributes) if name == key), None)


class StoredLog(Struct, frozen=True, omit_defaults=True):
    """A log record."""

    timestamp_unix_nano: int
    observed_timestamp_unix_nano: int
    severity_number: int
    severity_text: str
    body: str
    attributes: dict[str, Any] = field(default_factory=lambda: _ALWAYS_WRITTEN)
    trace_id: str | None = field(default_factory=lambda: None)
    span_id: str | None = field(default_factory=lambda: None)
    resource: dict[str, Any] = field(default_factory=lambda: _ALWAYS_WRITTEN)
    service_name: str = field(default_factory=lambda: "unknown")
    instrumentation_scope_name: str | None = None
    instrumentation_scope_version: str | None = None


_ALWAYS_WRITTEN: Final[dict[str, Any]] = {}
"""A factory's value is never taken for the default, so that the member is written whatever it is."""


class NumberPoint(Struct, frozen=True, gc=False):
    """One value of a gauge or counter."""

    value: float
    attributes: Pairs
    timestamp_unix_nano: int


class HistogramPoint(Struct, frozen=True, gc=False):
    """One distribution."""

    count: int
    sum: float
    bucket_counts: tuple[int, ...]
    explicit_bounds: tuple[float, ...]
    min: float | None
    max: float | None
    attributes: Pairs
    timestamp_unix_nano: int


class StoredMetric(Struct, frozen=True, omit_defaults=True, gc=False):
    """One report of one metric."""

    name: str
    description: str
    unit: str
    metric_type: str
    """``gauge``, ``counter``, ``updowncounter`` or ``histogram``."""
    data_points: tuple[Any, ...]
    """Each a :class:`NumberPoint` or :class:`HistogramPoint`."""
    service_name: str
    timestamp_unix_nano: int
    """When it arrived."""
    instrumentation_scope_name: str | UnsetType = UNSET
    instrumentation_scope_version: str | UnsetType = UNSET


_OBJECT: Final = 400
"""What an empty record takes, about; and one pair, event, link or point."""
_ITEM: Final = 150
_encode: Final = msgspec.json.Encoder().encode


def _pairs(attributes: Pairs) -> int:
    return sum(_ITEM + len(key) + len(value) for key, value in attributes)


def size_of_span(span: StoredSpan) -> int:
    """Return a span's size."""
    size = _OBJECT + len(span.name) + len(span.service_name) + len(span.status_description or "")
    size += len(span.trace_state or "") + len(span.trace_id or "") + len(span.span_id or "") + _pairs(span.attributes)
    size += sum(_ITEM + len(event.name) + _pairs(event.attributes) for event in span.events)
    return size + sum(_ITEM + len(link.trace_state or "") + _pairs(link.attributes) for link in span.links)


def size_of_log(log: StoredLog) -> int:
    """Return a log record's size."""
    size = _OBJECT + len(log.body) + len(log.severity_text) + len(log.service_name)
    for nested in (log.attributes, log.resource):
        if nested:
            size += 3 * len(_encode(nested))
    return size


def size_of_metric(metric: StoredMetric) -> int:
    """Return a metric record's size."""
    size = _OBJECT + len(metric.name) + len(metric.description) + len(metric.unit)
    for point in metric.data_points:
        size += _ITEM + _pairs(point.attributes)
        if isinstance(point, HistogramPoint):
            size += 32 * (len(point.bucket_counts) + len(point.explicit_bounds))
    return size
