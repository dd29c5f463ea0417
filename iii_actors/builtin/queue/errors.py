"""What the functions of ``iii-queue`` refuse (queue.md §3, §7)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from iii_actors.errors import EngineError

__all__ = [
    "MESSAGE_ID_NOT_SET",
    "QUEUE_NOT_SET",
    "TOPIC_REQUIRED",
    "QueueError",
    "failed",
    "logged",
    "no_group",
    "null_group",
]

logger = logging.getLogger(__name__)


class QueueError(EngineError):
    """An error with one of this worker's codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # a class of its own for each would say nothing more


QUEUE_NOT_SET: Final = ("queue_not_set", "Queue name is required")
MESSAGE_ID_NOT_SET: Final = ("message_id_not_set", "Message ID is required")
TOPIC_REQUIRED: Final = ("topic_required", "topic is required")
"""Code and message."""

_GROUP: Final = "message_group"


def no_group(queue: str, field: str) -> QueueError:
    """Return the error for a job of a FIFO queue whose data does not name its group."""
    return QueueError(_GROUP, f"FIFO queue '{queue}' requires field '{field}' in data, but it was not found")


def null_group(queue: str, field: str) -> QueueError:
    """Return the error for one whose group is null."""
    return QueueError(_GROUP, f"FIFO queue '{queue}': field '{field}' must not be null")


def failed(code: str, error: EngineError | None) -> QueueError:
    """Return a broker's error under the code that a function answers with; closed and full keep their words."""
    return QueueError(code, error.message if error is not None else "the broker gave no answer")


def logged(what: str) -> Callable[[Any, EngineError | None], None]:
    """Return what a broker may tell of something that nobody waits for: a failure is logged."""

    def done(_: Any, error: EngineError | None) -> None:
        if error is not None:
            logger.error("iii-queue: %s: %s: %s", what, error.code, error)

    return done
