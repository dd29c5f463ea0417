"""The live registry: which functions and workers there are, now (spec core.md §12, engine-functions.md §5).

::

    for function_id, info in worker.functions.items():
        print(function_id, "by", info.worker_name)

    worker.wait_for_function("orders::create", timeout=30)
    worker.on_workers_changed(lambda change: print("came:", [one.name for one in change.added]))
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Final, TypeVar

from iii_worker._types import ClientPort
from iii_worker.deadlines import checked_seconds
from iii_worker.engine import EngineFunctions, EngineTriggers
from iii_worker.errands import Errands
from iii_worker.errors import SHUTDOWN, TIMEOUT, InvocationError
from iii_worker.functions import FunctionTable
from iii_worker.limits import REGISTRY_CALL_S, REGISTRY_CONFIRM_S, REGISTRY_FIRST_PUSH_S, REGISTRY_POLL_S, SIMILAR_IDS
from iii_worker.registry_rows import (
    FunctionInfo,
    FunctionKey,
    FunctionsChange,
    WorkerInfo,
    WorkersChange,
    function_rows,
    worker_rows,
)
from iii_worker.registry_table import LiveTable
from iii_worker.triggers import TriggerTable

__all__ = ["FunctionsView", "LiveFunctions", "LiveWorkers", "WorkersView"]

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")

_HOME: Final = "default"
_ENGINE: Final = "engine::"
_COUNTS: Final = {"function_count": 0, "active_invocations": 0}


class _View(Mapping[_Key, _Row]):
    """A mapping that is always as its table is now. Iterating goes over what there was when it began."""

    def __init__(self, read: Callable[[], Mapping[_Key, _Row]]) -> None:
        self._read = read

    def __getitem__(self, key: _Key) -> _Row:
        return self._read()[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    # Each of these looks at one state, where the mixins of Mapping would look once per key.
    def keys(self) -> Any:
        return self._read().keys()

    def values(self) -> Any:
        return self._read().values()

    def items(self) -> Any:
        return self._read().items()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}: {', '.join(map(str, self))}>"


class FunctionsView(_View[str, FunctionInfo]):
    """The functions this worker reaches by their bare id, without internal ones, by id. Read-only, live, any thread."""

    def __init__(self, table: LiveFunctions) -> None:
        super().__init__(lambda: table.visible)
        self.everywhere: Mapping[FunctionKey, FunctionInfo] = _View(lambda: table.rows)
        """All functions of all namespaces, the engine's and other internal ones included, by ``(namespace, id)``."""


class WorkersView(_View[str, WorkerInfo]):
    """Workers by name, those without one by id. Read-only, live, any thread.

    A name may be taken in several namespaces: this worker's own wins, then ``default``, then the first by name.
    """

    def __init__(self, table: LiveWorkers) -> None:
        super().__init__(lambda: table.named)
        self.by_id: Mapping[str, WorkerInfo] = _View(lambda: table.rows)
        """All workers by the id of their connection; built-in ones by the name of their instance."""


class LiveFunctions(LiveTable[FunctionKey, FunctionInfo, FunctionsChange]):
    """All functions of the engine, by namespace and id."""

    trigger_type = EngineTriggers.FUNCTIONS_AVAILABLE
    # Engines that do not know this setting ignore it and push whole lists; the push says which it is.
    trigger_config: Mapping[str, Any] = {"delta": True}
    list_function = EngineFunctions.LIST_FUNCTIONS
    list_input: Mapping[str, Any] = {"include_internal": True}
    noun = "functions"
    rebinds = True
    first_push_s = REGISTRY_FIRST_PUSH_S
    confirm_s = REGISTRY_CONFIRM_S

    def __init__(self, client: ClientPort, functions: FunctionTable, triggers: TriggerTable, errands: Errands) -> None:
        super().__init__(client, functions, triggers, errands)
        self._visible: tuple[Mapping[FunctionKey, FunctionInfo], Mapping[str, FunctionInfo]] = ({}, {})
        self.view = FunctionsView(self)

    @property
    def visible(self) -> Mapping[str, FunctionInfo]:
        """Those of this worker's namespace that are not internal, by id; made of the rows when somebody looks."""
        rows = self.rows
        made_of, visible = self._visible
        if made_of is not rows:
            home = self._client.namespace or _HOME
            found = [row for (namespace, _), row in rows.items() if namespace == home and not row.internal]
            visible = {row.function_id: row for row in sorted(found, key=attrgetter("function_id"))}
            self._visible = (rows, visible)
        return visible

    def listed(self, answer: Any) -> dict[FunctionKey, FunctionInfo]:
        return function_rows(answer.get("functions") if isinstance(answer, dict) else None)

    def pushed(
        self, rows: Mapping[FunctionKey, FunctionInfo], data: Any, *, first: bool
    ) -> dict[FunctionKey, FunctionInfo] | None:
        if not isinstance(data, dict):
            return None
        if "functions" in data:
            return function_rows(data["functions"])
        if not self.is_exact(data):
            return None
        kept = {} if first else dict(rows)
        for key in function_rows(data.get("removed")):
            kept.pop(key, None)
        return kept | function_rows(data.get("added"))

    def is_exact(self, data: Any) -> bool:
        return isinstance(data, dict) and ("added" in data or "removed" in data)

    def difference(
        self, before: Mapping[FunctionKey, FunctionInfo], after: Mapping[FunctionKey, FunctionInfo]
    ) -> FunctionsChange | None:
        added = self._of_interest(after, after.keys() - before.keys())
        removed = self._of_interest(before, before.keys() - after.keys())
        return FunctionsChange(added, removed) if added or removed else None

    def _of_interest(
        self, rows: Mapping[FunctionKey, FunctionInfo], keys: Iterable[FunctionKey]
    ) -> tuple[FunctionInfo, ...]:
        home = self._client.namespace or _HOME
        return tuple(rows[key] for key in sorted(keys) if key[0] == home and not rows[key].internal)

    # --- waiting for one ----------------------------------------------------------------------------------------------

    def wait_for(self, function_id: str, timeout: float | None, namespace: str | None) -> FunctionInfo:
        """Wait for a function; see :meth:`iii_worker.IIIClient.wait_for_function`."""
        seconds = checked_seconds(self._client.options.invocation_timeout_ms / 1000 if timeout is None else timeout)
        deadline = time.monotonic() + seconds
        own = _HOME if function_id.startswith(_ENGINE) else self._client.namespace or _HOME
        key = (namespace or own, function_id)
        self.load(seconds)
        while key not in self.rows:
            left = deadline - time.monotonic()
            if left <= 0:
                raise InvocationError(TIMEOUT, self._missing(key, seconds), function_id)
            if not self.wait_until(lambda: key in self.rows, min(left, REGISTRY_POLL_S)):
                self._look_for(key, deadline)
        return self.rows[key]

    def _look_for(self, key: FunctionKey, deadline: float) -> None:
        """Ask the engine, which may push late; a function that is there will be in the next list."""
        left = deadline - time.monotonic()
        if left <= 0:
            return
        namespace, function_id = key
        question = {"function_id": function_id, "namespace": namespace}
        try:
            self._client.call(
                EngineFunctions.INFO_FUNCTIONS, question, timeout=min(left, REGISTRY_CALL_S), namespace=_HOME
            )
        except InvocationError as error:
            if error.code == SHUTDOWN:
                raise
            return
        self.refresh()

    def _missing(self, key: FunctionKey, seconds: float) -> str:
        namespace, function_id = key
        ids = [known for place, known in self.rows if place == namespace]
        elsewhere = sorted(place for place, known in self.rows if known == function_id)
        similar = difflib.get_close_matches(function_id, ids, SIMILAR_IDS)
        text = f"function {function_id!r} did not come within {seconds:g} s in namespace {namespace!r}"
        if elsewhere:
            return f"{text}; it is registered in namespace {', '.join(elsewhere)}: pass namespace="
        if similar:
            return f"{text}; there is {', '.join(similar)}"
        return f"{text}; is the worker that offers it running?"


class LiveWorkers(LiveTable[str, WorkerInfo, WorkersChange]):
    """All workers of the engine, by id. Pushes say only who has come or left: the list is fetched after each."""

    trigger_type = EngineTriggers.WORKERS_AVAILABLE
    trigger_config: Mapping[str, Any] = {}
    list_function = EngineFunctions.LIST_WORKERS
    list_input: Mapping[str, Any] = {}
    noun = "workers"
    rebinds = False
    first_push_s = 0.0
    confirm_s = None

    def __init__(self, client: ClientPort, functions: FunctionTable, triggers: TriggerTable, errands: Errands) -> None:
        super().__init__(client, functions, triggers, errands)
        self._named: tuple[Mapping[str, WorkerInfo], Mapping[str, WorkerInfo]] = ({}, {})
        self.view = WorkersView(self)

    @property
    def named(self) -> Mapping[str, WorkerInfo]:
        """By name, or id without one; made of the rows when somebody looks."""
        rows = self.rows
        made_of, named = self._named
        if made_of is not rows:
            named = self._by_name(rows)
            self._named = (rows, named)
        return named

    def listed(self, answer: Any) -> dict[str, WorkerInfo]:
        return worker_rows(answer.get("workers") if isinstance(answer, dict) else None)

    def pushed(self, rows: Mapping[str, WorkerInfo], data: Any, *, first: bool) -> dict[str, WorkerInfo] | None:
        if not isinstance(data, dict):
            return None
        self._fetch_again()
        gone = data.get("worker_id")
        if data.get("event") != "worker_disconnected" or gone not in rows:
            return None
        return {key: row for key, row in rows.items() if key != gone}

    def _by_name(self, rows: Mapping[str, WorkerInfo]) -> Mapping[str, WorkerInfo]:
        home = self._client.namespace or _HOME

        def precedence(row: WorkerInfo) -> tuple[bool, bool, str, str]:
            return row.namespace != home, row.namespace != _HOME, row.namespace, row.id

        named: dict[str, WorkerInfo] = {}
        for row in sorted(rows.values(), key=precedence):
            named.setdefault(row.name or row.id, row)
        return dict(sorted(named.items()))

    def difference(self, before: Mapping[str, WorkerInfo], after: Mapping[str, WorkerInfo]) -> WorkersChange | None:
        added = tuple(row for key, row in after.items() if key not in before)
        removed = tuple(row for key, row in before.items() if key not in after)
        both = [(before[key], row) for key, row in after.items() if key in before]
        changed = tuple(row for old, row in both if _uncounted(old) != _uncounted(row))
        return WorkersChange(added, removed, changed) if added or removed or changed else None


def _uncounted(row: WorkerInfo) -> dict[str, Any]:
    return vars(row) | _COUNTS
