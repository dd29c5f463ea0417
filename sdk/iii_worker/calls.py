"""Calls: from any thread, settled once each, never waited for beyond their timeout (spec sdk.md §4, §7.7, §7.8)."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final, Protocol

import msgspec

from iii_worker import errors, frames, tracing
from iii_worker.answers import too_large
from iii_worker.blocking import blocking
from iii_worker.deadlines import checked_seconds
from iii_worker.errors import InvocationError
from iii_worker.limits import MAX_MESSAGE_BYTES, MAX_PENDING_CALLS
from iii_worker.link import Link
from iii_worker.options import InitOptions
from iii_worker.outbox import Outbox, Waiting
from iii_worker.pending import Pending, PendingCalls, new_invocation_id
from iii_worker.sending import Unsendable
from iii_worker.values import Revive, from_json, to_json

__all__ = ["Calls", "Wire"]

logger = logging.getLogger(__name__)

_HOME: Final = "default"
_ENGINE: Final = "engine::"


class Wire(Protocol):
    """The connection, as calls see it."""

    open: Link | None
    fatal_error: Exception | None
    refused: Exception | None
    last_error: Exception | None

    def not_open(self, link: Link) -> None: ...
    def make_open(self, link: Link) -> None: ...


class Calls:
    """The calls under way and those that wait for a connection.

    :param revive: puts channel readers and writers in the place of references in results.
    """

    def __init__(self, options: InitOptions, pending: PendingCalls, revive: Revive | None = None) -> None:
        self._options = options
        self._pending = pending
        self._revive = revive
        self._lock = threading.Lock()
        self._outbox = Outbox()
        self._closed = False
        self.wire: Wire
        """Set once, by whoever makes both."""

    def __len__(self) -> int:
        """How many calls are under way."""
        return len(self._pending)

    # --- calling ------------------------------------------------------------------------------------------------------

    def call(
        self,
        function_id: str,
        payload: object,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
        action: dict[str, Any] | None = None,
    ) -> Any:
        """Call and wait for the result; see :meth:`iii_worker.IIIClient.call`."""
        deadline = time.monotonic() + self.seconds(timeout)
        pending = Pending(function_id, new_invocation_id())
        self.begin(pending, payload, deadline, namespace, metadata, action)
        return self.outcome(pending, deadline)

    def send(self, function_id: str, payload: object, *, namespace: str | None = None, metadata: object = None) -> None:
        """Call without an answer."""
        deadline = time.monotonic() + self.seconds(None)
        frame = self._frame(function_id, None, payload, namespace, metadata, {"type": "void"})
        try:
            self._submit(Waiting(new_invocation_id(), frame, awaited=False), None, deadline)
        except TimeoutError:
            raise InvocationError(errors.TIMEOUT, "the engine takes no data", function_id) from None

    def begin(
        self,
        pending: Pending,
        payload: object,
        deadline: float,
        namespace: str | None = None,
        metadata: object = None,
        action: dict[str, Any] | None = None,
    ) -> None:
        """Send a call, or leave it in the outbox. Whatever it raises, the call is not under way then."""
        key = pending.invocation_id
        frame = self._frame(pending.function_id, key, payload, namespace, metadata, action)
        if len(self._pending) >= MAX_PENDING_CALLS:
            raise InvocationError(
                errors.TOO_MANY_CALLS, f"{MAX_PENDING_CALLS} calls wait for their answers already", pending.function_id
            )
        self._pending.add(pending)
        try:
            self._submit(Waiting(key, frame, awaited=True), pending, deadline)
        except TimeoutError:
            self._pending.take(key)
            raise self.timed_out(pending) from None
        except BaseException:
            self._pending.take(key)
            raise

    def outcome(self, pending: Pending, deadline: float) -> Any:
        """Wait for a call of this thread and return its result; raise what it failed with."""
        try:
            if not pending.done:
                with blocking():
                    pending.wait(deadline)
        except BaseException:
            self.forget(pending.invocation_id)
            raise
        if not pending.done and self.forget(pending.invocation_id):
            raise self.timed_out(pending)
        pending.await_settled()  # another thread may have taken it out and be about to settle it
        return self.result_of(pending)

    def result_of(self, pending: Pending) -> Any:
        """Return what a settled call brought, or raise it."""
        error, pending.error = pending.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame
        return from_json(pending.result or frames.NULL, self._revive)

    def forget(self, invocation_id: str) -> bool:
        """Give a call up; False if somebody else has settled it. If it has not left yet it never will."""
        mine = self._pending.take(invocation_id) is not None
        if self._outbox:
            with self._lock:
                self._outbox.discard(invocation_id)
        return mine

    def seconds(self, timeout: float | None) -> float:
        """Return a call's timeout. Raises ``ValueError`` unless it is above 0 (spec sdk.md §4.1)."""
        return checked_seconds(self._options.invocation_timeout_ms / 1000 if timeout is None else timeout)

    # --- the connection's events; on the keeper -----------------------------------------------------------------------

    def opened(self, link: Link) -> None:
        """Send what waits, then let calls use the link."""
        while True:
            with self._lock:
                waiting = self._outbox.take()
                if waiting is None:
                    self.wire.make_open(link)
                    return
            pending = self._pending.get(waiting.key)
            if waiting.awaited and pending is None:
                continue
            if pending is not None:
                pending.link = link
            try:
                link.send(waiting.payload)
            except Unsendable:
                if pending is not None:
                    pending.link = None
                with self._lock:
                    self._outbox.put_back(waiting)
                return

    def ended(self, link: Link | None) -> None:
        """Fail what cannot be answered any more: calls on that link; all calls, if there will be no other."""
        if link is not None:
            self._settle_all(link, self._final or InvocationError(errors.CONNECTION_LOST, _LOST))
        if (final := self._final) is not None:
            self._settle_all(None, final)

    def close(self) -> None:
        """Fail all calls, now and from now on."""
        self._closed = True
        self._settle_all(None, self._final or InvocationError(errors.SHUTDOWN, _SHUT))

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _final(self) -> Exception | None:
        """Why no call can be made: it was shut down, or the engine does not want this worker."""
        if self._closed:
            return InvocationError(errors.SHUTDOWN, _SHUT)
        error = self.wire.fatal_error or self.wire.refused
        if error is None or isinstance(error, errors.RegistrationRejectedError):
            return error
        return InvocationError(getattr(error, "code", errors.CONNECT_FAILED), str(error))

    def _settle_all(self, link: Link | None, error: Exception) -> None:
        if link is None:
            with self._lock:
                self._outbox.clear()
        for pending in self._pending.take_all(link):
            self._settle(pending, error)

    @staticmethod
    def _settle(pending: Pending, error: Exception) -> None:
        own = errors.again(error)
        if isinstance(own, InvocationError):
            own.function_id, own.invocation_id = pending.function_id, pending.invocation_id
        pending.settle(None, own)

    def _submit(self, waiting: Waiting, pending: Pending | None, deadline: float) -> None:
        while True:
            link = self.wire.open
            if link is None:
                if self._keep(waiting, pending):
                    return
                continue
            if pending is not None:
                pending.leaving = True
                pending.link = link
            try:
                link.send(waiting.payload, deadline)
            except Unsendable as error:
                if link.gone is None:
                    raise InvocationError(errors.CONNECTION_LOST, str(error)) from None
                # It has not left, so it may wait for the next connection.
                self.wire.not_open(link)
                if pending is not None:
                    pending.link = None
                    pending.leaving = False
                    if pending.done:
                        return
                continue
            if pending is not None:
                pending.leaving = False
                if link.gone is not None and self._pending.take(pending.invocation_id) is not None:
                    self._settle(pending, self._final or InvocationError(errors.CONNECTION_LOST, _LOST))
            return

    def _keep(self, waiting: Waiting, pending: Pending | None) -> bool:
        """Put a call into the outbox; False if there is a link meanwhile."""
        with self._lock:
            if self.wire.open is not None:
                return False
            if (final := self._final) is not None:
                raise errors.again(final)
            if self._options.offline_calls == "fail":
                raise InvocationError(
                    errors.NOT_CONNECTED,
                    f"there is no connection to the engine just now: {self._trouble()} (offline_calls='fail')",
                    None if pending is None else pending.function_id,
                )
            dropped = self._outbox.add(waiting)
        if dropped is not None:
            logger.warning(
                "The outbox is full: its oldest call was dropped (%d wait for a connection)", len(self._outbox)
            )
            lost = self._pending.take(dropped.key)
            if lost is not None:
                error = InvocationError(errors.OUTBOX_FULL, "dropped for newer calls while there was no connection")
                error.function_id, error.invocation_id = lost.function_id, lost.invocation_id
                lost.settle(None, error)
        return True

    def _frame(
        self,
        function_id: str,
        invocation_id: str | None,
        payload: object,
        namespace: str | None,
        metadata: object,
        action: dict[str, Any] | None,
    ) -> bytes:
        if not isinstance(function_id, str) or not function_id:
            raise TypeError(f"function_id must be the id of a function, not {function_id!r}")
        if namespace is None:
            namespace = _HOME if function_id.startswith(_ENGINE) else self._options.namespace
        elif not namespace.strip():
            raise ValueError("namespace is blank: give it a name, or leave it out to use the worker's own")
        traceparent, baggage = tracing.current()
        frame = frames.encode(
            frames.Invoke(
                function_id,
                msgspec.Raw(to_json(payload, "payload")),
                invocation_id,
                action,
                None if metadata is None else msgspec.Raw(to_json(metadata, "metadata")),
                namespace,
                traceparent,
                baggage,
            )
        )
        if len(frame) > MAX_MESSAGE_BYTES:
            error = too_large("payload", len(frame))
            raise InvocationError(error["code"], error["message"], function_id)
        return frame

    def timed_out(self, pending: Pending) -> InvocationError:
        """Return the error of a call whose timeout has passed."""
        if pending.link is not None:
            text = f"no answer came in time from {pending.function_id}"
        else:
            text = f"{pending.function_id} was not called, there was no connection in time: {self._trouble()}"
        return InvocationError(errors.TIMEOUT, text, pending.function_id, None, pending.invocation_id)

    def _trouble(self) -> str:
        error = self.wire.last_error
        return "none was made yet; connect() and run() make one" if error is None else str(error)


_LOST: Final = "the connection to the engine was lost; the function may have run"
_SHUT: Final = "this client was shut down"
