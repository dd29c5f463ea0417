"""What flows between a channel's two ends: a bounded buffer of items, first in, first out (core.md §9.3).

A pipe is the one thing in the core that two threads share without an actor between them: the thread of the writing end
puts in, the thread of the reading end takes out, a few instructions each under one lock. No method waits. An end that
has to wait does so in its own way (a socket's end polls) and gives the pipe a *wake* to call, from whichever thread
makes the waiting worth ending; a wake must neither block nor raise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from iii_actors.limits import CHANNEL_BUFFER_BYTES

__all__ = ["Item", "Pipe", "Wake"]

Wake = Callable[[], None]


class Item(NamedTuple):
    """One message, whole and as it was sent."""

    is_text: bool
    payload: bytes


def _nobody() -> None:
    """The wake of an end that nobody has taken yet."""


class Pipe:
    """The buffer of one channel. Any thread may call any method; each end is used by one thread at a time."""

    __slots__ = (
        "_bytes",
        "_finished",
        "_items",
        "_left",
        "_lock",
        "_max_bytes",
        "_max_messages",
        "_reader_waits",
        "_wake_reader",
        "_wake_writer",
        "_writer_waits",
    )

    def __init__(self, max_messages: int, max_bytes: int = CHANNEL_BUFFER_BYTES) -> None:
        """Bound both the number of items and their payloads' bytes; a single item may be larger than ``max_bytes``."""
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._items: deque[Item] | None = None
        """Made with the first item: an empty deque is larger than all the rest of an unused channel."""
        self._bytes = 0
        self._finished = False
        self._left = False
        self._reader_waits = False
        self._writer_waits = False
        self._wake_reader: Wake = _nobody
        self._wake_writer: Wake = _nobody

    # --- the writing end ---------------------------------------------------------------------------------------------

    def attach_writer(self, wake: Wake) -> None:
        """Have ``wake`` called when an offer that was refused is worth repeating, and when the reader leaves."""
        with self._lock:
            self._wake_writer = wake

    def offer(self, item: Item, beyond: bool = False) -> bool:
        """Put one item in; False: it is full, or the reader has left.

        ``beyond`` the bound goes what is left of a writer that has gone: it is finite, and nobody can wait with it.
        """
        size = len(item.payload)
        with self._lock:
            if self._left:
                return False
            items = self._items
            if items is None:
                items = self._items = deque()
            full = len(items) >= self._max_messages or (self._bytes and self._bytes + size > self._max_bytes)
            if full and not beyond:
                self._writer_waits = True
                return False
            items.append(item)
            self._bytes += size
            wake = self._wake_reader if self._reader_waits else _nobody
            self._reader_waits = False
        wake()
        return True

    def finish(self) -> None:
        """Nothing more comes: the reader gets what is in, and then the end. Idempotent."""
        with self._lock:
            self._finished = True
            self._wake_writer = _nobody
            wake = self._wake_reader
        wake()

    @property
    def left(self) -> bool:
        """The reader has left: nothing goes in any more."""
        return self._left

    # --- the reading end ---------------------------------------------------------------------------------------------

    def attach_reader(self, wake: Wake) -> None:
        """Have ``wake`` called when a take that found nothing is worth repeating."""
        with self._lock:
            self._wake_reader = wake

    def take(self, max_bytes: int) -> list[Item] | None:
        """Take out the oldest items, as many as ``max_bytes`` hold but at least one.

        An empty list: there is none now. None: there will be none, the writer has finished.
        """
        taken: list[Item] = []
        with self._lock:
            items = self._items
            if not items:
                if self._finished:
                    return None
                self._reader_waits = True
                return taken
            size = 0
            while items and (not taken or size + len(items[0].payload) <= max_bytes):
                item = items.popleft()
                size += len(item.payload)
                taken.append(item)
            self._bytes -= size
            wake = self._wake_writer if self._writer_waits else _nobody
            self._writer_waits = False
        wake()
        return taken

    def leave(self) -> None:
        """The reader takes no more: what is in is forgotten. Idempotent."""
        with self._lock:
            self._left = True
            self._items = None
            self._bytes = 0
            self._wake_reader = _nobody
            wake = self._wake_writer
        wake()

    # --- a look from outside -----------------------------------------------------------------------------------------

    def waiting(self) -> tuple[int, int]:
        """Return how many items wait, and their bytes."""
        with self._lock:
            return len(self._items or ()), self._bytes
