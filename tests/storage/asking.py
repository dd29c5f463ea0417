"""Operations of a store, waited for."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

__all__ = ["Answers", "outcome", "result"]

WAIT_S = 20


class Answers:
    """A ``done`` for each of several operations; they are given out in the order in which they come."""

    def __init__(self) -> None:
        self._came: queue.SimpleQueue[tuple[Any, Any, BaseException | None]] = queue.SimpleQueue()

    def done(self, tag: Any = None) -> Callable[[Any, Any], None]:
        return lambda answer, error: self._came.put((tag, answer, error))

    def next(self) -> tuple[Any, Any, BaseException | None]:
        """Return ``(tag, result, error)`` of the next answer."""
        return self._came.get(timeout=WAIT_S)

    def take(self, count: int) -> list[tuple[Any, Any, BaseException | None]]:
        return [self.next() for _ in range(count)]

    def empty(self) -> bool:
        return self._came.empty()


def outcome(operation: Callable[..., None], *args: Any, **options: Any) -> tuple[Any, BaseException | None]:
    """Carry out one operation: ``outcome(store.get, scope, key)``. Returns result and error."""
    answers = Answers()
    operation(*args, answers.done(), **options)
    _, answer, error = answers.next()
    assert answers.empty(), "done was called twice"
    assert answer is None or error is None
    return answer, error


def result(operation: Callable[..., None], *args: Any, **options: Any) -> Any:
    """The same; an error is raised."""
    answer, error = outcome(operation, *args, **options)
    if error is not None:
        raise error
    return answer
