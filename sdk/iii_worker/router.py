"""What the engine sends, to where it belongs. Runs on the thread that reads; nothing here blocks (spec sdk.md §5.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from iii_worker import frames
from iii_worker._types import Incoming, Invocations, Notices
from iii_worker.answers import Answer
from iii_worker.errors import (
    AUTH_ERROR,
    FORBIDDEN,
    FUNCTION_NAMESPACE_CONFLICT,
    ConnectFailedError,
    RegistrationRejectedError,
    from_wire,
)
from iii_worker.limits import SHOWN_BYTES
from iii_worker.link import Link
from iii_worker.pending import PendingCalls

__all__ = ["Router"]

logger = logging.getLogger(__name__)

_TRIGGER_FRAMES: Final = frozenset({"registertrigger", "unregistertrigger", "triggerregistrationresult"})


class Router:
    """Takes messages one at a time; none may end the reading, whatever is in it.

    :param rejected: called with the error when the engine refuses this worker for good.
    :param need_reader: called with each invocation.
    """

    def __init__(
        self,
        pending: PendingCalls,
        rejected: Callable[[Exception], None],
        need_reader: Callable[[], None],
    ) -> None:
        self._pending = pending
        self._rejected = rejected
        self._need_reader = need_reader
        self.invocations: Invocations | None = None
        self.notices: Notices | None = None

    def receive(self, link: Link, data: bytes | bytearray) -> None:
        """Take one message."""
        try:
            frame = frames.decode(data)
        except (msgspec.MsgspecError, ValueError) as error:
            logger.debug("A message that is none was ignored (%s): %r", error, bytes(data[:SHOWN_BYTES]))
            return
        try:
            if frame.type == "invocationresult":
                self._result(frame)
            elif frame.type == "invokefunction":
                self._invocation(link, frame)
            else:
                self._other(link, frame, data)
        except Exception:
            logger.exception("A %s frame could not be handled", frame.type)

    def _result(self, frame: frames.Inbound) -> None:
        pending = self._pending.take(frame.invocation_id or "")
        if pending is None:
            logger.debug("An answer came too late or to no call: %s", frame.invocation_id)
            return
        if frame.error == frames.NULL:
            pending.settle(frame.result, None)
        else:
            error = from_wire(frames.decode_fully(frame.error), pending.function_id, pending.invocation_id)
            pending.settle(None, error)

    def _invocation(self, link: Link, frame: frames.Inbound) -> None:
        if frame.function_id is None:
            logger.debug("An invocation without function_id was ignored")
            return
        answer = Answer(link, frame)
        incoming = Incoming(
            frame.function_id,
            frame.data,
            frame.invocation_id,
            None if frame.metadata == frames.NULL else frame.metadata,
            frame.traceparent,
            frame.baggage,
        )
        if self.invocations is None:
            answer(None, {"code": "function_not_found", "message": f"Function {frame.function_id} not found"})
            return
        self._need_reader()
        self.invocations.dispatch(incoming, answer)

    def _other(self, link: Link, frame: frames.Inbound, data: bytes | bytearray) -> None:
        if frame.type == "workerregistered":
            link.greeted(frame.worker_id, frame.reattach_token)
        elif frame.type == "pong":
            link.answered.set()
        elif frame.type in _TRIGGER_FRAMES:
            if self.notices is not None:
                self.notices.on_frame(frames.decode_fully(data))
        elif frame.type == "registrationrejected":
            self._rejection(frames.decode_fully(data))
        elif frame.type == "error":
            error = from_wire(frames.decode_fully(frame.error), None, None)
            if error.code != AUTH_ERROR:
                logger.warning("The engine says: %s", error)
                return
            link.refusal = ConnectFailedError(f"the engine refused this worker: {error}", FORBIDDEN)
            link.fail(str(link.refusal))
        else:
            logger.debug("A frame of an unknown type was ignored: %s", frame.type)

    def _rejection(self, frame: dict[str, Any]) -> None:
        code = str(frame.get("code", ""))
        if code == FUNCTION_NAMESPACE_CONFLICT:
            if self.invocations is not None:
                self.invocations.on_rejected(frame)
            return
        error = RegistrationRejectedError(
            code, *(str(frame.get(key) or "") for key in ("namespace", "worker_name", "owner_worker_id"))
        )
        logger.error("%s", error)
        self._rejected(error)
