"""Operations that wait for Redis, and updates of one value that are changed here one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from iii_actors.errors import EngineError
from iii_actors.storage.contract import Change, Entry
from iii_actors.storage.errors import StorageError, VersionConflict
from iii_actors.storage.operations import Address, Operation, Update

__all__ = ["Asked", "Chain"]

logger = logging.getLogger(__name__)

Done = Callable[[Any, EngineError | None], None]


class Asked(Struct, gc=False):
    """An operation, and who is told of its outcome."""

    operation: Operation
    done: Done
    at: float
    """When it was asked for, on the monotonic clock."""

    def tell(self, result: Any, error: EngineError | None = None) -> None:
        """Tell the outcome; whoever is told may fail at it, which is nobody else's concern."""
        try:
            self.done(result, error)
        except Exception:
            logger.exception("Whoever asked for %s failed at its outcome", type(self.operation).__name__)


class Chain:
    """Updates of one value, one after the other."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.asked: list[Asked] = []
        self.outcomes: list[tuple[Asked, bytes | None, bytes, Any]] = []
        """Of those that go through: the text before and after, the remark."""
        self.failures: list[tuple[Asked, EngineError]] = []

    def change(self, text: bytes | None, version: int) -> bytes | None:
        """Let all updates change the text; returns what to swap in, None if none of them goes through."""
        self.outcomes, self.failures = [], []
        for asked in self.asked:
            operation = asked.operation
            assert isinstance(operation, Update)  # noqa: S101 - chains are made of nothing else
            try:
                new, remark = _changed(operation, text, version)
            except EngineError as error:
                self.failures.append((asked, error))
            except Exception:
                logger.exception("The change of %r failed", self.address)
                self.failures.append((asked, StorageError("the value cannot be changed; the engine's log says why")))
            else:
                self.outcomes.append((asked, text, new, remark))
                text = new
        return text if self.outcomes else None

    def tell(self, found: int, last: int) -> None:
        """Tell everybody: ``found`` is the version that the first began with, ``last`` that of the last."""
        self.tell_failures()
        before, version = found, last - len(self.outcomes)
        for asked, old, new, remark in self.outcomes:
            version += 1
            old_entry = Entry(old, before) if old is not None else None
            asked.tell(Change(old_entry, Entry(new, version), remark))
            before = version

    def tell_failures(self) -> None:
        for asked, error in self.failures:
            asked.tell(None, error)

    def fail(self, error: EngineError) -> None:
        for asked in self.asked:
            asked.tell(None, error)


def _changed(operation: Update, text: bytes | None, version: int) -> tuple[bytes, Any]:
    if operation.if_version is not None and operation.if_version != version:
        raise VersionConflict(operation.if_version, version)
    return operation.changing(text)
