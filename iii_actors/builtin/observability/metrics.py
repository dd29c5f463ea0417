"""``engine::metrics::list`` and ``engine::rollups::list``: what they take and find (observability.md §5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from iii_actors.builtin.observability.figures import EngineMetrics, percentile
from iii_actors.builtin.observability.records import HistogramPoint, StoredMetric

__all__ = [
    "Aggregate",
    "MetricQuery",
    "MetricsFound",
    "RollupQuery",
    "RollupsFound",
    "aggregated",
    "rolled_up",
    "selected",
    "value_of",
]

_MS: Final = 1_000_000
_NS: Final = 1_000_000_000
_ENOUGH: Final = 5
"""Values that make percentiles worth telling (§5)."""
_SHARES: Final = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_LEVELS_NS: Final = (60 * _NS, 300 * _NS, 3600 * _NS)
_HOUR_MS: Final = 3_600_000


class MetricQuery(Struct, frozen=True):
    """Input of ``engine::metrics::list``. Times are milliseconds since the epoch."""

    start_time: float | None = None
    end_time: float | None = None
    metric_name: str | None = None
    aggregate_interval: Annotated[int, Meta(ge=1)] | None = None
    """Seconds; with both times given, aggregates are made over so long each."""


class Aggregate(Struct, frozen=True, omit_defaults=True):
    """The values of one metric within one interval."""

    name: str
    bucket_start_ns: int
    bucket_end_ns: int
    count: int
    sum: float
    min: float
    max: float
    avg: float
    percentiles: dict[str, float] | UnsetType = UNSET
    """With five values and more."""


class MetricsFound(Struct, frozen=True):
    """Output of ``engine::metrics::list``."""

    engine_metrics: EngineMetrics
    sdk_metrics: list[StoredMetric]
    timestamp: int
    aggregated_metrics: list[Aggregate] | UnsetType = UNSET
    query: MetricQuery | UnsetType = UNSET


class RollupQuery(Struct, frozen=True):
    """Input of ``engine::rollups::list``. Times are milliseconds since the epoch."""

    start_time: float | None = None
    """An hour before the end, if null."""
    end_time: float | None = None
    """Now, if null."""
    level: Literal[0, 1, 2] | None = None
    """Intervals of one minute, five minutes, one hour."""
    metric_name: str | None = None


class HistogramRollup(Struct, frozen=True):
    """The distributions of one metric within one interval, added up."""

    name: str
    bucket_start_ns: int
    bucket_end_ns: int
    count: int
    sum: float
    bucket_counts: tuple[int, ...]
    explicit_bounds: tuple[float, ...]


class RollupsFound(Struct, frozen=True):
    """Output of ``engine::rollups::list``."""

    rollups: list[Aggregate]
    histogram_rollups: list[HistogramRollup]
    level: int
    query: RollupQuery
    timestamp: int


def selected(
    metrics: Iterable[StoredMetric], start_ms: float | None, end_ms: float | None, name: str | None = None
) -> Iterator[StoredMetric]:
    """Yield the records that arrived within these times, of that name."""
    for one in metrics:
        if (
            (name is None or one.name == name)
            and (start_ms is None or one.timestamp_unix_nano >= start_ms * _MS)
            and (end_ms is None or one.timestamp_unix_nano <= end_ms * _MS)
        ):
            yield one


def _values(metric: StoredMetric) -> list[float]:
    """Return a record's values; of a distribution its mean."""
    found = []
    for point in metric.data_points:
        if not isinstance(point, HistogramPoint):
            found.append(point.value)
        elif point.count:
            found.append(point.sum / point.count)
    return found


def value_of(metric: StoredMetric) -> float | None:
    """Return one value for a record: the sum of a counter's points, the mean of all others'; None without points."""
    values = _values(metric)
    if not values:
        return None
    return sum(values) if metric.metric_type == "counter" else sum(values) / len(values)


def aggregated(metrics: Iterable[StoredMetric], interval_ns: int) -> list[Aggregate]:
    """Return the values by name and interval; intervals without any are left out."""
    gathered: dict[tuple[str, int], list[float]] = {}
    for one in metrics:
        gathered.setdefault((one.name, one.timestamp_unix_nano // interval_ns), []).extend(_values(one))
    rows = []
    for (name, number), values in sorted(gathered.items()):
        if not values:
            continue
        values.sort()
        total = sum(values)
        percentiles = {key: percentile(values, share) for key, share in _SHARES.items()}
        rows.append(
            Aggregate(
                name,
                number * interval_ns,
                (number + 1) * interval_ns,
                len(values),
                total,
                values[0],
                values[-1],
                total / len(values),
                percentiles if len(values) >= _ENOUGH else UNSET,
            )
        )
    return rows


def rolled_up(metrics: Iterable[StoredMetric], query: RollupQuery, now_ms: int) -> RollupsFound:
    """Return the rollups of a query, made from what is kept."""
    end = query.end_time if query.end_time is not None else now_ms
    start = query.start_time if query.start_time is not None else end - _HOUR_MS
    level = query.level or 0
    interval = _LEVELS_NS[level]
    found = list(selected(metrics, start, end, query.metric_name))
    numbers = [one for one in found if one.metric_type != "histogram"]
    histograms = _histograms((one for one in found if one.metric_type == "histogram"), interval)
    return RollupsFound(aggregated(numbers, interval), histograms, level, query, now_ms)


def _histograms(metrics: Iterable[StoredMetric], interval_ns: int) -> list[HistogramRollup]:
    """Add up distributions of the same name, interval and bounds."""
    added: dict[tuple[str, int, tuple[float, ...]], HistogramRollup] = {}
    for one in metrics:
        number = one.timestamp_unix_nano // interval_ns
        for point in one.data_points:
            if not isinstance(point, HistogramPoint):
                continue
            key = (one.name, number, point.explicit_bounds)
            old = added.get(key)
            counts = point.bucket_counts
            if old is not None and len(old.bucket_counts) == len(counts):
                counts = tuple(a + b for a, b in zip(old.bucket_counts, counts, strict=True))
            added[key] = HistogramRollup(
                one.name,
                number * interval_ns,
                (number + 1) * interval_ns,
                point.count + (old.count if old is not None else 0),
                point.sum + (old.sum if old is not None else 0.0),
                counts,
                point.explicit_bounds,
            )
    return [added[key] for key in sorted(added)]
