"""The answer to one invocation: goes out once, on the connection the invocation came from, or not at all."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, cast

import msgspec

from iii_worker import frames
from iii_worker._types import ErrorObject
from iii_worker.limits import MAX_MESSAGE_BYTES, MIB
from iii_worker.sending import Unsendable

if TYPE_CHECKING:
    from iii_worker.link import Link

__all__ = ["Answer"]

logger = logging.getLogger(__name__)


class Answer:
    """``reply`` of :data:`iii_worker._types.Reply`."""

    __slots__ = ("_baggage", "_function_id", "_invocation_id", "_link", "_lock", "_traceparent")

    def __init__(self, link: Link, invocation: frames.Inbound) -> None:
        self._lock = threading.Lock()
        self._link: Link | None = link
        self._invocation_id = invocation.invocation_id
        self._function_id = invocation.function_id or ""
        self._traceparent = invocation.traceparent
        self._baggage = invocation.baggage

    def __call__(self, result: bytes | None, error: ErrorObject | None) -> None:
        with self._lock:
            link, self._link = self._link, None
        if link is None or self._invocation_id is None or link.gone is not None:
            return
        frame = self._frame(self._invocation_id, result, error)
        if len(frame) > MAX_MESSAGE_BYTES:
            frame = self._frame(self._invocation_id, None, too_large("result", len(frame)))
        try:
            link.send(frame)
        except Unsendable as failure:
            logger.debug("The answer of %s was not sent: %s", self._function_id, failure)

    def _frame(self, invocation_id: str, result: bytes | None, error: ErrorObject | None) -> bytes:
        frame = frames.Result(
            invocation_id,
            self._function_id,
            traceparent=self._traceparent,
            baggage=self._baggage,
        )
        if error is not None:
            frame.error = cast("dict[str, Any]", error)
        else:
            frame.result = frames.NULL if result is None else msgspec.Raw(result)
        return frames.encode(frame)


def too_large(what: str, size: int) -> ErrorObject:
    """Return the error for a payload that no engine would take."""
    return {
        "code": "PAYLOAD_TOO_LARGE",
        "message": f"the {what} is {size / MIB:.1f} MiB of JSON, the limit is {MAX_MESSAGE_BYTES // MIB} MiB: "
        "send large data through a channel (worker.create_channel())",
    }
