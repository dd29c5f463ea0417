"""What a thread enters before it waits for an answer, so that others take its place meanwhile.

A handler that waits for a call still holds its thread. :func:`blocking` tells whoever lent that thread (the handler
pool, or the coroutines' loop) that it does nothing for now. On any other thread it is an empty context manager.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

__all__ = ["Place", "blocking", "current_place", "take_place"]


class Place(AbstractContextManager[None]):
    """A thread's place among those that run handlers; entered while the thread waits.

    It belongs to one thread, which alone enters and leaves it; it may be entered again while it is entered.
    """

    __slots__ = ("_waits",)

    def __init__(self) -> None:
        self._waits = 0

    def __enter__(self) -> None:
        if self._waits == 0:
            self.step_aside()
        self._waits += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._waits -= 1
        if self._waits == 0:
            self.come_back()

    def step_aside(self) -> None:
        """The thread is about to wait. May raise :class:`iii_worker.Error` if too many wait already."""

    def come_back(self) -> None:
        """The thread has what it waited for. May block until the place is free again."""


class _Here(threading.local):
    place: Place | None = None


class _Nowhere(AbstractContextManager[None]):
    """Entered by threads that run no handlers; one for all of them."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


_here: Final = _Here()
_NOWHERE: Final = _Nowhere()


def take_place(place: Place | None) -> None:
    """Say which place the calling thread has; None: it runs no handlers any more."""
    _here.place = place


def current_place() -> Place | None:
    """Return the calling thread's place, None if nobody lent this thread."""
    return _here.place


def blocking() -> AbstractContextManager[None]:
    """Return what to enter around a wait, from any thread; cheap enough for every call.

    For waits of your own inside a handler, too: ``with blocking(): answer_came.wait(10)``.
    """
    return _here.place or _NOWHERE
