"""What the parts of a client know of each other: narrow protocols, so that no part imports another.

``IIIClient`` builds the parts and hands itself to each as a :class:`ClientPort`; the connection's reading thread knows
the tables only as :class:`Invocations` and :class:`Notices`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NotRequired, Protocol, TypedDict

import msgspec

if TYPE_CHECKING:
    from iii_worker.options import InitOptions

__all__ = [
    "Caller",
    "ClientPort",
    "ErrorObject",
    "HandlerPool",
    "Incoming",
    "Invocations",
    "Notices",
    "Replay",
    "Reply",
]


class ErrorObject(TypedDict):
    """The error of an ``invocationresult`` (spec core.md §2.1, ErrorBody)."""

    code: str
    message: str
    stacktrace: NotRequired[str]


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One ``invokefunction`` from the engine; its payloads are JSON text, not yet decoded."""

    function_id: str
    data: msgspec.Raw
    """Undecoded JSON, ``null`` if the frame had none: ``msgspec.json.decode(incoming.data, type=...)``."""
    invocation_id: str | None = None
    """None: nobody waits for an answer (``reply`` may still be called; it then does nothing)."""
    metadata: msgspec.Raw | None = None
    """Undecoded JSON of the call's metadata, None if it had none."""
    traceparent: str | None = None
    baggage: str | None = None


Reply = Callable[[bytes | None, ErrorObject | None], None]
"""``reply(result_json, None)`` or ``reply(None, error)``: ends one invocation, once; later calls do nothing.

From any thread. Never raises for a lost connection: an answer goes out on the connection its invocation came from, or
not at all (spec sdk.md §7.7). ``reply(None, None)`` answers null."""


class Caller(Protocol):
    """Something that calls functions by id, blocking; thread-safe."""

    def call(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Any:
        """Call and wait at most ``timeout`` seconds for the result; raise ``InvocationError``."""

    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None:
        """Call without waiting and without an answer."""


class HandlerPool(Protocol):
    """Runs handlers and providers' callbacks on a bounded number of daemon threads (pool.py)."""

    def submit(self, job: Callable[[], None]) -> bool:
        """Run ``job`` soon on a thread of the pool. False if the queue is full or the pool is closed. Never blocks."""

    def blocking(self) -> AbstractContextManager[None]:
        """What a thread enters while it waits for an answer: a handler's place is given to another job meanwhile.

        Costs nothing to speak of on threads that are not the pool's.
        """

    def drain(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until no job runs or waits; say whether that came."""

    def close(self) -> None:
        """Take no more jobs; threads end when they are idle. Never blocks."""


class Invocations(Protocol):
    """The function table, as the reading thread knows it. Nothing here may block."""

    def dispatch(self, incoming: Incoming, reply: Reply) -> None:
        """Start the handler of an invocation, or answer an error."""

    def on_rejected(self, frame: dict[str, Any]) -> None:
        """Take note of a ``registrationrejected`` with code ``FUNCTION_NAMESPACE_CONFLICT``."""


class Notices(Protocol):
    """The trigger table, as the reading thread knows it. Nothing here may block."""

    def on_frame(self, frame: dict[str, Any]) -> None:
        """Take a ``registertrigger``, ``unregistertrigger`` or ``triggerregistrationresult``, decoded."""


class Replay(Protocol):
    """What is registered; the connection sends each live registration exactly once per connection (replay.py).

    ``add_*`` take the wire frame (with its ``type``; spec sdk.md §5.1), keyed by its ``id``. Adding the same key again
    replaces the registration and sends it again. Thread-safe; never blocks for longer than one socket write.
    """

    def add_function(self, frame: dict[str, Any]) -> None: ...
    def remove_function(self, function_id: str) -> None: ...
    def add_trigger_type(self, frame: dict[str, Any]) -> None: ...
    def remove_trigger_type(self, trigger_type_id: str) -> None: ...
    def add_trigger(self, frame: dict[str, Any]) -> None: ...
    def remove_trigger(self, trigger_id: str, trigger_type: str) -> None: ...
    def add_service(self, frame: dict[str, Any]) -> None: ...


class ClientPort(Caller, Protocol):
    """The client, as its parts see it: what they may use of it."""

    @property
    def options(self) -> InitOptions:
        """As resolved: ``worker_name`` and ``namespace`` are filled in."""

    @property
    def address(self) -> str:
        """The engine's address, as resolved: ``ws://...``"""

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers of every upgrade request."""

    @property
    def namespace(self) -> str | None:
        """The worker's own namespace; None is the engine's ``default``."""

    @property
    def worker_id(self) -> str | None:
        """The id the engine gave this connection; None while there is none."""

    @property
    def pool(self) -> HandlerPool: ...

    @property
    def replay(self) -> Replay: ...

    def send_frame(self, frame: dict[str, Any]) -> None:
        """Send a frame on the present connection; dropped with a debug line if there is none."""

    def adopt(self, function_id: str, job: Callable[[], None]) -> bool:
        """Offer a job from inside ``dispatch`` to the reading thread itself: no thread hop for short handlers.

        True: ``job`` runs on this thread right after ``dispatch`` has returned, while another thread goes on reading.
        False: give it to the pool. The job must keep its own books (concurrency limits, running handlers) just as it
        does on the pool, and may block: the connection then does without this thread.
        """

    def add_connection_state_listener(self, callback: Callable[[str], None]) -> Callable[[], None]: ...
