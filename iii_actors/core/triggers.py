"""The trigger registry: trigger types with their providers, and the bindings on them (core.md §6)."""

from __future__ import annotations

import logging
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, Ref, handles
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    AcknowledgeTrigger,
    Binding,
    BindTrigger,
    Caller,
    FindTrigger,
    ListTriggers,
    ListTriggerTypes,
    RegisterTrigger,
    RegisterTriggerType,
    RemoveTriggersOf,
    Send,
    Target,
    TriggerAcknowledged,
    UnbindTrigger,
    UnregisterTrigger,
)
from iii_actors.core.observing import Noticed, Observed
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import MAX_TRIGGERS_PER_WORKER
from iii_actors.wire import messages as wire

__all__ = ["Trigger", "TriggerType", "Triggers"]

logger = logging.getLogger(__name__)

_Key = TypeVar("_Key")

Key = tuple[str, str]
"""``(namespace, trigger type id)``"""


class TriggerType(Struct, frozen=True):
    """A trigger type and who serves it."""

    namespace: str
    id: str
    definition: wire.RegisterTriggerType
    provider: Target


class Trigger(Struct, frozen=True):
    """A binding of a function to a trigger type."""

    id: str
    trigger_type: str
    function_id: str
    config: Raw
    metadata: Raw
    namespace: str
    """Of the target function."""
    trigger_namespace: str | None
    """Where the registering worker wants the provider looked for, and nowhere else."""
    home: str
    owner: Caller | None
    provider_namespace: str = DEFAULT_NAMESPACE
    """Of the type that serves it now."""

    @property
    def served_by(self) -> Key:
        """The type that serves it, while it is live."""
        return self.provider_namespace, self.trigger_type

    def as_message(self) -> wire.RegisterTrigger:
        """Return what a provider is sent; namespaces only where they are not ``default`` (core.md §2.2)."""
        return wire.RegisterTrigger(
            id=self.id,
            trigger_type=self.trigger_type,
            function_id=self.function_id,
            config=self.config,
            metadata=self.metadata,
            namespace=_unless_default(self.namespace),
            trigger_namespace=_unless_default(self.provider_namespace),
        )


def _unless_default(namespace: str) -> str | None:
    return namespace if namespace != DEFAULT_NAMESPACE else None


class Triggers(Observed):
    """Owns types and bindings. A binding is either live (a type serves it) or parked (it waits for one), never both."""

    def __init__(self) -> None:
        super().__init__()
        self._types: dict[Key, TriggerType] = {}
        self._types_of: dict[str, set[Key]] = {}
        self._displaced: dict[Key, TriggerType] = {}
        """Built-in types that a worker has taken over; they come back when it leaves."""
        self._live: dict[str, Trigger] = {}
        self._served: dict[Key, dict[str, Trigger]] = {}
        self._parked: dict[str, Trigger] = {}
        self._waiting: dict[str, dict[str, Trigger]] = {}
        self._of_worker: dict[str, set[str]] = {}
        self._acks: dict[str, Ref] = {}

    # --- types -------------------------------------------------------------------------------------------------------

    @handles(RegisterTriggerType)
    def register_type(self, request: RegisterTriggerType) -> None:
        """Take over, or begin to serve, a type; all its bindings are sent (again) to the new provider."""
        namespace, definition, provider = request
        key = (namespace, definition.id)
        replaced = self._types.get(key)
        served = list(self._served.get(key, {}).values())
        if replaced is not None:
            self._types_of[replaced.provider.worker_id].discard(key)
            if replaced.provider.in_process and not provider.in_process:
                self._displaced[key] = replaced
            if replaced.provider.ref != provider.ref:
                for trigger in served:
                    _release(replaced.provider, trigger)
        self._types[key] = TriggerType(namespace, definition.id, definition, provider)
        self._types_of.setdefault(provider.worker_id, set()).add(key)
        for trigger in served:
            self._serve(trigger, key)
        self._wake_waiting(key)
        if namespace != DEFAULT_NAMESPACE:
            self._bring_home(key)
        if self._looked_on():
            where = (("iii.trigger.type", definition.id), ("iii.namespace", namespace))
            self._notice(Noticed("register trigger type", definition.id, provider.worker_id, where))

    def _tell_of(self, operation: str, trigger: Trigger, state: str) -> None:
        told = (
            ("iii.trigger.id", trigger.id),
            ("iii.trigger.type", trigger.trigger_type),
            ("function_id", trigger.function_id),
            ("iii.trigger.state", state),
        )
        owner = trigger.owner.worker_id if trigger.owner is not None else None
        self._notice(Noticed(operation, trigger.trigger_type, owner, told))

    def _wake_waiting(self, key: Key) -> None:
        """Serve the parked bindings that resolve to a type."""
        for trigger in list(self._waiting.get(key[1], {}).values()):
            if self._resolve(trigger) == key:
                self._serve(trigger, key)

    def _bring_home(self, key: Key) -> None:
        """Move bindings that had fallen back to ``default`` to the type that is now there, where they are at home."""
        namespace, type_id = key
        for trigger in list(self._served.get((DEFAULT_NAMESPACE, type_id), {}).values()):
            if trigger.home == namespace and trigger.trigger_namespace is None:
                self._withdraw(trigger)
                self._serve(trigger, key)

    # --- bindings ----------------------------------------------------------------------------------------------------

    @handles(RegisterTrigger)
    def register(self, request: RegisterTrigger) -> Binding | None:
        definition, owner = request.definition, request.owner
        trigger = Trigger(
            definition.id,
            definition.trigger_type,
            definition.function_id,
            definition.config,
            definition.metadata if wire.present(definition.metadata) else wire.ABSENT,
            definition.namespace if definition.namespace is not None else DEFAULT_NAMESPACE,
            definition.trigger_namespace,
            request.home,
            owner,
        )
        if owner is not None:
            owned = self._of_worker.setdefault(owner.worker_id, set())
            if len(owned) >= MAX_TRIGGERS_PER_WORKER and trigger.id not in owned:
                raise TriggerRegistrationFailed(f"this worker has {len(owned)} triggers already, which is the limit")
        key = self._resolve(trigger)
        if key is not None and self._types[key].provider.in_process and not request.accepted:
            return Binding(_at(trigger, key), self._types[key].provider)
        provider = self._types[key].provider if key is not None else None
        old = self._live.get(trigger.id)
        if old is not None and (provider is None or self._types[old.served_by].provider.ref != provider.ref):
            _release(self._types[old.served_by].provider, old)
        self._forget(trigger.id)
        if owner is not None:
            owned.add(trigger.id)
        if self._looked_on():
            self._tell_of("register trigger", trigger, "parked" if key is None else "live")
        if key is None or provider is None:
            self._park(trigger)
            logger.info(
                "[PENDING] Trigger %s (function %s) was NOT activated: trigger type %s is not registered. "
                "It will be when a worker registers the type.",
                trigger.id,
                trigger.function_id,
                trigger.trigger_type,
            )
        else:
            self._serve(trigger, key, told=request.accepted)
            if request.ack_to is not None and not provider.in_process and trigger.id in self._live:
                self._acks[trigger.id] = request.ack_to
                return Binding(self._live[trigger.id], provider)
        return None

    @handles(UnregisterTrigger)
    def unregister(self, request: UnregisterTrigger) -> Binding | bool:
        trigger = self._live.get(request.trigger_id)
        if trigger is not None and not request.released:
            provider = self._types[trigger.served_by].provider
            if provider.in_process:
                return Binding(trigger, provider)
        found = trigger is not None or request.trigger_id in self._parked
        if trigger is not None and not request.released:
            self._withdraw(trigger)
        gone = trigger or self._parked.get(request.trigger_id)
        self._forget(request.trigger_id)
        if gone is not None and self._looked_on():
            self._tell_of("unregister trigger", gone, "gone")
        return found

    @handles(AcknowledgeTrigger)
    def acknowledge(self, message: AcknowledgeTrigger) -> None:
        """A provider's refusal parks the binding until its type is registered again (core.md §6.3)."""
        trigger_id, error = message.result.id, message.result.error
        trigger = self._live.get(trigger_id)
        if trigger is None or self._types[trigger.served_by].provider.worker_id != message.worker_id:
            return
        waiting = self._acks.pop(trigger_id, None)
        if waiting is not None:
            waiting.tell(TriggerAcknowledged(trigger_id, error))
        if error is None:
            return
        self._park(trigger)
        if trigger.owner is not None:
            refusal = wire.TriggerRegistrationResult(trigger.id, trigger.trigger_type, trigger.function_id, error)
            _tell(trigger.owner.ref, Send(refusal))

    @handles(RemoveTriggersOf)
    def remove_all(self, request: RemoveTriggersOf) -> None:
        """Remove a leaving worker's bindings, then its types; other workers' bindings on them fail over or park."""
        worker_id = request.worker_id
        for trigger_id in self._of_worker.pop(worker_id, ()):
            trigger = self._live.get(trigger_id)
            if trigger is not None:
                self._withdraw(trigger)
            self._forget(trigger_id)
        left = self._types_of.pop(worker_id, set())
        for key in left:
            del self._types[key]
            displaced = self._displaced.pop(key, None)
            if displaced is not None and displaced.provider.worker_id != worker_id:
                self._types[key] = displaced
                self._types_of[displaced.provider.worker_id].add(key)
        for key in left:
            for orphan in list(self._served.get(key, {}).values()):
                successor = self._resolve(orphan)
                if successor is not None:
                    self._serve(orphan, successor)
                else:
                    self._park(orphan)
                    logger.warning(
                        "Trigger %s (function %s) is parked: the provider of %s has left",
                        orphan.id,
                        orphan.function_id,
                        orphan.trigger_type,
                    )
        for key in left & self._types.keys():
            self._wake_waiting(key)

    # --- live or parked ----------------------------------------------------------------------------------------------

    def _resolve(self, trigger: Trigger) -> Key | None:
        """Return the type that should serve a binding: where it says, else at home, else ``default`` (core.md §6.2)."""
        type_id = trigger.trigger_type
        if trigger.trigger_namespace is not None:
            wanted = (trigger.trigger_namespace, type_id)
            return wanted if wanted in self._types else None
        for namespace in (trigger.home, DEFAULT_NAMESPACE):
            if (namespace, type_id) in self._types:
                return namespace, type_id
        return None

    def _serve(self, trigger: Trigger, key: Key, told: bool = False) -> None:
        """Make a binding live on a type and send it to the provider; a provider that is going leaves it parked."""
        self._unlist(trigger.id)
        trigger = _at(trigger, key)
        provider = self._types[key].provider
        message = BindTrigger(trigger, self.actor_ref) if provider.in_process else Send(trigger.as_message())
        if (told and provider.in_process) or _tell(provider.ref, message):
            self._live[trigger.id] = trigger
            self._served.setdefault(key, {})[trigger.id] = trigger
        else:
            self._park(trigger)

    def _park(self, trigger: Trigger) -> None:
        self._unlist(trigger.id)
        self._parked[trigger.id] = trigger
        self._waiting.setdefault(trigger.trigger_type, {})[trigger.id] = trigger

    def _withdraw(self, trigger: Trigger) -> None:
        """Tell the provider of a live binding that it is over."""
        registered = self._types.get(trigger.served_by)
        if registered is None:
            return
        if registered.provider.in_process:
            _tell(registered.provider.ref, UnbindTrigger(trigger))
        else:
            _tell(registered.provider.ref, Send(wire.UnregisterTrigger(trigger.id, trigger.trigger_type)))

    def _unlist(self, trigger_id: str) -> None:
        """Take a binding out of live or parked, wherever it is."""
        live = self._live.pop(trigger_id, None)
        if live is not None:
            _remove(self._served, live.served_by, trigger_id)
        parked = self._parked.pop(trigger_id, None)
        if parked is not None:
            _remove(self._waiting, parked.trigger_type, trigger_id)

    def _forget(self, trigger_id: str) -> None:
        """Drop a binding for good, from its owner's set too."""
        old = self._live.get(trigger_id) or self._parked.get(trigger_id)
        self._unlist(trigger_id)
        self._acks.pop(trigger_id, None)
        if old is not None and old.owner is not None:
            owned = self._of_worker.get(old.owner.worker_id)
            if owned is not None:
                owned.discard(trigger_id)

    # --- questions ---------------------------------------------------------------------------------------------------

    @handles(ListTriggerTypes)
    def list_types(self, _: ListTriggerTypes) -> list[TriggerType]:
        return list(self._types.values())

    @handles(ListTriggers)
    def list_live(self, _: ListTriggers) -> list[Trigger]:
        return list(self._live.values())

    @handles(FindTrigger)
    def find(self, query: FindTrigger) -> Trigger | None:
        return self._live.get(query.trigger_id)


_GONE: Final = (ActorDeadError, MailboxFull)


def _tell(ref: Ref, message: object) -> bool:
    """Tell somebody who may be leaving; returns whether it was there to be told."""
    try:
        ref.tell(message)
    except _GONE:
        return False
    return True


def _release(provider: Target, trigger: Trigger) -> None:
    """Tell a provider in this process that it serves a binding no longer; a worker is not told (core.md §6.1, §6.2)."""
    if provider.in_process:
        _tell(provider.ref, UnbindTrigger(trigger))


def _at(trigger: Trigger, key: Key) -> Trigger:
    """Return the binding as served by a type."""
    if trigger.provider_namespace == key[0]:
        return trigger
    return msgspec.structs.replace(trigger, provider_namespace=key[0])


def _remove(index: dict[_Key, dict[str, Trigger]], key: _Key, trigger_id: str) -> None:
    """Take one binding out of an index, and the index's row when it was the last."""
    row = index.get(key)
    if row is not None:
        row.pop(trigger_id, None)
        if not row:
            del index[key]
