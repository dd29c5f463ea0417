"""The query functions: what each asks of the registries, in which order, and the answer it makes (§4).

Filters come first and look-ups after, so that an answer costs what it shows and not what the engine holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from iii_actors.access.policy import Access
from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions import functions, triggers, workers
from iii_actors.builtin.engine_functions.functions import FunctionDetail, UnknownFunction
from iii_actors.builtin.engine_functions.offers import Offer
from iii_actors.builtin.engine_functions.owners import holders, type_owner
from iii_actors.builtin.engine_functions.reading import Reader
from iii_actors.core.functions import Function
from iii_actors.core.messages import DEFAULT_NAMESPACE, Target
from iii_actors.core.triggers import Trigger
from iii_actors.core.workers import WorkerRecord
from iii_actors.errors import Forbidden, NotFound

__all__ = ["Queries"]


class Queries:
    """Answers them. Runs on the desk's thread, and may wait."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader

    def offers(self) -> list[Offer]:
        return [
            Offer(
                "engine::functions::list",
                "Lists functions.",
                functions.FunctionQuery,
                self.list_functions,
                functions.FunctionsFound,
            ),
            Offer(
                "engine::functions::info",
                "Tells everything about one function, or about several.",
                functions.FunctionInfoQuery,
                self.function_info,
                (functions.FunctionDetail, functions.FunctionBatch),
            ),
            Offer(
                "engine::triggers::list",
                "Lists trigger types.",
                triggers.TriggerTypeQuery,
                self.list_types,
                triggers.TriggerTypesFound,
            ),
            Offer(
                "engine::triggers::info",
                "Tells everything about one trigger type.",
                triggers.TriggerTypeInfoQuery,
                self.type_info,
                triggers.TriggerTypeDetail,
            ),
            Offer(
                "engine::registered-triggers::list",
                "Lists triggers: functions bound to trigger types.",
                triggers.RegisteredTriggerQuery,
                self.list_triggers,
                triggers.RegisteredTriggersFound,
            ),
            Offer(
                "engine::registered-triggers::info",
                "Tells everything about one trigger.",
                triggers.RegisteredTriggerInfoQuery,
                self.trigger_info,
                triggers.RegisteredTriggerDetail,
            ),
            Offer(
                "engine::workers::list",
                "Lists workers: those that reported a process id, and the built-in ones.",
                workers.WorkerQuery,
                self.list_workers,
                workers.WorkersFound,
            ),
            Offer(
                "engine::workers::info",
                "Tells everything about one worker and what it holds.",
                workers.WorkerInfoQuery,
                self.worker_info,
                workers.WorkerInfo,
            ),
        ]

    # --- functions ---------------------------------------------------------------------------------------------------

    def list_functions(self, query: functions.FunctionQuery, call: Call) -> functions.FunctionsFound:
        found = functions.visible(functions.permitted(self._read.functions(query.prefix or ""), call.access), query)
        records = self._read.holders(found)
        found = functions.owned_by(found, query, records)
        return functions.FunctionsFound([functions.summary(one, records) for one in found])

    def function_info(self, query: functions.FunctionInfoQuery, call: Call) -> FunctionDetail | functions.FunctionBatch:
        ids = functions.batch(query)
        if ids is not None:
            return functions.FunctionBatch(self._details(ids, query.namespace, call.access))
        function_id = query.function_id or ""
        found, holding = self._read.function(function_id, query.namespace)
        if found is None:
            raise NotFound.function_ambiguous(function_id, holding) if holding else NotFound.function(function_id)
        if not functions.permitted([found], call.access):
            raise Forbidden.not_visible(function_id)
        return self._detail(found, self._read.triggers())

    def _details(
        self, ids: Sequence[str], namespace: str | None, access: Access | None
    ) -> list[FunctionDetail | UnknownFunction]:
        live = self._read.triggers()
        rows: list[FunctionDetail | UnknownFunction] = []
        for function_id in ids:
            found, _ = self._read.function(function_id, namespace)
            if found is None:
                rows.append(UnknownFunction(function_id, "not_found"))
            elif not functions.permitted([found], access):
                rows.append(UnknownFunction(function_id, "forbidden"))
            else:
                rows.append(self._detail(found, live))
        return rows

    def _detail(self, function: Function, live: Sequence[Trigger]) -> FunctionDetail:
        calls = self._read.calls() if function.group is not None else {}
        return functions.detail(function, self._read.holders([function]), live, calls)

    # --- trigger types -----------------------------------------------------------------------------------------------

    def list_types(self, query: triggers.TriggerTypeQuery, _: Call) -> triggers.TriggerTypesFound:
        types = self._read.types()
        records = self._read.providers(types)
        shown = triggers.visible_types(types, query, records)
        return triggers.TriggerTypesFound([triggers.type_summary(one, records) for one in shown])

    def type_info(self, query: triggers.TriggerTypeInfoQuery, _: Call) -> triggers.TriggerTypeDetail:
        namespace = DEFAULT_NAMESPACE if query.namespace is None else query.namespace
        found = self._type((namespace, query.id), self._read.triggers())
        if found is None:
            raise NotFound.trigger_type(query.id, namespace)
        return found

    def _type(self, key: tuple[str, str], live: Sequence[Trigger]) -> triggers.TriggerTypeDetail | None:
        for one in self._read.types():
            if (one.namespace, one.id) == key:
                return triggers.type_detail(one, self._read.providers([one]), live)
        return None

    # --- triggers ----------------------------------------------------------------------------------------------------

    def list_triggers(self, query: triggers.RegisteredTriggerQuery, _: Call) -> triggers.RegisteredTriggersFound:
        found = triggers.visible_triggers(self._read.triggers(), query)
        targets = self._read.targets(found)
        records = self._read.holders(targets.values())
        found = triggers.targets_of(found, query.worker, targets, records)
        return triggers.RegisteredTriggersFound([triggers.registered_summary(one, targets, records) for one in found])

    def trigger_info(self, query: triggers.RegisteredTriggerInfoQuery, _: Call) -> triggers.RegisteredTriggerDetail:
        found = self._read.trigger(query.id)
        if found is None:
            raise NotFound.registered_trigger(query.id)
        live = self._read.triggers()
        function = self._read.targets([found]).get(triggers.target(found))
        return triggers.registered_detail(
            found,
            self._type(found.served_by, live),
            self._detail(function, live) if function is not None else None,
        )

    # --- workers -----------------------------------------------------------------------------------------------------

    def list_workers(self, query: workers.WorkerQuery, _: Call) -> workers.WorkersFound:
        found = workers.visible(self._read.workers(), query)
        if not found:
            return workers.WorkersFound([])
        counts = self._read.function_counts(one.worker_id for one in found)
        calls = self._read.calls()
        return workers.WorkersFound([workers.summary(one, counts, calls) for one in found])

    def worker_info(self, query: workers.WorkerInfoQuery, _: Call) -> workers.WorkerInfo:
        record = workers.named(self._read.workers(), query)
        worker_id, namespace = record.worker_id, record.namespace
        held = [one for one in self._read.functions_of(worker_id) if one.namespace == namespace]
        held.sort(key=lambda one: one.function_id)
        return workers.WorkerInfo(
            workers.detail(
                record, self._read.function_counts([worker_id]), self._read.calls(), self._read.figures(worker_id)
            ),
            [functions.summary(one, {worker_id: record}, _holder(one, worker_id)) for one in held],
            self._types_of(record),
            self._triggers_of(held),
        )

    def _types_of(self, record: WorkerRecord) -> list[triggers.TriggerTypeSummary]:
        """A connection has the types that it registered, a built-in worker those that go by its name."""
        types = self._read.types()
        records = self._read.providers(types)
        own = [
            one
            for one in types
            if one.namespace == record.namespace
            and (
                type_owner(one, records) == record.name
                if record.in_process
                else one.provider.worker_id == record.worker_id
            )
        ]
        return [triggers.type_summary(one, records) for one in sorted(own, key=lambda one: one.id)]

    def _triggers_of(self, held: Sequence[Function]) -> list[triggers.RegisteredTriggerSummary]:
        targets = {(one.namespace, one.function_id): one for one in held}
        found = [one for one in self._read.triggers() if triggers.target(one) in targets]
        records = self._read.holders(targets.values())
        return [triggers.registered_summary(one, targets, records) for one in sorted(found, key=lambda one: one.id)]


def _holder(function: Function, worker_id: str) -> Target:
    """Return the worker among a function's holders; it may have left the group a moment ago."""
    return next((one for one in holders(function) if one.worker_id == worker_id), function.target)
