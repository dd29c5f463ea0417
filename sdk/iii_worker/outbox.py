"""Calls made while there is no connection: kept in order, a bounded number of them (spec sdk.md §7.7)."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from iii_worker.limits import OUTBOX_MESSAGES

__all__ = ["Outbox", "Waiting"]


class Waiting(NamedTuple):
    """A frame that waits for a connection."""

    key: str
    """The invocation's id, or one made up for a call nobody waits for."""
    payload: bytes
    awaited: bool
    """Whether somebody waits for its answer."""


class Outbox:
    """First in, first out. Not thread-safe: its owner's lock guards it."""

    def __init__(self, bound: int = OUTBOX_MESSAGES) -> None:
        self._bound = bound
        self._waiting: OrderedDict[str, Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> Waiting | None:
        """Keep a frame; return the oldest, dropped to make room for it, if there was no room."""
        dropped = self._waiting.popitem(last=False)[1] if len(self._waiting) >= self._bound else None
        self._waiting[waiting.key] = waiting
        return dropped

    def discard(self, key: str) -> bool:
        """Take a frame out that nobody waits for any more; return whether it was still here."""
        return self._waiting.pop(key, None) is not None

    def take(self) -> Waiting | None:
        """Take the oldest out; None if there is none."""
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def put_back(self, waiting: Waiting) -> None:
        """Keep one that was taken out, as the oldest again."""
        self._waiting[waiting.key] = waiting
        self._waiting.move_to_end(waiting.key, last=False)

    def clear(self) -> list[Waiting]:
        """Take all out."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting
