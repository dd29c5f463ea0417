"""The functions that answer to the concept documents' older names (engine-functions.md §6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions import functions, legacy
from iii_actors.builtin.engine_functions.offers import Nothing, Offer
from iii_actors.builtin.engine_functions.owners import holders
from iii_actors.builtin.engine_functions.reading import Reader
from iii_actors.core.functions import Function
from iii_actors.core.workers import WorkerRecord
from iii_actors.errors import DeserializationError, NotFound

__all__ = ["LegacyCalls"]

_GET_WORKER = "_internal.get_worker"


class LegacyCalls:
    """Answers them; default listings hide them. Runs on the desk's thread, and may wait."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader

    def offers(self) -> list[Offer]:
        return [
            Offer(
                "_internal.list_functions",
                "Older name: lists functions; see engine::functions::list.",
                legacy.LegacyFunctionQuery,
                self.list_functions,
                legacy.LegacyFunctionsFound,
                internal=True,
            ),
            Offer(
                "_internal.list_workers",
                "Older name: lists connected workers; see engine::workers::list.",
                Nothing,
                self.list_workers,
                legacy.LegacyWorkersFound,
                internal=True,
            ),
            Offer(
                _GET_WORKER,
                "Older name: tells about one connected worker; see engine::workers::info.",
                legacy.LegacyWorkerQuery,
                self.get_worker,
                legacy.LegacyWorker,
                internal=True,
            ),
            Offer(
                "engine::trigger-types::list",
                "Older name: lists trigger types; see engine::triggers::list.",
                legacy.LegacyTriggerTypeQuery,
                self.list_trigger_types,
                legacy.LegacyTriggerTypesFound,
                internal=True,
            ),
        ]

    def list_functions(self, query: legacy.LegacyFunctionQuery, _: Call) -> legacy.LegacyFunctionsFound:
        shown = functions.FunctionQuery(include_internal=query.include_internal)
        found = functions.visible(self._read.functions(), shown)
        records = self._read.holders(found)
        return legacy.LegacyFunctionsFound([legacy.function(one, records) for one in found])

    def list_workers(self, _: Nothing, __: Call) -> legacy.LegacyWorkersFound:
        found = [one for one in self._read.workers() if not one.in_process]
        found.sort(key=lambda one: (one.name or one.worker_id, one.worker_id))
        held = _by_worker(self._read.functions())
        calls = self._read.calls()
        return legacy.LegacyWorkersFound([self._row(one, held.get(one.worker_id, ()), calls) for one in found])

    def get_worker(self, query: legacy.LegacyWorkerQuery, _: Call) -> legacy.LegacyWorker:
        if query.worker_id is None and query.name is None:
            raise DeserializationError.missing(_GET_WORKER, "worker_id")
        found = self._found(query)
        if found is None:
            raise NotFound.worker(query.worker_id or query.name or "")
        return self._row(found, self._read.functions_of(found.worker_id), self._read.calls())

    def list_trigger_types(self, query: legacy.LegacyTriggerTypeQuery, _: Call) -> legacy.LegacyTriggerTypesFound:
        return legacy.LegacyTriggerTypesFound(legacy.trigger_types(self._read.types(), query))

    def _found(self, query: legacy.LegacyWorkerQuery) -> WorkerRecord | None:
        if query.worker_id is not None:
            found = self._read.worker(query.worker_id)
            return None if found is None or found.in_process else found
        connected = (one for one in self._read.workers() if one.name == query.name and not one.in_process)
        return min(connected, key=lambda one: (one.namespace, one.worker_id), default=None)

    def _row(self, record: WorkerRecord, held: Iterable[Function], calls: Mapping[str, int]) -> legacy.LegacyWorker:
        in_flight = self._read.calls_of(record.worker_id) if calls.get(record.worker_id) else []
        return legacy.worker(record, held, calls, in_flight, self._read.figures(record.worker_id))


def _by_worker(registered: Iterable[Function]) -> dict[str, list[Function]]:
    held: dict[str, list[Function]] = {}
    for one in registered:
        for holder in holders(one):
            held.setdefault(holder.worker_id, []).append(one)
    return held
