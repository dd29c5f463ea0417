"""``engine::{traces,metrics,rollups,health,sampling,alerts}::*``: who answers what (observability.md §5).

Runs on the archive's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, Struct

from iii_actors import __version__
from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Nothing, Offer
from iii_actors.builtin.observability import alerts, figures, metrics, traces
from iii_actors.builtin.observability.errors import NoSpanStore
from iii_actors.builtin.observability.log_functions import Cleared, LogFunctions
from iii_actors.builtin.observability.span_store import SpanStore

if TYPE_CHECKING:
    from iii_actors.builtin.observability.archive import Archive

__all__ = ["Functions"]

_MS: Final = 1_000_000
_NS: Final = 1_000_000_000


class Component(Struct, frozen=True):
    """One of the parts whose health is told."""

    status: str
    """``healthy`` or ``disabled``."""
    details: dict[str, Any] | None


class Health(Struct, frozen=True):
    """Output of ``engine::health::check``."""

    status: str
    components: dict[str, Component]
    timestamp: int
    version: str


class TraceSampling(Struct, frozen=True):
    """How the engine's own spans are sampled."""

    default_ratio: float
    rules: list[dict[str, Any]]
    parent_based: bool


class LogSampling(Struct, frozen=True):
    """How log records are sampled."""

    sampling_ratio: float


class SamplingRules(Struct, frozen=True):
    """Output of ``engine::sampling::rules``."""

    traces: TraceSampling
    logs: LogSampling
    timestamp: int


class Functions:
    """Answers from what the archive keeps."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._logs = LogFunctions(archive)

    def offers(self) -> list[Offer]:
        return [
            *self._logs.offers(),
            Offer("engine::traces::list", "Lists spans.", traces.TraceQuery, self.list_traces, traces.TracesFound),
            Offer("engine::traces::tree", "Shows a trace as a tree.", traces.TreeQuery, self.tree, traces.TreeFound),
            Offer(
                "engine::traces::group_by",
                "Groups spans by the value of an attribute.",
                traces.GroupQuery,
                self.groups,
                traces.GroupsFound,
            ),
            Offer("engine::traces::clear", "Forgets all spans.", Nothing, self.clear_traces, Cleared),
            Offer(
                "engine::metrics::list",
                "Shows the engine's figures, and workers' metrics.",
                metrics.MetricQuery,
                self.list_metrics,
                metrics.MetricsFound,
            ),
            Offer(
                "engine::rollups::list",
                "Shows workers' metrics by the minute, five minutes or the hour.",
                metrics.RollupQuery,
                self.list_rollups,
                metrics.RollupsFound,
            ),
            Offer("engine::health::check", "Tells what is recorded, and how much.", Nothing, self.health, Health),
            Offer(
                "engine::sampling::rules",
                "Tells how spans and logs are sampled.",
                Nothing,
                self.sampling,
                SamplingRules,
            ),
            Offer(
                "engine::alerts::list",
                "Lists alert rules and their state.",
                Nothing,
                self.list_alerts,
                alerts.AlertsFound,
            ),
            Offer(
                "engine::alerts::evaluate", "Looks at the alert rules now.", Nothing, self.evaluate, alerts.Evaluated
            ),
        ]

    # --- traces ------------------------------------------------------------------------------------------------------

    def _store(self) -> SpanStore:
        store = self._archive.spans
        if store is None:
            raise NoSpanStore
        return store

    def _storage(self, store: SpanStore) -> traces.Storage:
        read = figures.read(self._archive.core, self._archive.intake)
        dropped = store.evicted + read.dropped.get("spans", 0) + self._archive.dropped.get("too_large", 0)
        return traces.Storage(completeness="partial" if dropped else "complete", known_dropped_spans=dropped)

    def list_traces(self, query: traces.TraceQuery, _: Call) -> traces.TracesFound:
        store = self._store()
        return traces.find(store, query, self._storage(store))

    def tree(self, query: traces.TreeQuery, _: Call) -> traces.TreeFound:
        store = self._store()
        return traces.tree(store, query.trace_id, self._archive.settings.collapse_spans, self._storage(store))

    def groups(self, query: traces.GroupQuery, _: Call) -> traces.GroupsFound:
        store = self._store()
        return traces.group(store, query, self._storage(store))

    def clear_traces(self, _: Nothing, __: Call) -> Cleared:
        self._store().clear()
        return Cleared(success=True)

    # --- metrics -----------------------------------------------------------------------------------------------------

    def engine_metrics(self) -> figures.EngineMetrics:
        """Return the engine's own figures."""
        read = figures.read(self._archive.core, self._archive.intake)
        return figures.engine_metrics(read, self._archive.spans or ())

    def list_metrics(self, query: metrics.MetricQuery, _: Call) -> metrics.MetricsFound:
        archive, start, end = self._archive, query.start_time, query.end_time
        found = metrics.MetricsFound(
            self.engine_metrics(),
            list(metrics.selected(archive.metrics, start, end, query.metric_name)),
            archive.now_ns // _MS,
            query=query if query != metrics.MetricQuery() else UNSET,
        )
        if query.aggregate_interval is None or start is None or end is None:
            return found
        rows = metrics.aggregated(metrics.selected(archive.metrics, start, end), query.aggregate_interval * _NS)
        return metrics.MetricsFound(found.engine_metrics, found.sdk_metrics, found.timestamp, rows, found.query)

    def list_rollups(self, query: metrics.RollupQuery, _: Call) -> metrics.RollupsFound:
        return metrics.rolled_up(self._archive.metrics, query, self._archive.now_ns // _MS)

    # --- the rest ----------------------------------------------------------------------------------------------------

    def health(self, _: Nothing, __: Call) -> Health:
        archive = self._archive
        settings, spans = archive.settings, archive.spans
        read = figures.read(archive.core, archive.intake)
        dropped = {**read.dropped, **archive.lost()}
        otel = {
            "enabled": settings.enabled,
            "service_name": settings.service_name,
            "exporter": settings.exporter,
            "dropped": {reason: count for reason, count in dropped.items() if count},
        }
        stored = {"stored_spans": len(spans), "hot_bytes": spans.bytes, "archive": None} if spans is not None else None
        counts = {"stored_metrics": len(archive.metrics)} if settings.metrics_enabled else None
        logs = {"stored_logs": len(archive.logs)} if settings.logs_enabled else None
        components = {"otel": otel if settings.enabled else None, "metrics": counts, "logs": logs, "spans": stored}
        return Health(
            "healthy",
            {
                name: Component("healthy" if details is not None else "disabled", details)
                for name, details in components.items()
            },
            archive.now_ns // _MS,
            __version__,
        )

    def sampling(self, _: Nothing, __: Call) -> SamplingRules:
        settings = self._archive.settings
        sampling = settings.sampling
        default = sampling.default if sampling.default is not None else settings.sampling_ratio
        return SamplingRules(
            TraceSampling(default, [rule.model_dump() for rule in sampling.rules], sampling.parent_based),
            LogSampling(settings.logs_sampling_ratio),
            self._archive.now_ns // _MS,
        )

    def list_alerts(self, _: Nothing, __: Call) -> alerts.AlertsFound:
        return self._archive.alerts.found(self._archive.now_ns // _MS)

    def evaluate(self, _: Nothing, __: Call) -> alerts.Evaluated:
        return alerts.Evaluated(True, self.evaluate_alerts(), self._archive.now_ns // _MS)

    def evaluate_alerts(self) -> list[alerts.AlertEvent]:
        """Look at every rule; returns what has begun to fire, and has been told."""
        archive = self._archive
        return archive.alerts.evaluate(self.engine_metrics(), archive.metrics, archive.core.clock)
