"""What is kept: spans, logs and metric records, as they are listed (observability.md §3).

Times are nanoseconds since the epoch; ids lower-case hexadecimal. ``size`` of a record is an estimate of the memory it
takes, in bytes, from the texts it holds.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from iii_actors.core.spans import Attributes, StoredSpan
from iii_actors.core.tracing import Span

__all__ = [
    "HistogramPoint",
    "NumberPoint",
    "StoredLog",
    "StoredMetric",
    "size_of_ended",
    "size_of_log",
    "size_of_metric",
    "size_of_span",
]


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
    attributes: Attributes
    timestamp_unix_nano: int


class HistogramPoint(Struct, frozen=True, gc=False):
    """One distribution."""

    count: int
    sum: float
    bucket_counts: tuple[int, ...]
    explicit_bounds: tuple[float, ...]
    min: float | None
    max: float | None
    attributes: Attributes
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


def _pairs(attributes: Attributes) -> int:
    return _ITEM * len(attributes) + sum(map(len, chain.from_iterable(attributes)))


def size_of_span(span: StoredSpan) -> int:
    """Return a span's size."""
    size = _OBJECT + len(span.name) + len(span.service_name) + len(span.status_description or "")
    size += len(span.trace_state or "") + len(span.trace_id or "") + len(span.span_id or "") + _pairs(span.attributes)
    if span.events:
        size += sum(_ITEM + len(event.name) + _pairs(event.attributes) for event in span.events)
    if span.links:
        size += sum(_ITEM + len(link.trace_state or "") + _pairs(link.attributes) for link in span.links)
    return size


def size_of_ended(span: Span) -> int:
    """Return the size of one of the engine's own spans before it is made into a record.

    Attributes that go with something told are those of all spans of one kind, and so shared.
    """
    told = span.told
    if told:
        return _OBJECT + _ITEM * len(told) + sum(map(len, told))
    return _OBJECT + len(span.name) + _pairs(span.attributes)


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
