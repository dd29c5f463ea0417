"""The functions a worker offers: registering them, and giving each invocation to its handler (spec sdk.md §3)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any, Final, TypeVar, Unpack

from iii_worker._types import ClientPort, Incoming, Reply
from iii_worker.errors import FUNCTION_NAMESPACE_CONFLICT, Error
from iii_worker.external import HttpInvocationConfig, invocation_from
from iii_worker.gate import Gate, Pass
from iii_worker.handlers import Handler, Run
from iii_worker.pool import HandlerPool
from iii_worker.registration import FunctionOptions, check_id, options_from, registration_frame
from iii_worker.signatures import shape_of
from iii_worker.values import Revive

__all__ = ["FunctionConflictError", "FunctionRef", "FunctionTable"]

logger = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class FunctionConflictError(Error):
    """Another live worker of the namespace holds the function; this worker's registration has no effect."""

    def __init__(self, function_id: str, namespace: str, owner_worker_id: str) -> None:
        owner = f"worker {owner_worker_id}" if owner_worker_id else "the engine"
        super().__init__(
            f"function {function_id!r} is held by {owner} in namespace {namespace!r}. Choose another id or another "
            'namespace, or let the workers share it: group="round_robin" on each',
            FUNCTION_NAMESPACE_CONFLICT,
        )
        self.args = (function_id, namespace, owner_worker_id)
        self.function_id = function_id
        self.namespace = namespace
        self.owner_worker_id = owner_worker_id

    def __str__(self) -> str:
        return self.message


class FunctionRef:
    """A registered function."""

    __slots__ = ("_table", "error", "id")

    def __init__(self, function_id: str, table: FunctionTable) -> None:
        self.id: Final = function_id
        self._table = table
        self.error: FunctionConflictError | None = None
        """Why the engine refused it when it was last sent; None as long as it has not."""

    def unregister(self) -> None:
        """Take it back. Invocations under way are answered; unregistering again changes nothing."""
        self._table.unregister(self)

    def __repr__(self) -> str:
        return f"FunctionRef({self.id!r})"


class _Entry:
    __slots__ = ("gate", "handler", "ref")

    def __init__(self, ref: FunctionRef, handler: Handler | None, gate: Gate | None) -> None:
        self.ref = ref
        self.handler = handler
        """None: an HTTP endpoint, which the engine calls."""
        self.gate = gate
        """None: as many at once as there are threads."""


class FunctionTable:
    """The functions of one client. Thread-safe.

    :param pool: the client's own.
    :param revive: puts readers and writers in the places of channel references in payloads.
    """

    def __init__(self, client: ClientPort, pool: HandlerPool, revive: Revive | None = None) -> None:
        self._client = client
        self._pool = pool
        self._revive = revive
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    # --- registering --------------------------------------------------------------------------------------------------

    def register(
        self,
        function_id: str | Mapping[str, Any],
        handler_or_invocation: Callable[..., Any] | HttpInvocationConfig | Mapping[str, Any],
        **options: Unpack[FunctionOptions],
    ) -> FunctionRef:
        """Offer a function to everybody in the worker's namespace, until :meth:`FunctionRef.unregister`.

        :param function_id: any text, customarily ``service::verb``; or, as in earlier SDKs, the id and options in one
            mapping: ``{"id": ..., "description": ...}``.
        :param handler_or_invocation: called with the payload, and with the call's metadata if it has a parameter
            ``metadata`` (second, or keyword-only). It runs on the handler pool, a coroutine function on a private event
            loop; context variables are as they are now. Or an :class:`HttpInvocationConfig`.

        Options, each by keyword:

        ``description``
            Shown in listings; by default the first paragraph of the handler's docstring.
        ``metadata``
            JSON, shown in listings.
        ``request_format``
            JSON Schema of the payload, or a type to make it of; False: publish none. By default it is made of the type
            hint of the handler's first parameter.
        ``response_format``
            The same of the result, from the return hint.
        ``group``
            Share the function with other workers that register it with the same policy: ``round_robin``,
            ``least_busy``, ``sticky`` or ``standby``. Without it a second worker is refused.
        ``group_key``
            For ``sticky``: the payload's top-level field by which the worker is chosen.
        ``concurrency``
            Invocations that run at once at most; others wait in the handler queue. An invocation that waits for a call
            keeps its place, so a function with a bound must not call itself.
        ``timeout``
            Seconds after which an invocation is answered with ``TIMEOUT``. A coroutine is cancelled then. A plain
            function cannot be stopped: its thread goes on, and another one is lent for its place.
        ``validate``
            False: pass payloads as they are decoded, whatever the hint says.

        Raises ``TypeError`` for an id that is no text or a handler that cannot be called with a payload, ``ValueError``
        for an id that is blank or registered already, and for options out of range.
        """
        given: dict[str, Any] = dict(options)
        if isinstance(function_id, Mapping):
            given = {**function_id, **given}
            function_id = given.pop("id", None)
        function_id = check_id(function_id)
        checked = options_from(given)
        invocation = invocation_from(handler_or_invocation)
        if invocation is not None:
            entry, frame = self._external(function_id, invocation, checked)
        elif callable(handler_or_invocation):
            entry, frame = self._internal(function_id, handler_or_invocation, checked)
        else:
            raise TypeError(
                f"the handler of {function_id!r} is {handler_or_invocation!r:.80}: give a function, or an "
                "HttpInvocationConfig"
            )
        with self._lock:
            if function_id in self._entries:
                raise ValueError(f"function {function_id!r} is registered already: unregister it first")
            self._entries[function_id] = entry
        self._client.replay.add_function(frame)
        return entry.ref

    def _external(
        self, function_id: str, invocation: HttpInvocationConfig, options: FunctionOptions
    ) -> tuple[_Entry, dict[str, Any]]:
        if "concurrency" in options or "timeout" in options:
            raise ValueError(
                "concurrency and timeout are for handlers; for an HTTP endpoint give timeout_ms to its invocation"
            )
        ref = FunctionRef(function_id, self)
        return _Entry(ref, None, None), registration_frame(function_id, options, invocation, None)

    def _internal(
        self, function_id: str, function: Callable[..., Any], options: FunctionOptions
    ) -> tuple[_Entry, dict[str, Any]]:
        shape = shape_of(function)
        concurrency = options.get("concurrency")
        gate = None if concurrency is None else Gate(concurrency, self._pool, self._start_held)
        handler = Handler(
            function_id,
            function,
            shape if options.get("validate", True) else shape.without_hints(),
            revive=self._revive,
            timeout=options.get("timeout"),
            context=copy_context(),
        )
        ref = FunctionRef(function_id, self)
        return _Entry(ref, handler, gate), registration_frame(function_id, options, function, shape)

    def decorator(self, function_id: str, **options: Unpack[FunctionOptions]) -> Callable[[_Function], _Function]:
        """Return a decorator that registers a function and leaves it as it is; options as for :meth:`register`."""
        if callable(function_id):
            raise TypeError('the decorator needs the function\'s id: @worker.function("users::create")')
        check_id(function_id)

        def register(function: _Function) -> _Function:
            self.register(function_id, function, **options)
            return function

        return register

    def unregister(self, function: FunctionRef | str) -> None:
        """Take a function back, by its reference or its id; one that is not registered is left at that."""
        function_id = function if isinstance(function, str) else function.id
        with self._lock:
            entry = self._entries.get(function_id)
            if entry is None or (entry.ref is not function and not isinstance(function, str)):
                return
            del self._entries[function_id]
        self._client.replay.remove_function(function_id)

    def ids(self) -> list[str]:
        """Return the ids of what is registered, in order of registration."""
        with self._lock:
            return list(self._entries)

    def ref(self, function_id: str) -> FunctionRef | None:
        """Return the reference of a registered function."""
        entry = self._entries.get(function_id)
        return None if entry is None else entry.ref

    def on_rejected(self, frame: dict[str, Any]) -> None:
        """Take note that the engine refused a function: another worker holds it (spec sdk.md §7.9)."""
        function_id = str(frame.get("function_id"))
        error = FunctionConflictError(
            function_id, str(frame.get("namespace") or "default"), str(frame.get("owner_worker_id") or "")
        )
        logger.warning("%s", error)
        ref = self.ref(function_id)
        if ref is not None:
            ref.error = error

    # --- invocations --------------------------------------------------------------------------------------------------

    def dispatch(self, incoming: Incoming, reply: Reply) -> None:
        """Give an invocation to its handler's thread, or answer why not. Never blocks; the connection's thread."""
        found = self._found(incoming, reply)
        if found is None:
            return
        run, gate = found
        passed = Pass.NOW if gate is None else gate.enter(run)
        if passed is Pass.NOW:
            self._start(run)
        elif passed is Pass.REFUSED and gate is not None:
            run.decline(gate.refusal())

    def run(self, incoming: Incoming, reply: Reply) -> None:
        """Serve an invocation on the calling thread, to the end, beside the pool and all limits; for tests."""
        found = self._found(incoming, reply)
        if found is None:
            return
        run, _ = found
        if run.handler.coroutine:
            self._pool.coroutines.wait_for(run.coroutine(), run.handler.context.copy())
        else:
            run()

    def _found(self, incoming: Incoming, reply: Reply) -> tuple[Run, Gate | None] | None:
        entry = self._entries.get(incoming.function_id)
        if entry is None:
            code, message = "function_not_found", f"Function {incoming.function_id} is not registered on this worker"
        elif entry.handler is None:
            code = "function_not_invokable"
            message = f"Function {incoming.function_id} is an HTTP endpoint: the engine calls it, this worker cannot"
        else:
            gate = entry.gate
            return Run(entry.handler, incoming, reply, self._pool, None if gate is None else gate.leave), gate
        self._pool.refusals.warning("An invocation was refused: %s", message)
        reply(None, {"code": code, "message": message})
        return None

    def _start(self, run: Run) -> None:
        pool, handler = self._pool, run.handler
        if handler.coroutine:
            if not pool.coroutines.submit(run.coroutine, handler.context.copy()):
                run.refuse(pool.coroutines.refusal())
            return
        if handler.timeout is None and self._client.adopt(handler.function_id, pool.as_guest(run)):
            pool.guest_arrived()
            return
        if not pool.submit(run, run.size, run.refuse):
            run.refuse(pool.refusal())

    def _start_held(self, run: Run) -> bool:
        """Start a run that has waited at its gate; False if the worker shuts down."""
        if run.handler.coroutine:
            started = self._pool.coroutines.submit(run.coroutine, run.handler.context.copy())
            self._pool.unhold(run.size)
            return started
        return self._pool.submit(run, run.size, run.refuse, held=True)
