"""The concept documents' older names, as supersets of the present functions (engine-functions.md §6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import UNSET, Raw, Struct, UnsetType

from iii_actors.builtin.engine_functions import functions, workers
from iii_actors.builtin.engine_functions.functions import given
from iii_actors.builtin.engine_functions.owners import Records, holders
from iii_actors.core.functions import RESERVED_PREFIX, Function
from iii_actors.core.triggers import TriggerType
from iii_actors.core.workers import WorkerRecord
from iii_actors.wire import messages as wire

__all__ = [
    "LegacyFunction",
    "LegacyFunctionQuery",
    "LegacyFunctionsFound",
    "LegacyTriggerType",
    "LegacyTriggerTypeQuery",
    "LegacyTriggerTypesFound",
    "LegacyWorker",
    "LegacyWorkerQuery",
    "LegacyWorkersFound",
    "function",
    "trigger_types",
    "worker",
]


class LegacyFunctionQuery(Struct, frozen=True):
    """Input of ``_internal.list_functions``."""

    include_internal: bool | None = None


class LegacyFunction(functions.FunctionSummary, frozen=True, kw_only=True, omit_defaults=True):
    """A row, with the id under its older name and the formats."""

    id: str
    request_format: Raw
    response_format: Raw


class LegacyFunctionsFound(Struct, frozen=True):
    """Output of ``_internal.list_functions``."""

    functions: list[LegacyFunction]


class LegacyWorkerQuery(Struct, frozen=True):
    """Input of ``_internal.get_worker``: the id, or the name."""

    worker_id: str | None = None
    name: str | None = None


class LegacyWorker(workers.WorkerSummary, frozen=True, kw_only=True):
    """A row with what the worker holds and does."""

    functions: Sequence[str]
    function_ids: Sequence[str]
    """The same list."""
    external_function_ids: Sequence[str]
    """Those invoked over HTTP."""
    invocations: Sequence[str]
    """Ids of the calls that it makes or executes now."""
    connected_at: str
    """RFC 3339, UTC."""
    latest_metrics: workers.WorkerMetrics | None


class LegacyWorkersFound(Struct, frozen=True):
    """Output of ``_internal.list_workers``."""

    workers: list[LegacyWorker]


class LegacyTriggerTypeQuery(Struct, frozen=True):
    """Input of ``engine::trigger-types::list``."""

    include_internal: bool | None = None


class LegacyTriggerType(Struct, frozen=True, omit_defaults=True):
    """A trigger type with its formats."""

    id: str
    description: str
    trigger_request_format: Raw | UnsetType = UNSET
    call_request_format: Raw | UnsetType = UNSET


class LegacyTriggerTypesFound(Struct, frozen=True):
    """Output of ``engine::trigger-types::list``."""

    trigger_types: list[LegacyTriggerType]


def function(registered: Function, records: Records) -> LegacyFunction:
    """Return a function's row."""
    row = functions.summary(registered, records)
    members = {name: getattr(row, name) for name in functions.FunctionSummary.__struct_fields__}
    definition = registered.definition
    return LegacyFunction(
        **members,
        id=row.function_id,
        request_format=_or_null(definition.request_format),
        response_format=_or_null(definition.response_format),
    )


def _or_null(value: Raw) -> Raw:
    return value if wire.present(value) else wire.NULL


def worker(
    record: WorkerRecord,
    held: Iterable[Function],
    calls: Mapping[str, int],
    in_flight: Sequence[str],
    figures: Mapping[str, Mapping[str, float]],
) -> LegacyWorker:
    """Return a worker's row.

    :param held: the functions that it executes.
    :param in_flight: ids of the calls that it makes or executes now.
    :param figures: what workers last said of themselves.
    """
    ids = sorted(one.function_id for one in held)
    row = workers.summary(record, {record.worker_id: len(ids)}, calls)
    members = {name: getattr(row, name) for name in workers.WorkerSummary.__struct_fields__}
    moment = datetime.fromtimestamp(record.connected_at, UTC)
    return LegacyWorker(
        **members,
        functions=ids,
        function_ids=ids,
        external_function_ids=sorted(one.function_id for one in held if _is_external(one, record.worker_id)),
        invocations=in_flight,
        connected_at=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        latest_metrics=workers.metrics(record, figures),
    )


def trigger_types(registered: Iterable[TriggerType], query: LegacyTriggerTypeQuery) -> list[LegacyTriggerType]:
    """Return the types that a query lets through, by id."""
    shown = (one for one in registered if query.include_internal or not one.id.startswith(RESERVED_PREFIX))
    return [
        LegacyTriggerType(
            one.id,
            one.definition.description,
            given(one.definition.trigger_request_format),
            given(one.definition.call_request_format),
        )
        for one in sorted(shown, key=lambda one: (one.id, one.namespace))
    ]


def _is_external(function: Function, worker_id: str) -> bool:
    """Return whether a worker has registered a function as one that is invoked over HTTP (core.md §5)."""
    return any(one.worker_id == worker_id and one.endpoint is not None for one in holders(function))
