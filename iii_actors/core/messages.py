"""What the core actors say to each other: small immutable objects with the field's names (design.md §5).

"Asked" messages are answered by the handler's return value; the others are told. Handlers stand in the actor's file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Raw, Struct

from iii_actors.actor import Ref
from iii_actors.wire import messages as wire

if TYPE_CHECKING:
    from iii_actors.access.policy import Access
    from iii_actors.core.functions import Function

DEFAULT_NAMESPACE = "default"


class Caller(NamedTuple):
    """The worker that makes a call."""

    worker_id: str
    ref: Ref
    """Its connection: gets the :class:`Completed`."""
    member: bytes
    """``_caller_worker_id``, ready to splice into a payload; empty: nothing is spliced."""
    access: Access | None = None
    """What its session may do; None: everything (core.md §10)."""


# --- calls -----------------------------------------------------------------------------------------------------------


class Invoke(Struct, frozen=True, gc=False):
    """To functions: make this call. ``call.invocation_id`` and ``call.action`` are settled by the sender."""

    call: wire.InvokeFunction
    namespace: str
    invocation_id: str
    reply_to: Ref | None
    """Gets one :class:`Completed`; None: nobody wants the outcome."""
    caller: Caller | None
    """None for calls that the engine itself makes."""
    internal: bool = False
    """An engine-internal call: a missing function is worded without hint (core.md §7.6); its trace context is valid."""
    context: Any = None
    """What the maker of the call wants to find again in its :class:`Completed`."""


class Forward(Struct, frozen=True, gc=False):
    """Functions to invocations: file this call, then forward it; invocations to the target: here it is."""

    invoke: Invoke
    function: Function
    target: Target


class Completed(Struct, frozen=True, gc=False):
    """To whoever made the call: its one outcome."""

    invoke: Invoke
    result: Raw
    error: wire.ErrorBody | None = None


class Enqueue(Struct, frozen=True, gc=False):
    """To the enqueue desk: hand this call to the queue provider (core.md §7.5)."""

    invoke: Invoke
    action: wire.Enqueue


class Answer(Struct, frozen=True, gc=False):
    """To invocations: an in-process function's outcome."""

    invocation_id: str
    result: Raw
    error: wire.ErrorBody | None = None


class Halt(NamedTuple):
    """Asked of invocations: end every call that this worker makes or executes (core.md §3.6-4)."""

    worker_id: str


class CountCalls(NamedTuple):
    """Asked of invocations: calls in flight per worker id, ``dict[str, int]``; absent means none."""


class ListCalls(NamedTuple):
    """Asked of invocations: the ids in flight of one worker, as caller and as callee, ``list[str]``."""

    worker_id: str


class Target(NamedTuple):
    """Who executes a function: a worker's connection, or a built-in's actor."""

    worker_id: str
    """A connection's UUID, or a built-in worker's instance name."""
    ref: Ref
    in_process: bool = False
    endpoint: Any = None
    """What the provider of external functions has prepared; ``ref`` is then the provider's (core.md §5)."""


# --- functions -------------------------------------------------------------------------------------------------------


class RegisterFunction(NamedTuple):
    """Asked of functions: returns None, or the ``registrationrejected`` to send (core.md §4.2)."""

    namespace: str
    definition: wire.RegisterFunction
    target: Target


class UnregisterFunction(NamedTuple):
    """Asked of functions: returns whether the sender owned it (core.md §4.3)."""

    namespace: str
    function_id: str
    worker_id: str


class RemoveFunctionsOf(NamedTuple):
    """Asked of functions: a worker leaves; what a successor has claimed stays."""

    worker_id: str


class FindFunction(NamedTuple):
    """Asked of functions: ``(Function | None, sorted namespaces holding the id)``; the namespace None: any."""

    function_id: str
    namespace: str | None


class ListFunctions(NamedTuple):
    """Asked of functions: every :class:`~iii_actors.core.functions.Function` there is, as a list."""


class FunctionsOf(NamedTuple):
    """Asked of functions: those that one worker executes, as a list."""

    worker_id: str


class FunctionsChanged(NamedTuple):
    """To whoever watches: the set of (namespace, id) is another one now."""


# --- workers ---------------------------------------------------------------------------------------------------------


class Join(NamedTuple):
    """Asked of workers: a connection was accepted. Returns the record (core.md §3.1)."""

    worker_id: str
    reattach_token: str
    ref: Ref
    ip_address: str | None
    eviction: Any
    """A :class:`~iii_actors.core.workers.Departure`."""


class Describe(NamedTuple):
    """Asked of workers: ``engine::workers::register``. Returns None, or the ``registrationrejected`` (core.md §3.3)."""

    worker_id: str
    namespace: str
    details: Any
    """A :class:`~iii_actors.core.workers.WorkerDetails`."""


class TearDown(NamedTuple):
    """Asked of workers: from now on this worker holds nobody up."""

    worker_id: str


class Leave(NamedTuple):
    """Asked of workers: forget the worker and its name; the event goes out."""

    worker_id: str


class FindPredecessor(NamedTuple):
    """Asked of workers: the :class:`Departure` of the connection that a valid ``reattach`` names, or None."""

    worker_id: str
    previous_worker_id: str
    reattach_token: str | None


class AddBuiltin(NamedTuple):
    """Asked of workers: an in-process worker appears in the list."""

    record: Any


class RemoveBuiltin(NamedTuple):
    """Asked of workers."""

    worker_id: str


class ListWorkers(NamedTuple):
    """Asked of workers: every :class:`~iii_actors.core.workers.WorkerRecord`, as a list."""


class FindWorker(NamedTuple):
    """Asked of workers: the record with this id, or None."""

    worker_id: str


class WorkerEvent(NamedTuple):
    """To whoever watches: ``worker_`` and ``connected``, ``metadata_updated`` or ``disconnected`` (core.md §12.1)."""

    event: str
    worker_id: str


# --- triggers --------------------------------------------------------------------------------------------------------


class RegisterTriggerType(NamedTuple):
    """Asked of triggers: a provider takes ``(namespace, id)`` (core.md §6.1)."""

    namespace: str
    definition: wire.RegisterTriggerType
    provider: Target


class RegisterTrigger(NamedTuple):
    """Asked of triggers (core.md §6.2).

    Returns a :class:`Binding` whose in-process provider must accept first (ask it :class:`BindTrigger`, then repeat
    this message with ``accepted``), or None when it is done. With ``ack_to`` it returns a :class:`Binding` also when a
    socket's worker has been sent the trigger: its acknowledgement is on the way.
    """

    definition: wire.RegisterTrigger
    home: str
    """Namespace of the registering connection."""
    owner: Caller | None
    """The registering worker; None for bindings made by function call, which outlive their maker."""
    accepted: bool = False
    """The in-process provider has been asked and has accepted."""
    ack_to: Ref | None = None
    """Gets the socket provider's :class:`TriggerAcknowledged`."""


class Binding(NamedTuple):
    """A binding, and its provider, who has a say in it: one in this process is asked before it is made or undone."""

    trigger: Any
    provider: Target


class UnregisterTrigger(NamedTuple):
    """Asked of triggers (core.md §6.5).

    Returns a :class:`Binding` whose in-process provider must let go first (ask it :class:`UnbindTrigger`, then repeat
    this message with ``released``), or whether there was such a trigger.
    """

    trigger_id: str
    released: bool = False


class RemoveTriggersOf(NamedTuple):
    """Asked of triggers: a worker leaves (core.md §3.6-5, §6.4)."""

    worker_id: str


class AcknowledgeTrigger(NamedTuple):
    """To triggers: what a provider answered (core.md §6.3)."""

    worker_id: str
    result: wire.TriggerRegistrationResult


class TriggerAcknowledged(NamedTuple):
    """To the maker of a binding by function call: its provider has answered."""

    trigger_id: str
    error: wire.ErrorBody | None


class BindTrigger(NamedTuple):
    """To an in-process provider: serve this binding.

    Asked, it refuses by raising an ``EngineError``; told, it tells ``answer_to`` an :class:`AcknowledgeTrigger`.
    """

    trigger: Any
    """A :class:`~iii_actors.core.triggers.Trigger`."""
    answer_to: Ref | None = None


class UnbindTrigger(NamedTuple):
    """Asked of, or told to, an in-process provider: stop serving it. ``final``: it has been unregistered."""

    trigger: Any
    final: bool = False


class ListTriggerTypes(NamedTuple):
    """Asked of triggers: every :class:`~iii_actors.core.triggers.TriggerType`."""


class ListTriggers(NamedTuple):
    """Asked of triggers: every live :class:`~iii_actors.core.triggers.Trigger`; parked ones are invisible."""


class FindTrigger(NamedTuple):
    """Asked of triggers: the live one with this id, or None."""

    trigger_id: str


# --- to a connection -------------------------------------------------------------------------------------------------


class Send(Struct, frozen=True, gc=False):
    """To a connection: write this message."""

    message: wire.ToWorker


class Pong(Struct, frozen=True, gc=False):
    """To a connection: answer a WebSocket ping."""

    payload: bytes


class Ping(NamedTuple):
    """To a connection: send a WebSocket ping."""


class Drop(NamedTuple):
    """To a connection: end it; ``code`` None drops TCP without a Close frame, 0 sends a Close without status."""

    code: int | None
    reason: str = ""


class Writable(NamedTuple):
    """To a connection: its socket has room again."""


# --- services and channels -------------------------------------------------------------------------------------------


class RegisterService(NamedTuple):
    """To services (core.md §11)."""

    namespace: str
    definition: wire.RegisterService
    worker_id: str


class RemoveServicesOf(NamedTuple):
    """To services: a worker leaves, and with it what only it has declared."""

    worker_id: str


class ListServices(NamedTuple):
    """Asked of services."""


class Members(NamedTuple):
    """To services: function ids that came (or went) in one namespace."""

    namespace: str
    function_ids: Sequence[str]
    present: bool


class ChannelKey(NamedTuple):
    """What opens either end of a channel; both its references share it (core.md §9.1)."""

    channel_id: str
    access_key: str


class CreateChannel(NamedTuple):
    """Asked of channels: returns the :class:`ChannelKey` of a new one, or raises ``TooManyChannels`` (core.md §9.1)."""

    buffer_size: int
    """Messages that wait between the ends; cut to what the protocol allows."""
