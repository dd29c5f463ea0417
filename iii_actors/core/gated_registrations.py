"""Registrations of a session that has not every right: what each has to pass first (core.md §10.5).

Runs on the connection's own thread (or on the one that replays what waited for the namespace); may wait.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.access.errors import QuotaExceeded
from iii_actors.access.permission import Verdict
from iii_actors.access.policy import Access
from iii_actors.actor import ask
from iii_actors.core.functions import CONFLICT, Function
from iii_actors.core.guard import Gone, Guard, IsGone
from iii_actors.core.messages import DEFAULT_NAMESPACE, Caller, Send, Target
from iii_actors.core.outcome import wire_error
from iii_actors.core.queries import FindFunctions
from iii_actors.core.refs import Core
from iii_actors.core.registrations import Registrations, check_namespaces
from iii_actors.errors import EngineError, Forbidden
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["GatedRegistrations"]

logger = logging.getLogger(__name__)

_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_value: Final = msgspec.json.Decoder().decode
_replace: Final = msgspec.structs.replace


class _FunctionQuestion(Struct, frozen=True):
    function_id: str
    description: str | None
    metadata: Raw
    namespace: str
    context: Raw


class _TriggerTypeQuestion(Struct, frozen=True):
    trigger_type_id: str
    description: str
    context: Raw


class _TriggerQuestion(Struct, frozen=True):
    trigger_id: str
    trigger_type: str
    function_id: str
    config: Raw
    metadata: Raw
    namespace: str
    context: Raw


class GatedRegistrations(Registrations):
    """What one session registers."""

    def __init__(
        self, core: Core, caller: Caller, target: Target, guard: Guard, access: Access, is_gone: IsGone
    ) -> None:
        super().__init__(core, caller, target)
        self._guard = guard
        self._access = access
        self._is_gone = is_gone
        quotas = access.quotas
        self._most = quotas.registrations if quotas is not None else None
        self._held: set[tuple[str, str]] = set()
        """What counts: kind and id."""

    def apply(self, message: object, namespace: str) -> bool:
        try:
            match message:
                case wire.RegisterFunction():
                    function = self._gated_function(message, namespace)
                    return function is not None and self._counted(("function", function.id), function, namespace)
                case wire.UnregisterFunction():
                    own = wire.UnregisterFunction(self._access.prefixed(message.id))
                    self._held.discard(("function", own.id))
                    return super().apply(own, namespace)
                case wire.RegisterTriggerType():
                    kind = self._gated_type(message)
                    return kind is not None and self._counted(("trigger type", kind.id), kind, namespace)
                case wire.RegisterTrigger():
                    trigger = self._gated_trigger(message)
                    return trigger is not None and self._counted(("trigger", trigger.id), trigger, namespace)
                case wire.UnregisterTrigger():
                    self._held.discard(("trigger", message.id))
        except Gone:
            return False
        return super().apply(message, namespace)

    # --- gates -------------------------------------------------------------------------------------------------------

    def _gated_function(self, message: wire.RegisterFunction, namespace: str) -> wire.RegisterFunction | None:
        access = self._access
        if not access.grants.allow_function_registration:
            self._denied("function", message.id, "the session may register none")
            return None
        if access.hooks.function is not None:
            question = _FunctionQuestion(
                message.id, message.description, _or_null(message.metadata), namespace, access.context
            )
            verdict = self._verdict(access.hooks.function, question)
            if verdict is None:
                self._denied("function", message.id, "its hook says no")
                return None
            message = _replace(
                message,
                id=_text(verdict, "function_id", message.id),
                description=_text(verdict, "description", message.description),
                metadata=verdict.get("metadata", message.metadata),
            )
        return _replace(message, id=access.prefixed(message.id)) if access.prefix else message

    def _gated_type(self, message: wire.RegisterTriggerType) -> wire.RegisterTriggerType | None:
        access = self._access
        if not access.grants.allow_trigger_type_registration:
            self._denied("trigger type", message.id, "the session may register none")
            return None
        if access.hooks.trigger_type is None:
            return message
        question = _TriggerTypeQuestion(message.id, message.description, access.context)
        verdict = self._verdict(access.hooks.trigger_type, question)
        if verdict is None:
            self._denied("trigger type", message.id, "its hook says no")
            return None
        return _replace(
            message,
            id=_text(verdict, "trigger_type_id", message.id),
            description=_text(verdict, "description", message.description),
        )

    def _gated_trigger(self, message: wire.RegisterTrigger) -> wire.RegisterTrigger | None:
        access = self._access
        try:
            check_namespaces(message)
        except EngineError as error:
            self.refuse_trigger(message, error)
            return None
        namespace = message.namespace if message.namespace is not None else DEFAULT_NAMESPACE
        if not access.permission.may_bind(message.trigger_type):
            self._denied("trigger", message.id, f"the session may not bind {message.trigger_type}")
            return None
        if access.hooks.trigger is not None:
            question = _TriggerQuestion(
                message.id,
                message.trigger_type,
                message.function_id,
                message.config,
                _or_null(message.metadata),
                namespace,
                access.context,
            )
            verdict = self._verdict(access.hooks.trigger, question)
            if verdict is None:
                self._denied("trigger", message.id, "its hook says no")
                return None
            message = _replace(
                message,
                id=_text(verdict, "trigger_id", message.id),
                trigger_type=_text(verdict, "trigger_type", message.trigger_type),
                function_id=_text(verdict, "function_id", message.function_id),
                config=verdict.get("config", message.config),
            )
        if access.prefix:
            message = _replace(message, function_id=access.prefixed(message.function_id))
        if not self._may_call(message.function_id, namespace):
            self.refuse_trigger(message, Forbidden.trigger_target(message.function_id, namespace))
            return None
        return message

    def _may_call(self, function_id: str, namespace: str) -> bool:
        permission = self._access.permission
        verdict = permission.verdict(function_id, namespace)
        if verdict is not Verdict.BY_METADATA:
            return verdict is Verdict.ALLOWED
        key = (namespace, function_id)
        found: dict[tuple[str, str], Function] = ask(self._core.functions, FindFunctions([key]))
        function = found.get(key)
        return function is not None and permission.exposes(
            function_id, namespace, function.definition, function.definition.metadata
        )

    def _verdict(self, hook: str, question: Struct) -> dict[str, Raw] | None:
        """Return the members of a hook's answer; None: it denies, which is all that is no object."""
        answer = self._guard.verdict(hook, raw(question), self._is_gone)
        if answer is None or not wire.present(answer):
            return None
        try:
            # Copied: a view would keep the answer's whole text for as long as the registration lasts.
            return {name: Raw(bytes(value)) for name, value in _members(answer).items()}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    def _denied(self, what: str, name: str, reason: str) -> None:
        """Say so in the log; the worker is not told (core.md §10.5)."""
        logger.info("%s %s of worker %s is not registered: %s", what.capitalize(), name, self._target.worker_id, reason)

    # --- quota -------------------------------------------------------------------------------------------------------

    def _counted(self, key: tuple[str, str], message: Any, namespace: str) -> bool:
        """Register unless the session holds too much already."""
        if self._most is None:
            return super().apply(message, namespace)
        if key not in self._held and len(self._held) >= self._most:
            self._over_quota(key, message, namespace)
            return False
        taken = super().apply(message, namespace)
        if taken:
            self._held.add(key)
        return taken

    def _over_quota(self, key: tuple[str, str], message: Any, namespace: str) -> None:
        error = QuotaExceeded.registrations(" ".join(key), self._most or 0)
        if isinstance(message, wire.RegisterTrigger):
            self.refuse_trigger(message, error)
            return
        logger.warning("Worker %s: %s", self._target.worker_id, error)
        self._caller.ref.tell(Send(wire.ErrorFrame(wire_error(error))))
        if isinstance(message, wire.RegisterFunction):
            # SDKs heed no other word about a function, and take any other code for the worker's end.
            self._caller.ref.tell(Send(wire.RegistrationRejected(CONFLICT, namespace, "", function_id=message.id)))


def _or_null(value: Raw) -> Raw:
    return value if memoryview(value) else wire.NULL


def _text(members: dict[str, Raw], name: str, otherwise: Any) -> Any:
    """Return a member that is text; what is left out, or is anything else, overrides nothing."""
    value = _value(members[name]) if name in members else None
    return value if isinstance(value, str) else otherwise
