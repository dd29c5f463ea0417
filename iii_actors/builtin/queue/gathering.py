"""Asking a broker about several queues at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import QueueNotFound
from iii_actors.errors import EngineError

__all__ = ["gather", "or_nothing"]

_T = TypeVar("_T")


def or_nothing(question: Callable[[Done[_T]], None], nothing: _T) -> Callable[[Done[_T]], None]:
    """Return a question that is answered with `nothing` if the queue has just been dropped, by whichever engine."""

    def ask(done: Done[_T]) -> None:
        def answered(answer: _T | None, error: EngineError | None) -> None:
            if isinstance(error, QueueNotFound):
                done(nothing, None)
            else:
                done(answer, error)

        question(answered)

    return ask


def gather(questions: Sequence[Callable[[Done[_T]], None]], done: Done[list[_T]]) -> None:
    """Ask all the questions; ``done`` gets their answers in the same order, or the first error, once. Does not wait."""
    if not questions:
        done([], None)
        return
    answers: list[Any] = [None] * len(questions)
    lock = threading.Lock()
    left = len(questions)

    def answered(at: int, answer: Any, error: EngineError | None) -> None:
        nonlocal left
        with lock:
            if left <= 0:
                return
            answers[at] = answer
            left = 0 if error is not None else left - 1
            if left:
                return
        if error is not None:
            done(None, error)
        else:
            done(answers, None)

    for at, question in enumerate(questions):
        question(lambda answer, error, at=at: answered(at, answer, error))  # type: ignore[misc]
