"""The journal in one SQLite file: its jobs outlive the engine, as its durability says (design.md §8)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.job import Job
from iii_actors.brokers.journal import Change, Found, Journal, Loaded, NewJob, Row
from iii_actors.brokers.sqlite_file import QueueFile
from iii_actors.brokers.sqlite_requests import Dead, Find, Put, Read, Request, Write
from iii_actors.brokers.sqlite_writer import Close, Writer
from iii_actors.clock import Clock
from iii_actors.limits import QUEUE_CLOSE_S, SAVE_INTERVAL_MS, STORE_WAITING, STORE_WAITING_BYTES
from iii_actors.storage.sqlite_file import Durability

__all__ = ["SqliteJournal"]

logger = logging.getLogger(__name__)


class SqliteJournal(Journal):
    """Jobs in a file. Calls only hand over; ``done`` is called on the thread of the actor that owns the file.

    :param path: the file; it and the folders above it are made if they are not there, for this user alone.
    :param durability: ``disk``: a stored job survives a power cut; ``process``: the end of the process, however it
        comes; ``memory``: answers wait for nothing, and what was not saved yet is lost with the process.
    :param save_interval_ms: with ``memory``: how often to save; values below 100 count as 100.
    """

    durable = True

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        *,
        durability: Durability = "disk",
        save_interval_ms: int = SAVE_INTERVAL_MS,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._durability: Durability = durability
        self._save_interval_ms = save_interval_ms if durability == "memory" else None
        self._file: QueueFile
        self._writer: Writer
        self._ref: Ref | None = None
        self._closed = False
        self._bytes_given = 0

    def open(self) -> Loaded:
        self._file = QueueFile(self.path, self._durability)
        self.path = self._file.path
        self._writer = Writer(self._file, self._clock, self._save_interval_ms)
        self._ref = launch(self._writer)
        return self._file.loaded

    def rows(self, queue: str) -> Iterator[Row]:
        return self._file.table.rows(self._file.queues[queue])

    def close(self) -> None:
        if self._closed or self._ref is None:
            self._closed = True
            return
        self._closed = True
        try:
            ask(self._ref, Close(), timeout=QUEUE_CLOSE_S)
        except pykka.Timeout:
            logger.error(  # noqa: TRY400 - where it waits stands in no traceback
                "%s: closing takes longer than %g s; what was answered is safe, and the next start finds it",
                self.path,
                QUEUE_CLOSE_S,
            )
            self._ref.stop(block=False)
        else:
            self._ref.stop()
            self._writer.refuse_waiting()

    def actors(self) -> Sequence[Ref]:
        """Return the actor behind it, for the figures."""
        return (self._ref,) if self._ref is not None else ()

    def put(self, jobs: Sequence[NewJob], now_ms: int, done: Done[Sequence[str | None]]) -> None:
        if self._closed:
            done(None, BrokerClosed())
            return
        size = sum(len(given.job.data) for given in jobs)
        # Each of the two counters has one writer; a picture a moment old is good enough for a bound.
        waiting_bytes = self._bytes_given - self._writer.bytes_done
        if self._writer.waiting >= STORE_WAITING or (waiting_bytes and waiting_bytes + size > STORE_WAITING_BYTES):
            done(None, self._overloaded())
            return
        self._bytes_given += size
        self._writer.take_in(Put(jobs, now_ms, done, size))

    def write(self, changes: Sequence[Change], done: Done[None] | None = None) -> None:
        self._hand_over(Write(changes, done))

    def read(self, numbers: Sequence[int], max_bytes: int, done: Done[Sequence[Job | None]]) -> None:
        self._hand_over(Read(numbers, max_bytes, done))

    def find(self, queue: str, id: str, done: Done[Found]) -> None:  # noqa: A002 - the protocol's word
        self._hand_over(Find(queue, id, done))

    def dead(self, queue: str, newest_first: bool, offset: int, limit: int, done: Done[Sequence[Found]]) -> None:
        self._hand_over(Dead(queue, newest_first, offset, limit, done))

    def _hand_over(self, request: Request) -> None:
        """Hand over, or say that it is too late."""
        if not self._closed:
            self._writer.take_in(request)
        elif request.done is not None:
            request.done(None, BrokerClosed())

    def _overloaded(self) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"{self.path}: too much is waiting for the disk; send less at a time, or use a faster disk"
        )
