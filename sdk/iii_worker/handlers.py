"""A handler, made ready to be called with invocations, and one run of it from its invocation to its answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Final

from iii_worker import tracing
from iii_worker._types import ErrorObject, Incoming, Reply
from iii_worker.deadlines import Deadline
from iii_worker.errors import INVOCATION_FAILED, PAYLOAD_TOO_LARGE, TIMEOUT, Error
from iii_worker.failures import code_of, failure_of, log_info_of, message_of
from iii_worker.inputs import INVALID_REQUEST, reader_for
from iii_worker.limits import MAX_MESSAGE_BYTES, RESULT_FRAME_BYTES
from iii_worker.pool import HandlerPool, Handover
from iii_worker.signatures import Shape
from iii_worker.values import NotJsonError, Revive, to_json

__all__ = ["OVERLOADED", "Handler", "Run"]

logger = logging.getLogger(__name__)

OVERLOADED: Final = "worker_overloaded"


class Handler:
    """A function that serves invocations. Immutable; any thread may call it, many at once.

    :param context: context variables as they were where it was registered; each run gets a copy of its own.
    :param timeout: seconds a run may take; None: as long as it likes.
    """

    __slots__ = ("call", "context", "coroutine", "function_id", "timeout")

    def __init__(
        self,
        function_id: str,
        function: Callable[..., Any],
        shape: Shape,
        *,
        revive: Revive | None,
        timeout: float | None,
        context: Context,
    ) -> None:
        self.function_id = function_id
        self.coroutine = shape.coroutine
        self.timeout = timeout
        self.context = context
        self.call: Callable[[Incoming], Any] = _caller(function, shape, revive)
        """Decodes and validates the payload and calls the function with it. Raises what either raises."""


def _caller(function: Callable[..., Any], shape: Shape, revive: Revive | None) -> Callable[[Incoming], Any]:
    read = reader_for(shape.payload_hint, "payload", revive, shape.payload_default)
    read_metadata = reader_for(shape.metadata_hint, "metadata", None)

    def metadata_of(incoming: Incoming) -> Any:
        return None if incoming.metadata is None else read_metadata(incoming.metadata)

    if shape.metadata == "positional":
        return lambda incoming: function(read(incoming.data), metadata_of(incoming))
    if shape.metadata == "keyword" and shape.payload:
        return lambda incoming: function(read(incoming.data), metadata=metadata_of(incoming))
    if shape.metadata == "keyword":
        return lambda incoming: function(metadata=metadata_of(incoming))
    if shape.payload:
        return lambda incoming: function(read(incoming.data))
    return lambda _: function()


class Run:
    """One invocation's way through its handler. Calling it runs the handler on the calling thread, and answers.

    :param over: called once, on whatever thread, when it has ended or was refused.
    """

    __slots__ = ("_deadline", "_handover", "_over", "_pool", "_reply", "_task", "_timed_out", "handler", "incoming")

    def __init__(
        self,
        handler: Handler,
        incoming: Incoming,
        reply: Reply,
        pool: HandlerPool,
        over: Callable[[], None] | None = None,
    ) -> None:
        self.handler = handler
        self.incoming = incoming
        self._reply = reply
        self._pool = pool
        self._over = over
        self._deadline: Deadline | None = None
        self._handover: Handover | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timed_out = False

    @property
    def size(self) -> int:
        """Bytes of the payload, which a run that waits keeps."""
        return memoryview(self.incoming.data).nbytes

    # --- running ------------------------------------------------------------------------------------------------------

    def __call__(self) -> None:
        try:
            self.handler.context.copy().run(self._run)
        finally:
            if self._over is not None:
                self._over()

    async def coroutine(self) -> None:
        """Run a coroutine handler, on the loop, in the task's own context."""
        try:
            self._task = asyncio.current_task()
            self._watch()
            with self._activated() as execution:
                try:
                    value = self.handler.call(self.incoming)
                    while inspect.isawaitable(value):
                        value = await value
                    text = self._written(value)
                except BaseException as error:
                    self._fail(error)
                    raise
                self._answer(text)
                execution.result(text)
        except BaseException:  # noqa: S110  answered above; a task's own end is nobody's business
            pass
        finally:
            if self._over is not None:
                self._over()

    def _run(self) -> None:
        try:
            if self.handler.timeout is not None:
                self._handover = self._pool.present()
                self._watch()
            with self._activated() as execution:
                try:
                    value = self.handler.call(self.incoming)
                    if inspect.isawaitable(value):
                        value = self._pool.coroutines.wait_for(value, copy_context())
                    text = self._written(value)
                except BaseException as error:
                    self._fail(error)
                    raise  # past the span
                self._answer(text)
                execution.result(text)
        except BaseException:  # noqa: S110  answered above; whatever a handler raises, its thread lives on
            pass

    def _activated(self) -> tracing.Execution:
        incoming = self.incoming
        data = None if tracing.recorder() is None else bytes(incoming.data)
        return tracing.activate(incoming.traceparent, incoming.baggage, incoming.function_id, data)

    def _written(self, value: Any) -> bytes | None:
        if value is None:
            return None
        text = to_json(value)
        if len(text) > MAX_MESSAGE_BYTES - RESULT_FRAME_BYTES:
            raise Error(
                f"the result has {len(text):,} bytes, and a message at most {MAX_MESSAGE_BYTES:,}: use a channel",
                PAYLOAD_TOO_LARGE,
            )
        return text

    # --- answering ----------------------------------------------------------------------------------------------------

    def _answer(self, text: bytes | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._timed_out:
            logger.warning("The handler of %s ended after its timeout; its result is dropped", self.handler.function_id)
        else:
            self._reply(text, None)

    def _fail(self, error: BaseException) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._timed_out:
            if not isinstance(error, asyncio.CancelledError):
                logger.warning("The handler of %s failed after its timeout", self.handler.function_id, exc_info=error)
            return
        _log_failure(self.incoming, error)
        self._reply(None, failure_of(error))

    def refuse(self, reason: str) -> None:
        """Answer with an error in place of running; the run is over."""
        try:
            self.decline(reason)
        finally:
            if self._over is not None:
                self._over()

    def decline(self, reason: str) -> None:
        """Answer with an error, for whoever knows already that the run is over."""
        self._pool.refusals.warning("An invocation of %s was refused: %s", self.handler.function_id, reason)
        self._reply(None, {"code": OVERLOADED, "message": f"{self.handler.function_id} was not run: {reason}"})

    # --- timeout ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self.handler.timeout is not None:
            self._deadline = self._pool.deadlines.after(self.handler.timeout, self._expire)

    def _expire(self) -> None:
        """Answer for a handler that took too long. Its thread cannot be stopped: it is replaced until it ends."""
        self._timed_out = True
        message = (
            f"the handler of {self.handler.function_id} did not end within its timeout of {self.handler.timeout:g} s"
        )
        logger.warning("%s", message)
        error: ErrorObject = {"code": TIMEOUT, "message": message}
        self._reply(None, error)
        if self._handover is not None:
            self._pool.give_up(self._handover)
        if self._task is not None:
            self._pool.coroutines.cancel(self._task)


def _log_failure(incoming: Incoming, error: BaseException) -> None:
    """Log a failure by what it says about the handler: its author wants to see what it did not mean to raise.

    An invocation without an id has nobody to tell; engines give one to all, so that cannot be the only measure.
    """
    code = code_of(error)
    meant = isinstance(error, Error) and not isinstance(error, NotJsonError) and code != INVOCATION_FAILED
    if not meant:
        info = log_info_of(error)
        # A result that is no JSON is nobody's frame: the text names the place. Else this package is at fault.
        shown = info if info[2] is not None else None if isinstance(error, NotJsonError) else error
        logger.error("The handler of %s failed: %s", incoming.function_id, message_of(error), exc_info=shown)
    elif incoming.invocation_id is None or code == INVALID_REQUEST:
        logger.warning("%s was answered with %s: %s", incoming.function_id, code, message_of(error))
    else:
        logger.info("%s was answered with %s: %s", incoming.function_id, code, message_of(error))
