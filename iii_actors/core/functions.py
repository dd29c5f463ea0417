"""The function registry: who executes ``(namespace, function id)`` (core.md §4, §7, §8)."""

from __future__ import annotations

import logging
from typing import Final

from msgspec import Struct

from iii_actors.actor import Ref, handles
from iii_actors.core import groups
from iii_actors.core.external import ExternalProvider, FindExternal, ServeExternal, WithdrawExternal
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    FindFunction,
    Forward,
    FunctionsChanged,
    FunctionsOf,
    Invoke,
    ListFunctions,
    Members,
    RegisterFunction,
    RemoveFunctionsOf,
    Target,
    UnregisterFunction,
)
from iii_actors.core.observing import Noticed, Observed
from iii_actors.core.outcome import complete, wire_error
from iii_actors.core.queries import (
    CountFunctions,
    FindFunctions,
    ListFunctionsFrom,
    Locate,
    Located,
    LookedUp,
    LookUp,
    WatchFunctions,
)
from iii_actors.core.watchers import Watchers
from iii_actors.errors import ConfigError, FunctionNotFound, InvocationError
from iii_actors.limits import MAX_FUNCTIONS_PER_WORKER
from iii_actors.wire import messages as wire

__all__ = ["RESERVED_PREFIX", "Function", "Functions"]

logger = logging.getLogger(__name__)

RESERVED_PREFIX: Final = "engine::"
CONFLICT: Final = "FUNCTION_NAMESPACE_CONFLICT"


class Function(Struct, frozen=True):
    """A registered function, as everybody may see it."""

    namespace: str
    function_id: str
    definition: wire.RegisterFunction
    target: Target
    group: groups.Group | None = None
    """The workers that share it; ``target`` and ``definition`` are then the first one's."""


class Functions(Observed):
    """Owns the table of functions and the set of ids per worker."""

    def __init__(self, invocations: Ref, services: Ref) -> None:
        super().__init__()
        self._invocations = invocations
        self._services = services
        self._namespaces: dict[str, dict[str, Function]] = {}
        self._of_worker: dict[str, set[tuple[str, str]]] = {}
        self._watchers = Watchers()
        self._external: ExternalProvider | None = None

    # --- calls -------------------------------------------------------------------------------------------------------

    @handles(Invoke)
    def invoke(self, invoke: Invoke) -> None:
        """Find the owner and pass the call on; a miss is answered at once."""
        try:
            function = self._namespaces[invoke.namespace][invoke.call.function_id]
        except KeyError:
            self._missing(invoke)
            return
        target = function.target if function.group is None else function.group.choose(invoke.call.data)
        self._invocations.tell(Forward(invoke, function, target))

    def _missing(self, invoke: Invoke) -> None:
        function_id = invoke.call.function_id
        if self._lookout is not None:
            self._lookout.misses += 1
        if self._looked_on():
            caller = invoke.caller.worker_id if invoke.caller is not None else None
            where = (("function_id", function_id), ("iii.namespace", invoke.namespace))
            missed = FunctionNotFound.code
            self._notice(Noticed("look-up miss", function_id, caller, where, missed, invoke.call.traceparent))
        if invoke.reply_to is None:
            return
        elsewhere = () if invoke.internal else self._holding(function_id)
        error = FunctionNotFound(function_id, invoke.namespace, elsewhere, internal=invoke.internal)
        complete(invoke, wire.ABSENT, wire_error(error))

    def on_handler_error(self, message: object, error: Exception) -> None:
        """A call that could not be routed is answered all the same."""
        if isinstance(message, Invoke):
            complete(message, wire.ABSENT, wire_error(InvocationError(f"{type(error).__name__} in the engine")))

    def _holding(self, function_id: str) -> list[str]:
        return sorted(namespace for namespace, table in self._namespaces.items() if function_id in table)

    # --- registration ------------------------------------------------------------------------------------------------

    @handles(RegisterFunction)
    def register(self, request: RegisterFunction) -> wire.RegistrationRejected | None:
        rejected = self._register(request)
        if self._looked_on():
            code = rejected.code if rejected is not None else None
            self._tell_of("register function", request.namespace, request.definition.id, request.target.worker_id, code)
        return rejected

    def _tell_of(
        self, operation: str, namespace: str, function_id: str, worker_id: str, error: str | None = None
    ) -> None:
        where = (("function_id", function_id), ("iii.namespace", namespace))
        self._notice(Noticed(operation, function_id, worker_id, where, error))

    def _register(self, request: RegisterFunction) -> wire.RegistrationRejected | None:
        namespace, definition, target = request
        function_id = definition.id
        if target.endpoint is not None and (self._external is None or self._external.ref != target.ref):
            logger.warning("Function %s is not registered: nobody invokes functions over HTTP any more", function_id)
            return None
        if function_id.startswith(RESERVED_PREFIX) and namespace != DEFAULT_NAMESPACE:
            return _rejected(namespace, function_id, "")
        held = self._namespaces.get(namespace, {}).get(function_id)
        member = groups.member(definition, target)
        group: groups.Group | None = None
        if held is None:
            group = groups.found(member)
        elif held.target.in_process and not target.in_process:
            return _rejected(namespace, function_id, "")
        elif held.group is not None and member is not None and held.group.policy == member.policy:
            group = held.group.with_member(member)
        elif self._sole_owner(held) != target.worker_id:
            return _rejected(namespace, function_id, self._holder_beside(held, target.worker_id))
        else:
            group = groups.found(member)
        owned = self._of_worker.setdefault(target.worker_id, set())
        if len(owned) >= MAX_FUNCTIONS_PER_WORKER and (namespace, function_id) not in owned:
            logger.warning("Worker %s has %d functions; %s is refused", target.worker_id, len(owned), function_id)
            return _rejected(namespace, function_id, "")
        if group is not None:
            first = group.members[0]
            definition, target = first.definition, first.target
        table = self._namespaces.setdefault(namespace, {})
        table[function_id] = Function(namespace, function_id, definition, target, group)
        owned.add((namespace, function_id))
        if held is None:
            self._changed(namespace, [function_id], True)
            logger.debug("[REGISTERED] Function %s in namespace %s", function_id, namespace)
        return None

    @handles(UnregisterFunction)
    def unregister(self, request: UnregisterFunction) -> bool:
        namespace, function_id, worker_id = request
        if (namespace, function_id) not in self._of_worker.get(worker_id, ()):
            return False
        self._of_worker[worker_id].discard((namespace, function_id))
        self._take_away(namespace, function_id, worker_id)
        if self._looked_on():
            self._tell_of("unregister function", namespace, function_id, worker_id)
        return True

    @handles(RemoveFunctionsOf)
    def remove_all(self, request: RemoveFunctionsOf) -> None:
        worker_id = request.worker_id
        owned = self._of_worker.pop(worker_id, set())
        # The worker's own ones first, then those that are invoked over HTTP (core.md §3.6).
        for key in sorted(owned, key=lambda key: self._is_external(key, worker_id)):
            self._take_away(*key, worker_id)

    def _is_external(self, key: tuple[str, str], worker_id: str) -> bool:
        """Return whether a function that a worker holds, alone or in a group, is invoked over HTTP for it."""
        namespace, function_id = key
        held = self._namespaces[namespace][function_id]
        members = held.group.members if held.group is not None else ()
        target = next((one.target for one in members if one.target.worker_id == worker_id), held.target)
        return target.endpoint is not None

    def _take_away(self, namespace: str, function_id: str, worker_id: str) -> None:
        """Remove one worker from one function; the last one's leaving removes the function."""
        table = self._namespaces[namespace]
        held = table[function_id]
        rest = held.group.without(worker_id) if held.group is not None else None
        if rest is not None:
            first = rest.members[0]
            table[function_id] = Function(namespace, function_id, first.definition, first.target, rest)
            return
        del table[function_id]
        if not table:
            del self._namespaces[namespace]
        self._changed(namespace, [function_id], False)
        logger.debug("[UNREGISTERED] Function %s in namespace %s", function_id, namespace)

    @staticmethod
    def _sole_owner(held: Function) -> str | None:
        """The worker that may replace the entry by itself; None when others share it."""
        if held.group is not None and len(held.group.members) > 1:
            return None
        return held.target.worker_id

    @staticmethod
    def _holder_beside(held: Function, worker_id: str) -> str:
        """The worker that stands in this one's way: the first of a group that is another."""
        members = held.group.members if held.group is not None else ()
        holders = (member.target.worker_id for member in members if member.target.worker_id != worker_id)
        return next(holders, held.target.worker_id)

    def _changed(self, namespace: str, function_ids: list[str], present: bool) -> None:
        self._services.tell(Members(namespace, function_ids, present))
        self._watchers.tell(FunctionsChanged())

    # --- functions invoked over HTTP ---------------------------------------------------------------------------------

    @handles(ServeExternal)
    def serve_external(self, request: ServeExternal) -> None:
        if self._external is not None:
            raise ConfigError("workers", "a second worker is to invoke functions over HTTP", "keep one entry")
        self._external = request.provider

    @handles(WithdrawExternal)
    def withdraw_external(self, request: WithdrawExternal) -> None:
        if self._external is not request.provider:
            return
        self._external = None
        for worker_id, owned in self._of_worker.items():
            for key in [key for key in owned if self._is_external(key, worker_id)]:
                owned.discard(key)
                self._take_away(*key, worker_id)

    @handles(FindExternal)
    def find_external(self, _: FindExternal) -> ExternalProvider | None:
        return self._external

    @handles(WatchFunctions)
    def watch(self, request: WatchFunctions) -> None:
        self._watchers.add(request.watcher)

    # --- questions ---------------------------------------------------------------------------------------------------

    @handles(FindFunction)
    def find(self, query: FindFunction) -> tuple[Function | None, list[str]]:
        """Answer for introspection only: ``default`` wins, else the only namespace that holds it (core.md §12.2)."""
        holding = self._holding(query.function_id)
        namespace = query.namespace
        if namespace is None and DEFAULT_NAMESPACE in holding:
            namespace = DEFAULT_NAMESPACE
        elif namespace is None and len(holding) == 1:
            namespace = holding[0]
        if namespace not in holding or namespace is None:
            return None, holding
        return self._namespaces[namespace][query.function_id], holding

    @handles(FindFunctions)
    def find_all(self, query: FindFunctions) -> dict[tuple[str, str], Function]:
        found: dict[tuple[str, str], Function] = {}
        for namespace, function_id in query.keys:
            function = self._namespaces.get(namespace, {}).get(function_id)
            if function is not None:
                found[namespace, function_id] = function
        return found

    @handles(Locate)
    def locate(self, query: Locate) -> None:
        found = query.function_id in self._namespaces.get(query.namespace, ())
        query.reply_to.tell(Located(found, query.context))

    @handles(LookUp)
    def look_up(self, query: LookUp) -> None:
        found = self._namespaces.get(query.namespace, {}).get(query.function_id)
        query.reply_to.tell(LookedUp(found, query.context))

    @handles(CountFunctions)
    def count(self, query: CountFunctions) -> dict[str, int]:
        owned = self._of_worker
        return {worker_id: len(owned[worker_id]) for worker_id in query.worker_ids if worker_id in owned}

    @handles(ListFunctions)
    def list_all(self, _: ListFunctions) -> list[Function]:
        return [function for table in self._namespaces.values() for function in table.values()]

    @handles(ListFunctionsFrom)
    def list_from(self, query: ListFunctionsFrom) -> list[Function]:
        tables, prefix = self._namespaces.values(), query.prefix
        return [function for table in tables for name, function in table.items() if name.startswith(prefix)]

    @handles(FunctionsOf)
    def list_of(self, query: FunctionsOf) -> list[Function]:
        owned = self._of_worker.get(query.worker_id, ())
        return [self._namespaces[namespace][function_id] for namespace, function_id in owned]


def _rejected(namespace: str, function_id: str, owner: str) -> wire.RegistrationRejected:
    return wire.RegistrationRejected(CONFLICT, namespace, owner, function_id=function_id)
