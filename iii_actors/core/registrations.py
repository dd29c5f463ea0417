"""Registration frames carried out: each asks its registry and sends the refusal, if any (core.md §4, §6, §11).

Runs on the connection's own thread (or on the one that replays what waited for the namespace); may wait.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import pykka

from iii_actors.actor import Ref, ask
from iii_actors.core.external import ExternalProvider, FindExternal
from iii_actors.core.messages import (
    Binding,
    BindTrigger,
    Caller,
    RegisterFunction,
    RegisterService,
    RegisterTrigger,
    RegisterTriggerType,
    Send,
    Target,
    UnbindTrigger,
    UnregisterFunction,
    UnregisterTrigger,
)
from iii_actors.core.outcome import wire_error
from iii_actors.core.refs import Core
from iii_actors.errors import EngineError, InvalidNamespace, TriggerRegistrationFailed
from iii_actors.wire import messages as wire

__all__ = ["BUFFERED", "Elsewhere", "Registrations", "bind", "check_namespaces", "unbind"]

logger = logging.getLogger(__name__)

BUFFERED = (
    wire.RegisterFunction,
    wire.UnregisterFunction,
    wire.RegisterTrigger,
    wire.UnregisterTrigger,
    wire.RegisterTriggerType,
    wire.RegisterService,
)
"""What waits until the connection's namespace is known (core.md §3.2)."""


class Elsewhere(NamedTuple):
    """What a provider without a thread answers if there is something to wait for: ask that one."""

    ref: Ref


class Registrations:
    """What one worker registers."""

    def __init__(self, core: Core, caller: Caller, target: Target) -> None:
        self._core = core
        self._caller = caller
        self._target = target

    def apply(self, message: object, namespace: str) -> bool:
        """Carry out one frame in the connection's namespace; returns whether nothing stood in its way."""
        match message:
            case wire.RegisterFunction():
                return self._function(message, namespace)
            case wire.UnregisterFunction():
                ask(self._core.functions, UnregisterFunction(namespace, message.id, self._target.worker_id))
            case wire.RegisterTrigger():
                return self._trigger(message, namespace)
            case wire.UnregisterTrigger():
                unbind(self._core, message.id)
            case wire.RegisterTriggerType():
                return self._trigger_type(message, namespace)
            case wire.RegisterService():
                self._core.services.tell(RegisterService(namespace, message, self._target.worker_id))
        return True

    def _function(self, message: wire.RegisterFunction, namespace: str) -> bool:
        target: Target | None = self._target
        if wire.present(message.invocation):
            target = self._external(message)
        if target is None:
            return False
        rejected = ask(self._core.functions, RegisterFunction(namespace, message, target))
        if rejected is not None:
            logger.warning(
                "Function %s in namespace %s is refused to worker %s: held by %s",
                message.id,
                namespace,
                self._target.worker_id,
                rejected.owner_worker_id or "the engine",
            )
            self._caller.ref.tell(Send(rejected))
        return rejected is None

    def _external(self, message: wire.RegisterFunction) -> Target | None:
        """Return who invokes a function over HTTP; None, and the reason in the log, if nobody does (core.md §4.2)."""
        provider: ExternalProvider | None = ask(self._core.functions, FindExternal())
        if provider is None:
            logger.warning(
                "Function %s of worker %s is to be invoked over HTTP, which needs iii-http-functions in the "
                "configuration; it is not registered",
                message.id,
                self._target.worker_id,
            )
            return None
        try:
            endpoint = provider.prepare(message)
        except EngineError as error:
            logger.warning(
                "Function %s of worker %s is to be invoked over HTTP, and is not registered: %s",
                message.id,
                self._target.worker_id,
                error,
            )
            return None
        return self._target._replace(ref=provider.ref, endpoint=endpoint)

    def _trigger_type(self, message: wire.RegisterTriggerType, namespace: str) -> bool:
        wanted = namespace if message.namespace is None else message.namespace
        if not wanted.strip():
            logger.warning("Trigger type %s of worker %s: blank namespace", message.id, self._target.worker_id)
            return False
        ask(self._core.triggers, RegisterTriggerType(wanted, message, self._target))
        return True

    def _trigger(self, message: wire.RegisterTrigger, namespace: str) -> bool:
        try:
            check_namespaces(message)
            bind(self._core, RegisterTrigger(message, namespace, self._caller))
        except EngineError as error:
            self.refuse_trigger(message, error)
            return False
        return True

    def refuse_trigger(self, message: wire.RegisterTrigger, error: EngineError) -> None:
        """Tell the worker that a trigger of its is not registered."""
        logger.warning("Trigger %s (%s) is refused: %s", message.id, message.trigger_type, error)
        refusal = wire.TriggerRegistrationResult(
            message.id, message.trigger_type, message.function_id, wire_error(error)
        )
        self._caller.ref.tell(Send(refusal))


def check_namespaces(message: wire.RegisterTrigger) -> None:
    """Raise ``InvalidNamespace`` for a trigger that names a namespace and leaves it blank (core.md §6.2)."""
    for field in ("namespace", "trigger_namespace"):
        value = getattr(message, field)
        if value is not None and not value.strip():
            raise InvalidNamespace(field)


def bind(core: Core, request: RegisterTrigger) -> bool:
    """Make a binding; an in-process provider is asked before it counts. May wait; raises ``EngineError`` on refusal.

    Returns whether ``request.ack_to`` will be told what a provider on a socket says to it.
    """
    binding: Binding | None = ask(core.triggers, request)
    if binding is not None and binding.provider.in_process:
        try:
            _ask_provider(binding.provider.ref, BindTrigger(binding.trigger))
        except EngineError as error:
            raise TriggerRegistrationFailed(error.message) from None
        except (pykka.ActorDeadError, pykka.Timeout):
            raise TriggerRegistrationFailed(f"{binding.provider.worker_id} does not answer") from None
        binding = ask(core.triggers, request._replace(accepted=True))
    return binding is not None


def _ask_provider(ref: Ref, request: BindTrigger | UnbindTrigger) -> None:
    answer = ask(ref, request)
    if isinstance(answer, Elsewhere):
        ask(answer.ref, request)


def unbind(core: Core, trigger_id: str) -> bool:
    """Undo a binding, live or parked; returns whether there was one. May wait; raises ``EngineError`` on refusal."""
    found = ask(core.triggers, UnregisterTrigger(trigger_id))
    if not isinstance(found, Binding):
        return bool(found)
    _ask_provider(found.provider.ref, UnbindTrigger(found.trigger, final=True))
    ask(core.triggers, UnregisterTrigger(trigger_id, released=True))
    return True
