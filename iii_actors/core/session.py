"""One worker's conversation with the engine: what each of its frames means (core.md §3-§8).

Not an actor but the adapter's half of one. :meth:`Session.receive` runs on the thread that reads the socket and only
tells. What may wait (every registration, ``reattach``) is refused there and comes back through
:meth:`Session.receive_waiting` on the connection's own thread, which may ask. A connection is on one of the two at a
time, so frames keep their order.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from pykka import ActorDeadError

from iii_actors.actor import Ref, Round, ask, run_scheduled
from iii_actors.clock import Timer
from iii_actors.core.ids import invocation_id, new_id
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    AcknowledgeTrigger,
    Caller,
    Completed,
    Describe,
    Drop,
    Enqueue,
    FindPredecessor,
    Halt,
    Invoke,
    Join,
    Leave,
    RemoveFunctionsOf,
    RemoveServicesOf,
    RemoveTriggersOf,
    Send,
    Target,
    TearDown,
    WorkerEvent,
)
from iii_actors.core.outcome import wire_error
from iii_actors.core.refs import Core
from iii_actors.core.registrations import BUFFERED, Registrations
from iii_actors.core.workers import Departure, WorkerDetails
from iii_actors.errors import DeserializationError, EngineError, InvalidNamespace
from iii_actors.limits import MAX_FUNCTIONS_PER_WORKER, REATTACH_WAIT_S
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import caller_member, raw

__all__ = ["REGISTER_WORKER", "Session", "decoded_details"]

logger = logging.getLogger(__name__)

REGISTER_WORKER: Final = "engine::workers::register"
_details: Final = msgspec.json.Decoder(WorkerDetails)
_PONG: Final = Send(wire.Pong())
_IGNORED: Final = frozenset({wire.Pong, wire.WorkerRegistered, wire.RegistrationRejected})


class Session:
    """The state of one worker's connection: its id, its namespace, and what it registered before naming it."""

    def __init__(self, core: Core, connection: Ref, ip_address: str | None, cut: object) -> None:
        self._core = core
        self._connection = connection
        self._ip_address = ip_address
        self.worker_id = new_id()
        self._token = new_id()
        self._caller = Caller(self.worker_id, connection, caller_member(self.worker_id))
        self._registrations = Registrations(core, self._caller, Target(self.worker_id, connection))
        self.departure = Departure(cut, self._clean_up)  # type: ignore[arg-type]
        self._namespace: str | None = None
        self._pending: deque[object] = deque()
        self._grace: Timer | None = None
        self._closed = False
        self._lock = threading.Lock()
        """Held while registrations are made: by the connection's thread, or by the one that ends the grace time."""
        self._functions_tell = core.functions.tell
        self._invocations_tell = core.invocations.tell

    # --- coming ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Join the registry and greet; after this the first frame may be read. Runs on the connection's thread."""
        join = Join(self.worker_id, self._token, self._connection, self._ip_address, self.departure)
        ask(self._core.workers, join)
        self._grace = self._core.clock.call_later(self._core.namespace_grace_s, self._grace_over)
        self._connection.tell(Send(wire.WorkerRegistered(self.worker_id, self._token)))
        self._core.workers.tell(WorkerEvent("worker_connected", self.worker_id))

    # --- frames ------------------------------------------------------------------------------------------------------

    def receive(self, message: wire.FromWorker) -> bool:
        """Handle one message on the reading thread; False: it may wait, so it is the connection's thread's."""
        kind = type(message)
        if kind is wire.InvocationResult:
            self._invocations_tell(message)
        elif kind is wire.InvokeFunction:
            if _is_register_call(message):  # type: ignore[arg-type]
                return False
            self._invoke(message)  # type: ignore[arg-type]
        elif kind is wire.Ping:
            self._tell(_PONG)
        elif kind is wire.TriggerRegistrationResult:
            self._core.triggers.tell(AcknowledgeTrigger(self.worker_id, message))  # type: ignore[arg-type]
        else:
            return kind in _IGNORED
        return True

    def receive_waiting(self, message: wire.FromWorker) -> None:
        """Handle any message on the connection's own thread; a registration is in effect when this returns.

        To be called inside :class:`~iii_actors.actor.Round`.
        """
        if self.receive(message):
            return
        try:
            if isinstance(message, wire.Reattach):
                self._reattach(message)
                return
            with self._registering():
                if self._closed:
                    return
                if isinstance(message, wire.InvokeFunction):
                    self._register_worker(message)
                elif self._namespace is None and isinstance(message, BUFFERED):
                    self._buffer(message)
                else:
                    self._registrations.apply(message, self._namespace or DEFAULT_NAMESPACE)
        except ActorDeadError:
            logger.debug("Worker %s spoke while the engine was stopping", self.worker_id)
        except Exception:
            logger.exception("Worker %s: a %s failed", self.worker_id, type(message).__name__)

    @contextmanager
    def _registering(self) -> Iterator[None]:
        """Hold the lock. Its present holder may be asking an actor that this thread's round has promised to run."""
        if not self._lock.acquire(blocking=False):
            run_scheduled()
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _tell(self, message: object) -> None:
        try:
            self._connection.tell(message)
        except ActorDeadError:
            logger.debug("Worker %s has gone", self.worker_id)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _invoke(self, call: wire.InvokeFunction) -> None:
        """Route a call (core.md §7.1); never waits."""
        namespace = call.namespace
        supplied = call.invocation_id
        if namespace is None:
            namespace = DEFAULT_NAMESPACE
        elif not namespace.strip():
            if supplied is not None:
                refused = Invoke(call, namespace, supplied, None, None)
                self._tell(Completed(refused, wire.ABSENT, wire_error(InvalidNamespace("namespace"))))
            return
        action = call.action
        reply_to = self._connection if supplied is not None else None
        used = supplied if supplied is not None else invocation_id()
        if action is None:
            self._functions_tell(Invoke(call, namespace, used, reply_to, self._caller))
        elif type(action) is wire.Void:
            self._functions_tell(Invoke(call, namespace, used, None, self._caller))
        else:
            invoke = Invoke(call, namespace, used, reply_to, self._caller)
            self._core.enqueue.tell(Enqueue(invoke, action))  # type: ignore[arg-type]

    # --- the register call -------------------------------------------------------------------------------------------

    def _register_worker(self, call: wire.InvokeFunction) -> None:
        """``engine::workers::register`` (core.md §3.3); holds the lock."""
        try:
            details = decoded_details(call)
            if details.namespace is not None and not details.namespace.strip():
                raise InvalidNamespace.declared(details.name, details.namespace)
        except EngineError as error:
            self._answer(call, wire.ABSENT, wire_error(error))
            return
        namespace = self._namespace
        if namespace is None:
            namespace = details.namespace or DEFAULT_NAMESPACE
        elif details.namespace not in (None, namespace):
            logger.warning(
                "Worker %s keeps namespace %r: its declaration of %r came too late",
                self.worker_id,
                namespace,
                details.namespace,
            )
        rejected = ask(self._core.workers, Describe(self.worker_id, namespace, details))
        if rejected is not None:
            self._pending.clear()
            self._closed = True
            self._tell(Send(rejected))
            self._answer(call, raw({"success": False}))
            self._tell(Drop(0))
            return
        self._settle(namespace)
        self._core.workers.tell(WorkerEvent("worker_metadata_updated", self.worker_id))
        self._answer(call, raw({"success": True}))

    def _answer(self, call: wire.InvokeFunction, result: msgspec.Raw, error: wire.ErrorBody | None = None) -> None:
        if call.invocation_id is not None and type(call.action) is not wire.Void:
            invoke = Invoke(call, DEFAULT_NAMESPACE, call.invocation_id, None, None)
            self._tell(Completed(invoke, result, error))

    # --- the namespace (core.md §3.2) --------------------------------------------------------------------------------

    def _buffer(self, message: object) -> None:
        if len(self._pending) >= MAX_FUNCTIONS_PER_WORKER:
            logger.warning("Worker %s registers too much before naming itself; dropped", self.worker_id)
            return
        self._pending.append(message)

    def _settle(self, namespace: str) -> None:
        """Fix the namespace and replay what waited for it, in order; holds the lock."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._namespace = namespace
        while self._pending:
            message = self._pending.popleft()
            try:
                self._registrations.apply(message, namespace)
            except Exception:
                logger.exception("Worker %s: a buffered %s failed", self.worker_id, type(message).__name__)

    def _grace_over(self) -> None:
        """Runs on the clock's thread, which must not wait: the work is done on a thread of its own."""
        threading.Thread(target=self._settle_by_default, name="iii-grace", daemon=True).start()

    def _settle_by_default(self) -> None:
        with self._lock:
            if self._namespace is None and not self._closed:
                logger.warning(
                    "Worker %s did not register itself in time: its namespace is %r", self.worker_id, DEFAULT_NAMESPACE
                )
                self._settle(DEFAULT_NAMESPACE)

    # --- going -------------------------------------------------------------------------------------------------------

    def _reattach(self, message: wire.Reattach) -> None:
        """Clear away the connection that this one succeeds, before its next frame is looked at (core.md §3.5)."""
        query = FindPredecessor(self.worker_id, message.previous_worker_id, message.reattach_token)
        predecessor: Departure | None = ask(self._core.workers, query)
        if predecessor is None:
            logger.debug("Worker %s: reattach ignored", self.worker_id)
        else:
            predecessor.evict(REATTACH_WAIT_S)

    def _clean_up(self) -> None:
        """Leave, in the order of core.md §3.6, on whichever thread :class:`Departure` runs it; exactly once."""
        self._be_forgotten(self._core.workers, TearDown(self.worker_id))
        with self._lock:
            self._closed = True
            self._pending.clear()
            if self._grace is not None:
                self._grace.cancel()
        self._remove_all()
        self._connection.stop(block=False)

    def _remove_all(self) -> None:
        """Take this worker out of every registry; what others are told of it leaves in one write each."""
        core, worker_id = self._core, self.worker_id
        with Round():
            self._be_forgotten(core.functions, RemoveFunctionsOf(worker_id))
            self._be_forgotten(core.invocations, Halt(worker_id))
            self._be_forgotten(core.triggers, RemoveTriggersOf(worker_id))
            self._be_forgotten(core.services, RemoveServicesOf(worker_id))
            self._be_forgotten(core.workers, Leave(worker_id))

    def _be_forgotten(self, registry: Ref, message: object) -> None:
        """Ask one registry; whatever goes wrong there, the others are still to be asked."""
        try:
            ask(registry, message)
        except ActorDeadError:
            logger.debug("Worker %s left while the engine was stopping", self.worker_id)
        except Exception:
            logger.exception("Worker %s: %s failed", self.worker_id, type(message).__name__)


def _is_register_call(call: wire.InvokeFunction) -> bool:
    """Return whether a call is the connection's own business; built-ins exist in ``default`` only (core.md §8.1)."""
    return (
        call.function_id == REGISTER_WORKER
        and call.namespace in (None, DEFAULT_NAMESPACE)
        and type(call.action) is not wire.Enqueue
    )


def decoded_details(call: wire.InvokeFunction) -> WorkerDetails:
    """Return what a register call says. Raises ``DeserializationError``."""
    try:
        return _details.decode(call.data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeserializationError(REGISTER_WORKER, str(error)) from None
