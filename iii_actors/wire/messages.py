"""Every message of the protocol, both ways (core.md §2).

One struct per ``type``; unknown members are ignored; payloads stay :class:`msgspec.Raw`, so that the engine never
parses what it only forwards. Optional text members are ``None`` when absent or null. Optional any-JSON members are
:data:`ABSENT` when absent, and are told from null by :func:`present`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct, field

__all__ = [
    "ABSENT",
    "EMPTY_OBJECT",
    "NULL",
    "Enqueue",
    "ErrorBody",
    "ErrorFrame",
    "FromWorker",
    "InvocationResult",
    "InvokeFunction",
    "Ping",
    "Pong",
    "Reattach",
    "RegisterFunction",
    "RegisterService",
    "RegisterTrigger",
    "RegisterTriggerType",
    "RegistrationRejected",
    "ToWorker",
    "TriggerRegistrationResult",
    "UnregisterFunction",
    "UnregisterTrigger",
    "Void",
    "WorkerRegistered",
    "present",
]

ABSENT: Final = Raw(b"")
"""An any-JSON member that the sender left out; never written to the wire."""
NULL: Final = Raw(b"null")
EMPTY_OBJECT: Final = Raw(b"{}")


def _null() -> Raw:
    """Make the default of a member that is always written: a factory's value is never taken for the default."""
    return Raw(b"null")


def present(value: Raw) -> bool:
    """Return whether an optional any-JSON member has a value: neither absent nor null (core.md §1.3-4)."""
    return value is not ABSENT and bytes(value) != b"null"


class ErrorBody(Struct, frozen=True, gc=False, omit_defaults=True):
    """What went wrong with a call or a registration; further members are dropped on forwarding."""

    code: str
    message: str
    stacktrace: str | None = None


# --- both ways -------------------------------------------------------------------------------------------------------


class Void(Struct, frozen=True, gc=False, tag="void"):
    """``action``: run it, answer nothing."""


class Enqueue(Struct, frozen=True, gc=False, omit_defaults=True, tag="enqueue"):
    """``action``: hand it to the queue provider and answer with a receipt (core.md §7.5).

    All but the queue's name is ours, and is the provider's to check.
    """

    queue: str
    delay_ms: Raw = ABSENT
    run_at: Raw = ABSENT
    idempotency_key: Raw = ABSENT
    max_retries: Raw = ABSENT
    priority: Raw = ABSENT
    group: Raw = ABSENT


class InvokeFunction(Struct, frozen=True, gc=False, omit_defaults=True, tag="invokefunction"):
    """A call. To a worker it always has ``invocation_id`` and ``data`` and never ``action`` or ``namespace``."""

    function_id: str
    invocation_id: str | None = None
    traceparent: str | None = None
    baggage: str | None = None
    action: Void | Enqueue | None = None
    namespace: str | None = None
    metadata: Raw = ABSENT
    data: Raw = field(default_factory=_null)
    """Last, so that a large payload can leave without being copied (:func:`~iii_actors.wire.codec.encode_parts`)."""


class InvocationResult(Struct, frozen=True, gc=False, omit_defaults=True, tag="invocationresult"):
    """The answer to a call: ``result`` or ``error``."""

    invocation_id: str
    function_id: str
    traceparent: str | None = None
    baggage: str | None = None
    error: ErrorBody | None = None
    result: Raw = ABSENT


class RegisterTrigger(Struct, frozen=True, gc=False, omit_defaults=True, tag="registertrigger"):
    """A binding of a function to a trigger type; also what a provider is sent (core.md §6.2)."""

    id: str
    trigger_type: str
    function_id: str
    config: Raw = field(default_factory=_null)
    metadata: Raw = ABSENT
    namespace: str | None = None
    trigger_namespace: str | None = None


class UnregisterTrigger(Struct, frozen=True, gc=False, omit_defaults=True, tag="unregistertrigger"):
    id: str
    trigger_type: str | None = None


class TriggerRegistrationResult(Struct, frozen=True, gc=False, omit_defaults=True, tag="triggerregistrationresult"):
    """A provider's acknowledgement; to a registering worker only ever a failure."""

    id: str
    trigger_type: str
    function_id: str
    error: ErrorBody | None = None


class Ping(Struct, frozen=True, gc=False, tag="ping"):
    pass


class Pong(Struct, frozen=True, gc=False, tag="pong"):
    pass


# --- worker to engine ------------------------------------------------------------------------------------------------


class RegisterFunction(Struct, frozen=True, gc=False, tag="registerfunction"):
    id: str
    description: str | None = None
    request_format: Raw = ABSENT
    response_format: Raw = ABSENT
    metadata: Raw = ABSENT
    invocation: Raw = ABSENT


class UnregisterFunction(Struct, frozen=True, gc=False, tag="unregisterfunction"):
    id: str


class RegisterTriggerType(Struct, frozen=True, gc=False, tag="registertriggertype"):
    id: str
    description: str
    trigger_request_format: Raw = ABSENT
    call_request_format: Raw = ABSENT
    namespace: str | None = None


class RegisterService(Struct, frozen=True, gc=False, tag="registerservice"):
    id: str
    name: str = ""
    description: str | None = None
    parent_service_id: str | None = None


class Reattach(Struct, frozen=True, gc=False, tag="reattach"):
    previous_worker_id: str
    reattach_token: str | None = None


# --- engine to worker ------------------------------------------------------------------------------------------------


class WorkerRegistered(Struct, frozen=True, gc=False, tag="workerregistered"):
    worker_id: str
    reattach_token: str


class RegistrationRejected(Struct, frozen=True, gc=False, omit_defaults=True, tag="registrationrejected"):
    """Another worker holds the function or the name; exactly one of the last two members is set."""

    code: str
    namespace: str
    owner_worker_id: str
    worker_name: str | None = None
    function_id: str | None = None


class ErrorFrame(Struct, frozen=True, gc=False, tag="error"):
    """An access refusal; the socket closes after it (core.md §10.2)."""

    error: ErrorBody


FromWorker = (
    InvokeFunction
    | InvocationResult
    | RegisterFunction
    | UnregisterFunction
    | RegisterTriggerType
    | RegisterTrigger
    | UnregisterTrigger
    | TriggerRegistrationResult
    | RegisterService
    | Reattach
    | Ping
    | Pong
    | WorkerRegistered
    | RegistrationRejected
)
"""What a worker may send. Its last two are of valid shape from the engine's side only, and are ignored."""

ToWorker = (
    WorkerRegistered
    | InvokeFunction
    | InvocationResult
    | RegisterTrigger
    | UnregisterTrigger
    | TriggerRegistrationResult
    | RegistrationRejected
    | Pong
    | ErrorFrame
)
