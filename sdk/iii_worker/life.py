"""What happens to clients when the process ends, forks or is told to end."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Protocol

__all__ = ["forget", "sigterm_as_interrupt", "watch"]


class Watched(Protocol):
    """A client."""

    def shutdown(self) -> None: ...
    def forked(self) -> None: ...


_clients: weakref.WeakSet[Watched] = weakref.WeakSet()


def watch(client: Watched) -> None:
    """Shut a client down when the process ends, unless it is by then; mark it in forked children."""
    _clients.add(client)


def forget(client: Watched) -> None:
    """It needs nothing any more."""
    _clients.discard(client)


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise ``KeyboardInterrupt`` within the block, as SIGINT does; on other threads than the main one, do
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _shut_all_down() -> None:
    for client in list(_clients):
        client.shutdown()


def _mark_forked() -> None:
    for client in list(_clients):
        client.forked()
    _clients.clear()


atexit.register(_shut_all_down)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_forked)
