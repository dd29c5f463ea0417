"""Which processors the threads of this process may run on. Linux; elsewhere the system decides, and nothing here does.

Any thread. The threads that libraries start count too: all of the process are meant.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["allowed", "anywhere", "count", "keep_to"]

_TASKS: Final = Path("/proc/self/task")
_changing: Final = threading.Lock()


def _now() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


_given: Final = _now()


def allowed() -> frozenset[int]:
    """Return the numbers of those that this process was started with; empty where the system does not tell."""
    return _given


def count() -> int:
    """Return how many of them there are."""
    return len(_given) or os.cpu_count() or 1


def keep_to(processor: int | None) -> None:
    """Have all threads that there are now, and those that they start, run on this one only; None: on any allowed one.

    Raises ``OSError`` where that cannot be.
    """
    wanted = _given if processor is None else {processor}
    with _changing:
        for task in _TASKS.iterdir():
            try:
                os.sched_setaffinity(int(task.name), wanted)
            except ProcessLookupError:
                continue  # it has ended meanwhile


@contextmanager
def anywhere() -> Iterator[None]:
    """Within the block this thread, and a process that it starts, may run on any allowed processor."""
    if not _given:
        yield
        return
    with _changing:
        before = _now()
        os.sched_setaffinity(0, _given)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
