"""A journal that answers when the test says so: what a file does, slowed down and looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.journal import Change, Journal, Loaded, NewJob, Row
from iii_actors.brokers.memory import MemoryJournal

__all__ = ["LateJournal"]


class LateJournal(Journal):
    """Keeps everything in a :class:`MemoryJournal`, behind a row of requests."""

    durable = True

    def __init__(self, loaded: Loaded | None = None, rows: Sequence[Row] = ()) -> None:
        self.inner = MemoryJournal()
        self.requests: deque[tuple[str, Callable[[], None], Done[Any]]] = deque()
        self.changes: list[Change] = []
        """All that were written."""
        self.failing: set[str] = set()
        """Kinds of requests that get an error: put, write, read, find, dead."""
        self.reads: list[Sequence[int]] = []
        self._loaded = loaded or Loaded((), 0, 0)
        self._rows = rows

    def open(self) -> Loaded:
        return self._loaded

    def rows(self, queue: str) -> Iterator[Row]:
        return iter(self._rows)

    def close(self) -> None:
        self.run()
        self.inner.close()

    def run(self, kind: str | None = None) -> int:
        """Answer everything, or up to and with the first request of a kind; returns how many."""
        count = 0
        while self.requests:
            found, call, done = self.requests.popleft()
            count += 1
            if found in self.failing:
                done(None, BrokerUnavailable("the disk is full"))
            else:
                call()
            if found == kind:
                break
        return count

    def put(self, jobs: Sequence[NewJob], now_ms: int, done: Done[Sequence[str | None]]) -> None:
        self.requests.append(("put", lambda: self.inner.put(jobs, now_ms, done), done))

    def write(self, changes: Sequence[Change], done: Done[None] | None = None) -> None:
        self.changes += changes
        self.inner.write(changes)
        answer = done or (lambda _, __: None)
        self.requests.append(("write", lambda: answer(None, None), answer))

    def read(self, numbers: Sequence[int], max_bytes: int, done: Done[Any]) -> None:
        self.reads.append(list(numbers))
        self.requests.append(("read", lambda: self.inner.read(numbers, max_bytes, done), done))

    def find(self, queue: str, id: str, done: Done[Any]) -> None:  # noqa: A002 - the protocol's word
        # What is found is found now; that it is told later is what the tests are about.
        answers: list[tuple[Any, Any]] = []
        self.inner.find(queue, id, lambda found, error: answers.append((found, error)))
        self.requests.append(("find", lambda: done(*answers[0]), done))

    def dead(self, queue: str, newest_first: bool, offset: int, limit: int, done: Done[Any]) -> None:
        self.requests.append(("dead", lambda: self.inner.dead(queue, newest_first, offset, limit, done), done))
