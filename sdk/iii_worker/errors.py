"""Every error the SDK raises; :class:`Error` is their root.

A handler may raise :class:`Error` (or a subclass) itself: its ``code`` and ``message`` are what the caller gets
(spec sdk.md §3.10). What callers catch is :class:`InvocationError`.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "AddressError",
    "ConnectFailedError",
    "Error",
    "ForkedError",
    "InvocationError",
    "RegistrationRejectedError",
]

INVOCATION_FAILED: Final = "invocation_failed"
TIMEOUT: Final = "TIMEOUT"
SHUTDOWN: Final = "SHUTDOWN"
FORBIDDEN: Final = "FORBIDDEN"
AUTH_ERROR: Final = "AUTH_ERROR"
UNKNOWN: Final = "UNKNOWN"
CONNECTION_LOST: Final = "CONNECTION_LOST"
CONNECT_FAILED: Final = "CONNECT_FAILED"
NOT_CONNECTED: Final = "NOT_CONNECTED"
OUTBOX_FULL: Final = "OUTBOX_FULL"
TOO_MANY_CALLS: Final = "TOO_MANY_CALLS"
PAYLOAD_TOO_LARGE: Final = "PAYLOAD_TOO_LARGE"
INVALID_ADDRESS: Final = "INVALID_ADDRESS"
FORKED: Final = "FORKED"
FUNCTION_NAMESPACE_CONFLICT: Final = "FUNCTION_NAMESPACE_CONFLICT"


class Error(Exception):
    """The root of the SDK's errors, and what a handler raises to answer with a code of its own.

    ``raise Error("no such user", code="user_not_found")`` in a handler reaches the caller as an
    :class:`InvocationError` with that code and message. Without a code it is ``invocation_failed``, which is what any
    other exception becomes.
    """

    def __init__(self, message: str = "", code: str = INVOCATION_FAILED) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return self.message


class InvocationError(Error):
    """A call failed; ``str`` is ``CODE: message`` and never holds the stack trace (spec sdk.md §4.2).

    ``code`` is what to react to. From this SDK: ``TIMEOUT``, ``SHUTDOWN`` (the client was shut down),
    ``CONNECTION_LOST`` (it went while the call was under way: the function may have run), ``NOT_CONNECTED``
    (``offline_calls="fail"``), ``OUTBOX_FULL``, ``TOO_MANY_CALLS``, ``PAYLOAD_TOO_LARGE``, ``FORBIDDEN``, ``UNKNOWN``
    (the error object on the wire was malformed). From the engine: ``function_not_found``, ``invocation_stopped`` (the
    worker that ran it left), ``enqueue_error``, ... From the function: ``invocation_failed`` or a code of its own.
    """

    def __init__(
        self,
        code: str,
        message: str,
        function_id: str | None = None,
        stacktrace: str | None = None,
        invocation_id: str | None = None,
    ) -> None:
        super().__init__(message, code)
        self.args = (code, message, function_id, stacktrace, invocation_id)
        self.function_id = function_id
        self.stacktrace = stacktrace
        """The trace where it was raised, maybe in another language; it may show internals, so do not show it to users.
        """
        self.invocation_id = invocation_id

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class RegistrationRejectedError(Error):
    """The engine refused this worker: another live worker of the namespace has its name. The client does not reconnect.

    Give this worker another ``worker_name`` (or the environment variable ``III_WORKER_NAME``), or stop the other.
    """

    def __init__(self, code: str, namespace: str, worker_name: str, owner_worker_id: str) -> None:
        super().__init__(
            f"{code}: worker {worker_name!r} was refused in namespace {namespace!r}: "
            f"worker {owner_worker_id} is connected under that name. Choose another worker_name, or stop the other.",
            code,
        )
        self.args = (code, namespace, worker_name, owner_worker_id)
        self.namespace = namespace
        self.worker_name = worker_name
        self.owner_worker_id = owner_worker_id


class ConnectFailedError(Error):
    """No connection could be made: within ``connect_timeout``, or for good. The text says what is wrong and what to do.

    ``code`` is ``CONNECT_FAILED``, or ``FORBIDDEN`` if the engine refused this worker's credentials.
    """

    def __init__(self, message: str, code: str = CONNECT_FAILED) -> None:
        super().__init__(message, code)


class AddressError(Error, ValueError):
    """What was given as the engine's address is none; the text says what it should look like."""

    def __init__(self, message: str) -> None:
        super().__init__(message, INVALID_ADDRESS)
        self.args = (message,)


class ForkedError(Error):
    """The client was made in the process this one was forked from: its threads and its connection stayed there.

    Make a client of its own in each process, after the fork (for example in the server's ``post_fork`` hook).
    """

    def __init__(self) -> None:
        super().__init__(
            "this client belongs to the parent process: a fork takes neither its threads nor its connection along. "
            "Call register_worker() in the child, after the fork.",
            FORKED,
        )
        self.args = ()


def from_wire(error: Any, function_id: str | None, invocation_id: str | None) -> InvocationError:
    """Return the exception for an ErrorBody; one that is malformed gives ``UNKNOWN`` (spec sdk.md §4.2)."""
    if not isinstance(error, dict):
        return InvocationError(UNKNOWN, str(error), function_id, None, invocation_id)
    code, message, stacktrace = error.get("code"), error.get("message"), error.get("stacktrace")
    return InvocationError(
        code if isinstance(code, str) else UNKNOWN,
        message if isinstance(message, str) else "<no message>",
        function_id,
        stacktrace if isinstance(stacktrace, str) else None,
        invocation_id,
    )


def again(error: Exception) -> Exception:
    """Return an exception like one that was kept: each that is raised has its own traceback written into it."""
    return type(error)(*error.args)
