"""Calls as futures: ``call_async`` and ``call_many`` (spec sdk.md §2.1, §4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec

from iii_worker.actions import TriggerRequest, action_frame, request_from
from iii_worker.blocking import blocking
from iii_worker.calls import Calls
from iii_worker.deadlines import Deadline, Deadlines
from iii_worker.errands import Errands
from iii_worker.pending import Pending, new_invocation_id

__all__ = ["CallFuture", "Futures", "ManyCall"]

ManyCall = str | tuple[str, Any] | TriggerRequest | Mapping[str, Any]
"""One of several calls: an id, an id with its payload, or the official request form."""


class CallFuture(Future[Any]):
    """The answer of a call that somebody else waits for; :meth:`cancel` gives it up (the function may still run).

    Callbacks run on a thread of their own, one after the other, and may use the client.
    """

    def __init__(self, give_up: Callable[[], bool], errands: Errands) -> None:
        super().__init__()
        self._give_up = give_up
        self._errands = errands

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Call ``fn`` with this future once it is done; here and now if it is already."""
        if self.done():
            super().add_done_callback(fn)
        else:
            super().add_done_callback(lambda future: self._errands.run(partial(fn, future)))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer; a handler that waits here does not hold up the handlers that make it."""
        if self.done():
            return super().result(0)
        with blocking():
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As :meth:`result`, but return the error; None: there is a result."""
        if self.done():
            return super().exception(0)
        with blocking():
            return super().exception(timeout)

    def cancel(self) -> bool:
        """Give the call up; False if it is answered already."""
        if self.cancelled():
            return True
        return self._give_up() and super().cancel()


class _FuturePending(Pending):
    __slots__ = ("_calls", "deadline", "future")

    def __init__(self, function_id: str, calls: Calls, errands: Errands) -> None:
        super().__init__(function_id, new_invocation_id())
        self._calls = calls
        self.deadline: Deadline | None = None
        self.future = CallFuture(lambda: self._calls.forget(self.invocation_id) and self._forgotten(), errands)

    def settle(self, result: msgspec.Raw | None, error: Exception | None) -> None:
        super().settle(result, error)
        self._forgotten()
        try:
            value = self._calls.result_of(self)
        except Exception as failure:
            self.future.set_exception(failure)
        else:
            self.future.set_result(value)

    def _forgotten(self) -> bool:
        deadline = self.deadline
        if deadline is not None:
            deadline.cancel()
        return True


class Futures:
    """Makes calls nobody waits for yet."""

    def __init__(self, calls: Calls, deadlines: Deadlines, errands: Errands) -> None:
        self._calls = calls
        self._deadlines = deadlines
        self._errands = errands

    def call(
        self,
        function_id: str,
        payload: object,
        *,
        timeout: float | None,
        namespace: str | None,
        metadata: object,
        action: dict[str, Any] | None = None,
    ) -> Future[Any]:
        """Send a call and return its future; it ends by its timeout at the latest."""
        seconds = self._calls.seconds(timeout)
        pending = _FuturePending(function_id, self._calls, self._errands)
        self._calls.begin(pending, payload, time.monotonic() + seconds, namespace, metadata, action)
        pending.deadline = self._deadlines.after(seconds, lambda: self._time_out(pending))
        if pending.done:
            pending.deadline.cancel()
        return pending.future

    def _time_out(self, pending: _FuturePending) -> None:
        if self._calls.forget(pending.invocation_id):
            pending.settle(None, self._calls.timed_out(pending))


def call_many(
    calls: Calls, requests: Iterable[ManyCall], timeout: float | None, *, return_exceptions: bool
) -> list[Any]:
    """Make several calls at once on this thread and wait for all; see :meth:`iii_worker.IIIClient.call_many`."""
    wanted = [_request(request) for request in requests]
    began = time.monotonic()
    under_way: list[tuple[Pending, float]] = []
    results: list[Any] = []
    try:
        for request in wanted:
            seconds = calls.seconds(None if request.timeout_ms is None else request.timeout_ms / 1000)
            if timeout is not None:
                seconds = calls.seconds(timeout)
            pending = Pending(request.function_id, new_invocation_id())
            deadline = began + seconds
            try:
                calls.begin(
                    pending,
                    request.payload,
                    deadline,
                    request.namespace,
                    request.metadata,
                    action_frame(request.action),
                )
            except Exception as error:
                if not return_exceptions:
                    raise
                pending.settle(None, error)
            under_way.append((pending, deadline))
        for pending, deadline in under_way:
            try:
                results.append(calls.outcome(pending, deadline))
            except Exception as error:
                if not return_exceptions:
                    raise
                results.append(error)
    finally:
        for pending, _ in under_way[len(results) :]:
            calls.forget(pending.invocation_id)
    return results


def _request(given: ManyCall) -> TriggerRequest:
    if isinstance(given, str):
        return TriggerRequest(given)
    if isinstance(given, tuple):
        if len(given) != 2 or not isinstance(given[0], str):  # noqa: PLR2004  the id and the payload
            raise TypeError(f"call_many(): a tuple must be (function_id, payload), not {given!r:.80}")
        return TriggerRequest(given[0], given[1])
    request = request_from(given)
    if request.action is not None and action_frame(request.action) == {"type": "void"}:
        raise ValueError(f"call_many(): nobody can wait for a void call ({request.function_id}); use send()")
    return request
