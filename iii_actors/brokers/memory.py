"""The journal in this process: dictionaries. Everything is gone with it; every answer comes before the call returns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from iii_actors.brokers.contract import Done
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable
from iii_actors.brokers.job import Job
from iii_actors.brokers.journal import (
    Bury,
    Change,
    Declare,
    Discard,
    Drop,
    Edit,
    Forget,
    Found,
    InstantJournal,
    Loaded,
    Move,
    NewJob,
    Redrive,
    Retry,
    Row,
    edited,
)
from iii_actors.limits import QUEUE_KEYS, QUEUE_MEMORY_BYTES

__all__ = ["MemoryJournal"]


class _Kept:
    """A queue's dead letters, and the keys that it remembers."""

    __slots__ = ("dead", "keys")

    def __init__(self) -> None:
        self.dead: OrderedDict[int, None] = OrderedDict()
        """Their numbers, in the order of their deaths."""
        self.keys: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """Key to the Unix time in ms until which it is remembered, and the receipt; the oldest first."""


class MemoryJournal(InstantJournal):
    """Runs on the calling thread; an operation costs a microsecond or two."""

    def __init__(self) -> None:
        self.table: dict[int, Job] = {}
        self._queues: dict[str, _Kept] = {}
        self._names: dict[str, int | list[int]] = {}
        """Ids and receipts to numbers; the copies of one publication share a receipt."""
        self._keys = 0
        self._bytes = 0
        """Of the data of all jobs."""
        self._closed = False

    def open(self) -> Loaded:
        return Loaded((), 0, 0)

    def rows(self, queue: str) -> Iterator[Row]:
        return iter(())

    def close(self) -> None:
        self._closed = True
        for table in (self.table, self._queues, self._names):
            table.clear()

    def put(self, jobs: Sequence[NewJob], now_ms: int, done: Done[Sequence[str | None]]) -> None:
        if self._closed:
            done(None, BrokerClosed())
            return
        size = 0
        for one in jobs:
            size += len(one.job.data)
        if self._bytes + size > QUEUE_MEMORY_BYTES:
            done(None, _no_room())
            return
        answers: list[str | None] = []
        names = self._names
        for number, job, _, remember_until_ms in jobs:
            if remember_until_ms and job.idempotency_key is not None:
                earlier = self._earlier(job, job.idempotency_key, remember_until_ms, now_ms)
                if earlier is not None:
                    answers.append(earlier)
                    continue
            self.table[number] = job
            self._bytes += len(job.data)
            names[job.id] = number
            if names.setdefault(job.receipt, number) != number:
                self._share(job.receipt, number)
            answers.append(None)
        done(answers, None)

    def put_plain(self, number: int, job: Job) -> bool:
        size = self._bytes + len(job.data)
        if self._closed or size > QUEUE_MEMORY_BYTES:
            return False
        self._bytes = size
        self.table[number] = job
        self._names[job.id] = number
        if self._names.setdefault(job.receipt, number) != number:
            self._share(job.receipt, number)
        return True

    def drop_plain(self, number: int) -> None:
        self._drop(number)

    def _earlier(self, job: Job, key: str, until_ms: int, now_ms: int) -> str | None:
        """Return the receipt remembered with a key, or remember this one's."""
        keys = self._queues[job.queue].keys
        known = keys.get(key)
        if known is not None and known[0] > now_ms:
            return known[1]
        for old in list(islice(keys, 2)):  # two go for one that comes: so what has expired does not pile up
            if keys[old][0] <= now_ms:
                del keys[old]
                self._keys -= 1
        if self._keys >= QUEUE_KEYS:
            self._forget_one()
        if keys.pop(key, None) is not None:
            self._keys -= 1
        keys[key] = (until_ms, job.receipt)
        self._keys += 1
        return None

    def _forget_one(self) -> None:
        """Forget the key that ends first; within a queue that is about the order in which they came."""
        queues = (kept.keys for kept in self._queues.values() if kept.keys)
        keys = min(queues, key=lambda keys: next(iter(keys.values())))
        keys.popitem(last=False)
        self._keys -= 1

    def write(self, changes: Sequence[Change], done: Done[None] | None = None) -> None:
        if self._closed:
            if done is not None:
                done(None, BrokerClosed())
            return
        for change in changes:
            kind = type(change)
            if kind is Drop:
                for number in change.numbers:  # type: ignore[union-attr]
                    self._drop(number)
            else:
                self._change(change)
        if done is not None:
            done(None, None)

    def _change(self, change: Change) -> None:
        table = self.table
        match change:
            case Retry(_, number, attempts, failures, due_at_ms, _):
                table[number] = replace(table[number], attempts=attempts, failures=failures, due_at_ms=due_at_ms)
            case Bury(queue, number, attempts, failures, _):
                table[number] = replace(table[number], attempts=attempts, failures=failures)
                self._queues[queue].dead[number] = None
            case Redrive(queue, number, new_number):
                job = table[number]
                self._drop(number)
                self._bytes += len(job.data)
                table[new_number] = replace(job, attempts=0, due_at_ms=0)
                self._names[job.id] = new_number
                if self._names.setdefault(job.receipt, new_number) != new_number:
                    self._share(job.receipt, new_number)
            case Edit(_, number, data, max_retries):
                old = table[number]
                table[number] = new = edited(old, data, max_retries)
                self._bytes += len(new.data) - len(old.data)
            case Discard(queue):
                for number in list(self._queues[queue].dead):
                    self._drop(number)
            case Move(source, queue, function_id, namespace):
                for number, job in table.items():
                    if job.queue == source and number not in self._queues[source].dead:
                        table[number] = replace(job, queue=queue, function_id=function_id, namespace=namespace)
            case Declare(queue, _):
                self._queues.setdefault(queue, _Kept())
            case Forget(queue):
                self._keys -= len(self._queues.pop(queue).keys)

    def read(self, numbers: Sequence[int], max_bytes: int, done: Done[Sequence[Job | None]]) -> None:
        if self._closed:
            done(None, BrokerClosed())
        else:
            done([self.table.get(number) for number in numbers], None)

    def find(self, queue: str, id: str, done: Done[Found]) -> None:  # noqa: A002 - the protocol's word
        if self._closed:
            done(None, BrokerClosed())
            return
        numbers = self._names.get(id, [])
        for number in (numbers,) if isinstance(numbers, int) else numbers:
            job = self.table[number]
            if job.queue == queue:
                done(Found(number, job, 0, number in self._queues[queue].dead), None)
                return
        done(None, None)

    def dead(self, queue: str, newest_first: bool, offset: int, limit: int, done: Done[Sequence[Found]]) -> None:
        if self._closed:
            done(None, BrokerClosed())
            return
        kept = self._queues[queue].dead
        page = islice(reversed(kept) if newest_first else kept, offset, offset + limit)
        done([Found(number, self.table[number], 0, True) for number in page], None)

    # --- what one job leaves -----------------------------------------------------------------------------------------

    def _share(self, receipt: str, number: int) -> None:
        """Add a job to those that have a receipt already."""
        known = self._names[receipt]
        if isinstance(known, list):
            known.append(number)
        else:
            self._names[receipt] = [known, number]

    def _drop(self, number: int) -> None:
        job = self.table.pop(number, None)
        if job is None:
            return
        self._bytes -= len(job.data)
        self._names.pop(job.id, None)
        known = self._names.pop(job.receipt, None)
        if isinstance(known, list):
            known.remove(number)
            self._names[job.receipt] = known if len(known) > 1 else known[0]
        if job.attempts:
            self._queues[job.queue].dead.pop(number, None)


def _no_room() -> BrokerUnavailable:
    return BrokerUnavailable(
        f"the queues in memory hold {QUEUE_MEMORY_BYTES >> 20} MiB of data, the most they may, dead letters included: "
        "nothing was stored; consume, purge, or keep the jobs in a file (store_method: file_based)"
    )
