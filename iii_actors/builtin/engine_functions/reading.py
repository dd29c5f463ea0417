"""What the answers are made from: the registries' records, asked for afresh each time. For threads that may wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from iii_actors.actor import ask
from iii_actors.builtin.engine_functions.owners import Records, holders
from iii_actors.builtin.engine_functions.triggers import target
from iii_actors.core.functions import Function
from iii_actors.core.messages import (
    CountCalls,
    FindFunction,
    FindTrigger,
    FindWorker,
    FunctionsOf,
    ListCalls,
    ListFunctions,
    ListTriggers,
    ListTriggerTypes,
    ListWorkers,
)
from iii_actors.core.queries import CountFunctions, FindFunctions, FindWorkers, ListFunctionsFrom
from iii_actors.core.refs import Core
from iii_actors.core.triggers import Trigger, TriggerType
from iii_actors.core.workers import WorkerRecord

__all__ = ["Reader"]


class Reader:
    """Asks one engine's registries. Every method may wait, and raises what :func:`~iii_actors.actor.ask` raises.

    Two questions are two moments: what the first one found may be gone at the second, so look-ups leave out what they
    do not find, and rows are worded without it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    # --- functions ---------------------------------------------------------------------------------------------------

    def functions(self, prefix: str = "") -> list[Function]:
        """Return all of them, or those whose id begins so, in no order."""
        found: list[Function] = ask(self._core.functions, ListFunctionsFrom(prefix) if prefix else ListFunctions())
        return found

    def function(self, function_id: str, namespace: str | None) -> tuple[Function | None, list[str]]:
        """Return one function and the namespaces that hold its id; see :class:`FindFunction`."""
        found: tuple[Function | None, list[str]] = ask(self._core.functions, FindFunction(function_id, namespace))
        return found

    def functions_of(self, worker_id: str) -> list[Function]:
        """Return what one worker executes, in no order."""
        found: list[Function] = ask(self._core.functions, FunctionsOf(worker_id))
        return found

    def targets(self, triggers: Iterable[Trigger]) -> dict[tuple[str, str], Function]:
        """Return the registered ones among the functions that triggers call."""
        keys = {target(one) for one in triggers}
        if not keys:
            return {}
        found: dict[tuple[str, str], Function] = ask(self._core.functions, FindFunctions(keys))
        return found

    def function_counts(self, worker_ids: Iterable[str]) -> Mapping[str, int]:
        """Return how many functions each of these workers holds."""
        found: dict[str, int] = ask(self._core.functions, CountFunctions(list(worker_ids)))
        return found

    # --- workers -----------------------------------------------------------------------------------------------------

    def workers(self) -> list[WorkerRecord]:
        """Return all of them, built-in ones too, in no order."""
        found: list[WorkerRecord] = ask(self._core.workers, ListWorkers())
        return found

    def worker(self, worker_id: str) -> WorkerRecord | None:
        found: WorkerRecord | None = ask(self._core.workers, FindWorker(worker_id))
        return found

    def holders(self, functions: Iterable[Function]) -> Records:
        """Return the workers that execute these functions."""
        return self._records({holder.worker_id for one in functions for holder in holders(one)})

    def providers(self, types: Iterable[TriggerType]) -> Records:
        """Return the workers that serve these trigger types."""
        return self._records({one.provider.worker_id for one in types})

    def _records(self, worker_ids: set[str]) -> Records:
        if not worker_ids:
            return {}
        found: dict[str, WorkerRecord] = ask(self._core.workers, FindWorkers(worker_ids))
        return found

    def figures(self, worker_id: str) -> Mapping[str, Mapping[str, float]]:
        """Return what a worker last said of itself, if it did so lately."""
        return self._core.observing.figures(worker_id)

    # --- calls -------------------------------------------------------------------------------------------------------

    def calls(self) -> Mapping[str, int]:
        """Return how many calls each worker makes or executes now; none means absent."""
        found: dict[str, int] = ask(self._core.invocations, CountCalls())
        return found

    def calls_of(self, worker_id: str) -> list[str]:
        """Return the ids of the calls that a worker makes or executes now, sorted."""
        found: list[str] = ask(self._core.invocations, ListCalls(worker_id))
        return found

    # --- triggers ----------------------------------------------------------------------------------------------------

    def types(self) -> list[TriggerType]:
        """Return all trigger types, in no order."""
        found: list[TriggerType] = ask(self._core.triggers, ListTriggerTypes())
        return found

    def triggers(self) -> list[Trigger]:
        """Return all live triggers, in no order."""
        found: list[Trigger] = ask(self._core.triggers, ListTriggers())
        return found

    def trigger(self, trigger_id: str) -> Trigger | None:
        """Return one live trigger."""
        found: Trigger | None = ask(self._core.triggers, FindTrigger(trigger_id))
        return found
