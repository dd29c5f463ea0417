"""Calling functions: what users see of :mod:`iii_worker.calls`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from iii_worker.actions import EnqueueResult, TriggerActionEnqueue, TriggerRequest, action_frame, request_from
from iii_worker.client_parts import ClientParts
from iii_worker.futures import ManyCall, call_many

__all__ = ["CallMethods"]


class CallMethods(ClientParts):
    """Every method may be used from any thread, also in handlers and from asyncio code (where it blocks the loop)."""

    def call(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Any:
        """Call a function and wait for its result.

        :param payload: what has a JSON form: dicts, lists, models, dataclasses, dates, ...
        :param timeout: seconds; by default the client's ``invocation_timeout_ms``. It holds whatever happens.
        :param namespace: where the function is; by default the worker's own, for ``engine::*`` the engine's.
        :param metadata: JSON handed to the handler beside the payload.
        :returns: the result, decoded; references to channels in it are readers and writers.
        :raises iii_worker.InvocationError: with a ``code``; see there.
        :raises ValueError: for a timeout that is not above 0, or a blank namespace.
        """
        self.check_process()
        return self.calls.call(function_id, payload, timeout=timeout, namespace=namespace, metadata=metadata)

    def call_async(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Future[Any]:
        """Call a function and return at once, with a :class:`concurrent.futures.Future` of its result.

        As :meth:`call` otherwise. ``cancel()`` gives the call up. In asyncio: ``await asyncio.wrap_future(...)``.
        """
        self.check_process()
        return self.futures.call(function_id, payload, timeout=timeout, namespace=namespace, metadata=metadata)

    def call_many(
        self, calls: Iterable[ManyCall], *, timeout: float | None = None, return_exceptions: bool = False
    ) -> list[Any]:
        """Make several calls at once and return their results in the same order.

        :param calls: each ``(function_id, payload)``, a function id, or a request as for :meth:`trigger`.
        :param timeout: seconds for all of them together.
        :param return_exceptions: put an exception in its call's place; else the first one (in order) is raised, and the
            calls behind it are given up.
        """
        self.check_process()
        return call_many(self.calls, calls, timeout, return_exceptions=return_exceptions)

    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None:
        """Call a function without waiting and without an answer; nobody says whether it ran."""
        self.check_process()
        self.calls.send(function_id, payload, namespace=namespace, metadata=metadata)

    call_void = send

    def enqueue(
        self,
        function_id: str,
        payload: object = None,
        queue: str = "default",
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        **options: Any,
    ) -> EnqueueResult:
        """Put a call into a named queue, to be made when its turn comes, and return the receipt.

        :param options: what else :class:`iii_worker.TriggerActionEnqueue` can say of it: ``delay_ms``, ``run_at``,
            ``idempotency_key``, ``max_retries``, ``priority``, ``group``.

        Raises :class:`iii_worker.InvocationError` with ``enqueue_error`` if the engine has no queue worker.
        """
        self.check_process()
        action = action_frame(TriggerActionEnqueue(queue, **options))
        receipt: EnqueueResult = self.calls.call(
            function_id, payload, timeout=timeout, namespace=namespace, action=action
        )
        return receipt

    def trigger(self, request: TriggerRequest | Mapping[str, Any]) -> Any:
        """Call in the official form: ``trigger({"function_id", "payload", "action", "timeout_ms", ...})``.

        Without an action it waits for the result, with ``TriggerAction.Enqueue(queue=...)`` for the receipt, with
        ``TriggerAction.Void()`` for nothing. Keys that are none raise ``TypeError``.
        """
        self.check_process()
        wanted = request_from(request)
        action = action_frame(wanted.action)
        timeout = None if wanted.timeout_ms is None else wanted.timeout_ms / 1000
        if action is not None and action["type"] == "void":
            self.calls.seconds(timeout)
            self.calls.send(wanted.function_id, wanted.payload, namespace=wanted.namespace, metadata=wanted.metadata)
            return None
        return self.calls.call(
            wanted.function_id,
            wanted.payload,
            timeout=timeout,
            namespace=wanted.namespace,
            metadata=wanted.metadata,
            action=action,
        )

    async def trigger_async(self, request: TriggerRequest | Mapping[str, Any]) -> Any:
        """:meth:`trigger` for asyncio code: the loop goes on while it waits."""
        import asyncio  # noqa: PLC0415  only programs that have a loop need it

        self.check_process()
        wanted = request_from(request)
        action = action_frame(wanted.action)
        if action is not None and action["type"] == "void":
            return self.trigger(wanted)
        future = self.futures.call(
            wanted.function_id,
            wanted.payload,
            timeout=None if wanted.timeout_ms is None else wanted.timeout_ms / 1000,
            namespace=wanted.namespace,
            metadata=wanted.metadata,
            action=action,
        )
        return await asyncio.wrap_future(future)
