"""``engine::workers::list`` and ``engine::workers::info``: from the registry's records to rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET, Struct, UnsetType

from iii_actors.builtin.engine_functions.functions import FunctionSummary
from iii_actors.builtin.engine_functions.triggers import RegisteredTriggerSummary, TriggerTypeSummary
from iii_actors.core.messages import DEFAULT_NAMESPACE
from iii_actors.core.workers import WorkerRecord
from iii_actors.errors import NotFound

__all__ = [
    "WorkerDetail",
    "WorkerInfo",
    "WorkerInfoQuery",
    "WorkerMetrics",
    "WorkerQuery",
    "WorkerSummary",
    "WorkersFound",
    "detail",
    "metrics",
    "named",
    "summary",
    "visible",
]

Counts = Mapping[str, int]
"""Numbers by worker id; absent means none."""


class WorkerQuery(Struct, frozen=True):
    """Input of ``engine::workers::list``; all conditions must hold."""

    search: str | None = None
    """Part of the name, in any case."""
    runtime: str | None = None
    status: str | None = None
    worker_id: str | None = None
    """That connection only, listed even if it reported no process id (an older name's meaning, §6)."""


class WorkerInfoQuery(Struct, frozen=True):
    """Input of ``engine::workers::info``."""

    name: str
    namespace: str | None = None


class WorkerSummary(Struct, frozen=True):
    """A row: every member is always there."""

    id: str
    name: str | None
    description: str | None
    version: str | None
    runtime: str | None
    os: str | None
    namespace: str
    status: str
    function_count: int
    connected_at_ms: int
    """Since the epoch, UTC."""
    active_invocations: int
    """Calls that it makes or executes now; 0 for built-in workers."""
    isolation: str | None
    ip_address: str | None


class WorkersFound(Struct, frozen=True):
    """Output of ``engine::workers::list``."""

    workers: list[WorkerSummary]


class WorkerMetrics(Struct, frozen=True, omit_defaults=True):
    """A worker's own figures, the newest of each; those that it has not sent are left out (observability.md §6)."""

    timestamp_ms: int
    """When the newest came; milliseconds since the epoch."""
    runtime: str
    memory_heap_used: float | UnsetType = UNSET
    """Bytes; likewise the next three."""
    memory_heap_total: float | UnsetType = UNSET
    memory_rss: float | UnsetType = UNSET
    memory_external: float | UnsetType = UNSET
    cpu_user_micros: float | UnsetType = UNSET
    cpu_system_micros: float | UnsetType = UNSET
    cpu_percent: float | UnsetType = UNSET
    event_loop_lag_ms: float | UnsetType = UNSET
    uptime_seconds: float | UnsetType = UNSET


class WorkerDetail(WorkerSummary, frozen=True, kw_only=True, omit_defaults=True):
    """A row and what only ``info`` tells."""

    internal: bool
    """A built-in worker that every engine has."""
    pid: int | UnsetType = UNSET
    latest_metrics: WorkerMetrics | UnsetType = UNSET
    """What the worker said of itself in the last two minutes."""


class WorkerInfo(Struct, frozen=True):
    """Output of ``engine::workers::info``; the lists are sorted by id and keep to the worker's namespace."""

    worker: WorkerDetail
    functions: list[FunctionSummary]
    trigger_types: list[TriggerTypeSummary]
    registered_triggers: list[RegisteredTriggerSummary]
    """Those that call one of its functions."""


def visible(records: Iterable[WorkerRecord], query: WorkerQuery) -> list[WorkerRecord]:
    """Return what a query lets through, by name and id; workers that reported no process id are left out (§4)."""
    needle = (query.search or "").lower()
    shown = [
        one
        for one in records
        if (not needle or needle in (one.name or "").lower())
        and (query.runtime is None or one.runtime == query.runtime)
        and (query.status is None or one.status == query.status)
        and (one.worker_id == query.worker_id if query.worker_id is not None else one.in_process or one.pid is not None)
    ]
    return sorted(shown, key=lambda one: (one.name or one.worker_id, one.worker_id))


def named(records: Iterable[WorkerRecord], query: WorkerInfoQuery) -> WorkerRecord:
    """Return the worker that a query means; where several built-in ones share a name, the first.

    Without a namespace ``default`` wins, else the only one that has the name. Raises :class:`NotFound`.
    """
    candidates: dict[str, WorkerRecord] = {}
    for one in sorted(records, key=lambda record: record.worker_id):
        if one.name == query.name:
            candidates.setdefault(one.namespace, one)
    if not candidates:
        raise NotFound.worker(query.name)
    if query.namespace is not None:
        if query.namespace not in candidates:
            raise NotFound.worker_elsewhere(query.name, list(candidates))
        return candidates[query.namespace]
    if DEFAULT_NAMESPACE in candidates:
        return candidates[DEFAULT_NAMESPACE]
    if len(candidates) > 1:
        raise NotFound.worker_ambiguous(query.name, list(candidates))
    return next(iter(candidates.values()))


def summary(record: WorkerRecord, functions: Counts, calls: Counts) -> WorkerSummary:
    """Return a worker's row."""
    return WorkerSummary(
        record.worker_id,
        record.name,
        record.description,
        record.version,
        record.runtime,
        record.os,
        record.namespace,
        record.status,
        functions.get(record.worker_id, 0),
        int(record.connected_at * 1000),
        0 if record.in_process else calls.get(record.worker_id, 0),
        record.isolation,
        record.ip_address,
    )


def metrics(record: WorkerRecord, figures: Mapping[str, Mapping[str, float]]) -> WorkerMetrics | None:
    """Return a worker's own figures; None if it has sent none lately."""
    own = dict(figures.get(record.worker_id, {}))
    if not own:
        return None
    return WorkerMetrics(int(own.pop("timestamp_ms")), record.runtime or "unknown", **own)


def detail(
    record: WorkerRecord, functions: Counts, calls: Counts, figures: Mapping[str, Mapping[str, float]]
) -> WorkerDetail:
    """Return a worker's row with what only ``info`` tells."""
    row = summary(record, functions, calls)
    members = {name: getattr(row, name) for name in WorkerSummary.__struct_fields__}
    pid = record.pid if record.pid is not None else UNSET
    return WorkerDetail(**members, internal=record.always_on, pid=pid, latest_metrics=metrics(record, figures) or UNSET)
