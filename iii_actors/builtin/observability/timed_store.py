"""Records that are kept for a while: logs and metric records (observability.md §3). One thread's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["TimedStore"]

_Record = TypeVar("_Record")


class TimedStore(Generic[_Record]):
    """Records in the order in which they came; the oldest go past the limits, and in time.

    :param most: records.
    :param most_bytes: of memory, estimated.
    :param size: estimates a record's.
    """

    def __init__(self, most: int, most_bytes: int, size: Callable[[_Record], int]) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._size = size
        self._records: deque[tuple[_Record, float, int]] = deque()
        self.bytes = 0
        self.evicted = 0
        """How many had to go before their time."""

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[_Record]:
        return (record for record, _, _ in self._records)

    def newest_first(self) -> Iterator[_Record]:
        return (record for record, _, _ in reversed(self._records))

    def add(self, record: _Record, now: float) -> None:
        """Keep a record that came at this moment of the monotonic clock."""
        size = self._size(record)
        self._records.append((record, now, size))
        self.bytes += size
        self.trim()

    def trim(self) -> None:
        """Let the oldest go until the limits are kept."""
        while len(self._records) > self.most or (self.bytes > self._most_bytes and self._records):
            self._pop()
            self.evicted += 1

    def drop(self, before: float) -> None:
        """Forget what came before this moment of the monotonic clock."""
        while self._records and self._records[0][1] < before:
            self._pop()

    def _pop(self) -> _Record:
        record, _, size = self._records.popleft()
        self.bytes -= size
        return record

    def clear(self) -> None:
        self._records.clear()
        self.bytes = 0
