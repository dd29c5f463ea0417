"""Calls of sessions whose functions have to be looked at first, and calls in the place of others (core.md §10).

What a session may call is mostly decided by the id alone, on the thread that reads it. Where a function's metadata or
owner matters, the function registry is told to look, and the gate goes on with what it finds. Nothing here waits.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.access.permission import Verdict
from iii_actors.access.policy import Access
from iii_actors.actor import LightActor, handles
from iii_actors.core.functions import RESERVED_PREFIX, Function
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import Caller, Completed, Enqueue, Invoke
from iii_actors.core.outcome import complete, wire_error
from iii_actors.core.queries import LookedUp
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["Gate", "Mediate", "Word", "dispatch", "refuse"]

_NO_MEMBER: Final = b""


class Mediate(NamedTuple):
    """To the gate: call the middleware in this call's place."""

    invoke: Invoke
    access: Access


class Word:
    """The outcome of a call that a thread waits for."""

    def __init__(self) -> None:
        self.spoken = threading.Event()
        """Set when there is an outcome, or none will be waited for any more."""
        self.completed: Completed | None = None

    def settle(self, completed: Completed) -> None:
        self.completed = completed
        self.spoken.set()

    def expire(self) -> None:
        self.spoken.set()


class _MiddlewareInput(Struct, frozen=True):
    function_id: str
    payload: Raw
    action: wire.Void | wire.Enqueue | None
    context: Raw
    namespace: str


class Gate(LightActor):
    """One listener's."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    @handles(LookedUp)
    def looked_up(self, found: LookedUp) -> None:
        """Go on with a call whose function has been looked up, or refuse it."""
        wanted: Mediate = found.context
        invoke, access = wanted
        function_id, namespace = invoke.call.function_id, invoke.namespace
        function: Function | None = found.function
        verdict = access.permission.verdict(function_id, namespace)
        if verdict is Verdict.BY_METADATA and not _exposed(access, function):
            refuse(invoke, verdict.refusal(function_id))
        elif access.middleware is not None and (
            not function_id.startswith(RESERVED_PREFIX) or (function is not None and not function.target.in_process)
        ):
            self.mediate(wanted)
        else:
            dispatch(self._core, invoke)

    @handles(Mediate)
    def mediate(self, request: Mediate) -> None:
        """Call the middleware; what it answers is the call's outcome, whatever the call's action was."""
        invoke, access = request
        call, caller = invoke.call, invoke.caller
        if caller is None or access.middleware is None:
            return
        told = _MiddlewareInput(call.function_id, call.data, call.action, access.context, invoke.namespace)
        own_id = invocation_id()
        message = wire.InvokeFunction(
            access.middleware, own_id, call.traceparent, call.baggage, metadata=call.metadata, data=raw(told)
        )
        # A call that nobody awaits is not counted among the session's pending ones, but answered all the same.
        counted = caller if invoke.reply_to is not None else None
        outcome = Invoke(call, invoke.namespace, invoke.invocation_id, caller.ref, counted)
        by = Caller(caller.worker_id, caller.ref, _NO_MEMBER, access)
        self._core.functions.tell(
            Invoke(message, invoke.namespace, own_id, self.actor_ref, by, internal=True, context=outcome)
        )

    @handles(Completed)
    def completed(self, completed: Completed) -> None:
        """The middleware has answered, or a function that a connection's thread waits for."""
        context = completed.invoke.context
        if isinstance(context, Word):
            context.settle(completed)
        else:
            complete(context, completed.result, completed.error)


def _exposed(access: Access, function: Function | None) -> bool:
    """Return whether a function's metadata exposes it; one that is not there has none."""
    if function is None:
        return False
    definition = function.definition
    return access.permission.exposes(function.function_id, function.namespace, definition, definition.metadata)


def dispatch(core: Core, invoke: Invoke) -> None:
    """Route a permitted call by its action (core.md §7.1)."""
    action = invoke.call.action
    if isinstance(action, wire.Enqueue):
        core.enqueue.tell(Enqueue(invoke, action))
    else:
        core.functions.tell(invoke)


def refuse(invoke: Invoke, error: EngineError) -> None:
    """Tell a session that a call of its is not made; always, and to calls without an id as well (core.md §10.3)."""
    caller = invoke.caller
    if caller is None:
        return
    if invoke.reply_to is None:
        invoke = msgspec.structs.replace(invoke, caller=None)  # not counted among the pending ones
    try:
        caller.ref.tell(Completed(invoke, wire.ABSENT, wire_error(error)))
    except ActorDeadError:
        return
