"""The engine's errors: one root, one class per code that may go over the wire.

EngineError
├── routing a call (core.md §7)
│   ├── FunctionNotFound            function_not_found
│   ├── InvocationStopped           invocation_stopped
│   ├── InvocationError             invocation_error
│   ├── ChannelSendFailed           channel_send_failed
│   └── EnqueueError                enqueue_error
├── what a caller may do, and where (core.md §8, §10)
│   ├── InvalidNamespace            INVALID_NAMESPACE
│   └── Forbidden                   FORBIDDEN
├── the engine's own functions (engine-functions.md)
│   ├── DeserializationError        deserialization_error
│   ├── SerializationError          serialization_error
│   ├── InvalidArguments            INVALID_ARGUMENTS
│   ├── NotFound                    NOT_FOUND
│   ├── TriggerRegistrationFailed   trigger_registration_failed
│   └── UnregisterFailed            unregister_failed
├── publishing (pubsub.md §2)
│   └── TopicNotSet                 topic_not_set
└── starting the engine (config-and-cli.md §1, §2); shown to the operator, never sent
    ├── ConfigError                 config_error
    └── ListenError                 listen_error

Clients compare codes and, here and there, whole messages. Where the specification fixes a text, the class builds it, so
that no other module spells it. An instance is plain data: any thread may make, raise, keep or read one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from iii_actors import limits

__all__ = [
    "ChannelSendFailed",
    "ConfigError",
    "DeserializationError",
    "EngineError",
    "EnqueueError",
    "Forbidden",
    "FunctionNotFound",
    "InvalidArguments",
    "InvalidNamespace",
    "InvocationError",
    "InvocationStopped",
    "ListenError",
    "NotFound",
    "SerializationError",
    "TopicNotSet",
    "TriggerRegistrationFailed",
    "UnregisterFailed",
]


class EngineError(Exception):
    """Root of everything the engine reports on purpose.

    :attr:`code` and :attr:`message` are the two required members of the wire's ErrorBody (core.md §2.1); errors made by
    the engine carry no stack trace.
    """

    code: ClassVar[str] = "engine_error"
    """The code callers see and compare; fixed per class."""

    message: str
    """One line for people; where the specification words it, exactly those words."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # Subclasses take other arguments than the message, so copying goes round their constructors.
        return _rebuild, (type(self), self.message), self.__dict__

    def body(self) -> dict[str, str]:
        """Return the ErrorBody to send: ``{"code": ..., "message": ...}``."""
        return {"code": self.code, "message": self.message}


def _rebuild(cls: type[EngineError], message: str) -> EngineError:
    """Make an instance from its message alone (for :mod:`copy` and :mod:`pickle`)."""
    error = cls.__new__(cls)
    EngineError.__init__(error, message)
    return error


def _joined(namespaces: Sequence[str]) -> str:
    return ", ".join(sorted(namespaces))


# --- routing a call ---------------------------------------------------------------------------------------------------


class FunctionNotFound(EngineError):
    """Nobody holds the function in the namespace the call named (core.md §7.6).

    :param elsewhere: namespaces that do hold the id, in any order; they become the hint.
    :param internal: the engine itself made the call (hook, auth, middleware, queue provider): no full stop and no hint.
    """

    code = "function_not_found"

    def __init__(
        self, function_id: str, namespace: str, elsewhere: Sequence[str] = (), *, internal: bool = False
    ) -> None:
        message = f"Function {function_id} not found in namespace {namespace}"
        if not internal:
            message += "."
            if elsewhere:
                message += f" It is registered in namespace(s): {_joined(elsewhere)}."
        super().__init__(message)


class InvocationStopped(EngineError):
    """The callee's connection ended before it answered (core.md §3.6 step 4)."""

    code = "invocation_stopped"

    def __init__(self) -> None:
        super().__init__("Invocation stopped")


class InvocationError(EngineError):
    """A pending call lost its place to a later call with the same invocation id (core.md §7.4)."""

    code = "invocation_error"

    def __init__(self, message: str = "channel closed") -> None:
        super().__init__(message)


class ChannelSendFailed(EngineError):
    """The callee's socket was closing when the call was to be forwarded (core.md §7.6)."""

    code = "channel_send_failed"

    def __init__(self, message: str = "channel closed") -> None:
        super().__init__(message)


class EnqueueError(EngineError):
    """A call with action ``enqueue`` could not be handed to the queue provider (core.md §7.5)."""

    code = "enqueue_error"

    @classmethod
    def no_provider(cls) -> EnqueueError:
        """Nobody holds ``engine::queue::enqueue``."""
        underlying = FunctionNotFound("engine::queue::enqueue", "default", internal=True)
        return cls(
            "No queue provider is installed. `TriggerAction::Enqueue` routes through the `engine::queue::enqueue` "
            "provider, which the standalone queue worker registers. Add it with `iii worker add queue`. "
            f"(underlying: {underlying})"
        )

    @classmethod
    def from_provider(cls, code: str, message: str) -> EnqueueError:
        """The provider answered with an error of its own."""
        return cls(f"{code}: {message}")


# --- what a caller may do, and where ----------------------------------------------------------------------------------


class InvalidNamespace(EngineError):
    """A namespace was named and left blank (core.md §6.2, §7.1, §8.1).

    :param field: the member that was blank: ``namespace`` or ``trigger_namespace``.
    """

    code = "INVALID_NAMESPACE"

    def __init__(self, field: str = "namespace") -> None:
        super().__init__(
            f"`{field}` is empty: it was named and left blank. Give it a name, or omit it to use `default`."
        )

    @classmethod
    def declared(cls, worker_name: str | None, raw: str) -> InvalidNamespace:
        """A worker declared a blank namespace when it registered (core.md §3.3)."""
        error = cls()
        error.message = (
            f"namespace is empty: worker '{worker_name or '<unnamed>'}' declared \"{raw}\". "
            "Give it a name, or omit the field to register in 'default'."
        )
        error.args = (error.message,)
        return error


class Forbidden(EngineError):
    """The caller's session does not allow this (core.md §7.6, §10)."""

    code = "FORBIDDEN"

    @classmethod
    def not_exposed(cls, function_id: str) -> Forbidden:
        """No rule of the listener exposes the function."""
        return cls(f"function '{function_id}' not allowed (add to rbac.expose_functions)")

    @classmethod
    def explicitly(cls, function_id: str) -> Forbidden:
        """The session lists the function among the forbidden ones."""
        return cls(f"function '{function_id}' not allowed (remove from rbac.forbidden_functions)")

    @classmethod
    def namespace(cls, namespace: str, permitted: Sequence[str]) -> Forbidden:
        """A register call declared a namespace outside the session's."""
        return cls(f"namespace '{namespace}' not allowed for this session (permitted: {_joined(permitted)})")

    @classmethod
    def not_visible(cls, function_id: str) -> Forbidden:
        """``engine::functions::info`` was asked about a function the session may not call."""
        return cls(f"Function '{function_id}' is not visible to this session.")

    @classmethod
    def trigger_target(cls, function_id: str, namespace: str) -> Forbidden:
        """A trigger was to call a function the session may not call."""
        return cls(f"function '{function_id}' not allowed in namespace '{namespace}'")

    @classmethod
    def trigger_type(cls, trigger_type: str) -> Forbidden:
        """``engine::register_trigger`` named a type the session may not bind."""
        return cls(f"Trigger type '{trigger_type}' is not allowed for this session.")


# --- the engine's own functions ---------------------------------------------------------------------------------------


class DeserializationError(EngineError):
    """A built-in function was given an input of the wrong shape (engine-functions.md §1)."""

    code = "deserialization_error"

    def __init__(self, function_id: str, detail: str) -> None:
        super().__init__(f"Failed to deserialize input for {function_id}: {detail}")

    @classmethod
    def missing(cls, function_id: str, field: str) -> DeserializationError:
        """A required member is absent."""
        return cls(function_id, f"missing field `{field}`")


class SerializationError(EngineError):
    """A built-in function's result cannot be written as JSON (core.md §7.6); the message is the encoder's detail."""

    code = "serialization_error"


class InvalidArguments(EngineError):
    """Arguments that are well-formed one by one but not together (engine-functions.md §4)."""

    code = "INVALID_ARGUMENTS"

    @classmethod
    def both_ids(cls) -> InvalidArguments:
        """``engine::functions::info`` was given one id and a list."""
        return cls("pass either `function_id` or `function_ids`, not both")

    @classmethod
    def no_ids(cls) -> InvalidArguments:
        """``engine::functions::info`` was given neither."""
        return cls("missing field `function_id` (or `function_ids` for a batch)")

    @classmethod
    def empty_ids(cls) -> InvalidArguments:
        """``engine::functions::info`` was given an empty list."""
        return cls("`function_ids` must be a non-empty array of function ids")

    @classmethod
    def too_many_ids(cls) -> InvalidArguments:
        """``engine::functions::info`` was given more than :data:`limits.BATCH_IDS` different ids."""
        return cls(f"too many function_ids (max {limits.BATCH_IDS})")


class NotFound(EngineError):
    """A look-up by id or name that has no, or no single, answer (engine-functions.md §4, §6)."""

    code = "NOT_FOUND"

    @classmethod
    def function(cls, function_id: str) -> NotFound:
        """No namespace holds the function."""
        return cls(f"Function '{function_id}' is not registered.")

    @classmethod
    def function_ambiguous(cls, function_id: str, namespaces: Sequence[str]) -> NotFound:
        """Several namespaces hold it, or only others than the one named (one text for both)."""
        return cls(
            f"Function '{function_id}' is ambiguous: it is registered in namespace(s): {_joined(namespaces)}. "
            "Pass `namespace` to select one."
        )

    @classmethod
    def trigger_type(cls, type_id: str, namespace: str) -> NotFound:
        """The namespace has no such trigger type."""
        return cls(f"Trigger type '{type_id}' is not registered in namespace '{namespace}'.")

    @classmethod
    def registered_trigger(cls, trigger_id: str) -> NotFound:
        """No live trigger has this id."""
        return cls(f"Registered trigger '{trigger_id}' was not found.")

    @classmethod
    def worker(cls, worker: str) -> NotFound:
        """No worker of this name (or, for the older functions, of this id) is connected."""
        return cls(f"Worker '{worker}' is not connected.")

    @classmethod
    def worker_elsewhere(cls, name: str, namespaces: Sequence[str]) -> NotFound:
        """A worker of this name is connected, but not in the namespace named."""
        return cls(
            f"Worker '{name}' is not connected in the requested namespace; "
            f"it is connected in namespace(s): {_joined(namespaces)}."
        )

    @classmethod
    def worker_ambiguous(cls, name: str, namespaces: Sequence[str]) -> NotFound:
        """Workers of this name are connected in several namespaces, none of them ``default``."""
        return cls(
            f"Worker '{name}' is ambiguous: it is connected in namespace(s): {_joined(namespaces)}. "
            "Pass `namespace` to disambiguate."
        )


class TriggerRegistrationFailed(EngineError):
    """The provider of a trigger type refused an instance (core.md §6.2, §6.7)."""

    code = "trigger_registration_failed"

    @classmethod
    def from_provider(cls, code: str, message: str) -> TriggerRegistrationFailed:
        """A worker that provides the type answered with an error of its own."""
        return cls(f"{code}: {message}")


class UnregisterFailed(EngineError):
    """The provider of a trigger type refused to let an instance go (core.md §6.7)."""

    code = "unregister_failed"


# --- publishing -------------------------------------------------------------------------------------------------------


class TopicNotSet(EngineError):
    """A message is published to the topic with the empty name, which there is not (pubsub.md §2)."""

    code = "topic_not_set"

    def __init__(self) -> None:
        super().__init__("Topic is not set")


# --- starting the engine ----------------------------------------------------------------------------------------------


class ConfigError(EngineError):
    """The settings are wrong. One line: the place, the problem and, where there is one, the mend.

    :param place: where to look, for example ``config.yaml:4: workers[1].config.port``.
    :param problem: what is wrong there.
    :param mend: what to write instead; empty if the problem says it already.
    """

    code = "config_error"

    def __init__(self, place: str, problem: str, mend: str = "") -> None:
        self.place = place
        self.problem = problem
        self.mend = mend
        super().__init__(f"{place}: {problem}" + (f"; {mend}" if mend else ""))


class ListenError(EngineError):
    """A listener cannot be opened: the port is taken, not permitted, or the address is not this machine's.

    :param reason: the operating system's words, for example ``Address already in use``.
    :param mend: what to do about it, if not what helps where the port is taken.
    """

    code = "listen_error"

    def __init__(self, host: str, port: int, reason: str, mend: str = "") -> None:
        self.host = host
        self.port = port
        self.reason = reason
        mend = mend or "stop what holds the address or choose another port"
        super().__init__(f"cannot listen on {host}:{port}: {reason}; {mend}")
